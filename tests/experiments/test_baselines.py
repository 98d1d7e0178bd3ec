"""The baselines: features that see what they should, scores that are the tasks' own, committed rows that read back."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from experiments.baselines import BENCHES, Bench, convolutional_features, map_answer, picture_statistics
from rsfm.scoring.results import BASELINES, append_rows, read_rows
from rsfm.types import Answer, Mask, Record

ROOT = Path(__file__).resolve().parents[2]


def test_picture_statistics_tell_colour_and_direction(rng: np.random.Generator) -> None:
    stripes = np.repeat(np.tile([0.0, 0.0, 1.0, 1.0], 10)[None, :, None] * [1.0, 0.5, 0.0], 40, axis=0)
    seen = picture_statistics(stripes.astype(np.float32))
    turned = picture_statistics(stripes.transpose(1, 0, 2).astype(np.float32))
    np.testing.assert_allclose(seen[:3], [0.5, 0.25, 0], atol=1e-6)
    np.testing.assert_allclose(seen[:8], turned[:8], atol=1e-6)
    directions = slice(23, 31)
    assert seen[directions].argmax() != turned[directions].argmax()


def test_convolutional_features_do_not_read_the_test_pictures(rng: np.random.Generator) -> None:
    pictures = rng.random((6, 16, 16, 3), dtype=np.float32)
    changed = pictures.copy()
    changed[5] = 0
    first, second = (convolutional_features(x, train=4, filters=8) for x in (pictures, changed))
    assert first.shape == (6, 16)
    np.testing.assert_array_equal(first[:5], second[:5])
    assert (first >= 0).all()


def test_map_answer_reads_labelled_pixels_only(rng: np.random.Generator) -> None:
    truth = np.where(np.arange(12)[:, None] < 6, 0, 1) * np.ones((12, 10), int)
    features = truth[..., None] + rng.normal(0, 0.01, (12, 10, 3))
    hidden = truth.copy()
    hidden[:, 5:] = -1
    answer = map_answer(KNeighborsClassifier(1), [(features, hidden)], features, ("crops", "water"))
    assert answer.mask is not None
    np.testing.assert_array_equal(answer.mask.class_index, truth)


def test_bench_takes_the_mean_over_seeds_and_names_the_row(tmp_path: Path) -> None:
    records = [Record(id=str(i), observations={}, scene=scene) for i, scene in enumerate(["forest", "pond"] * 20)]
    bench = Bench(dataset="aid_rsicd", split="val", protocol="published", task="scene", records=records)
    right = [Answer(question="", text=str(record.scene)) for record in records]
    forest = [Answer(question="", text="forest") for _ in records]
    (row,) = append_rows(tmp_path / "rows.jsonl", bench.rows("two seeds", [right, forest]))
    assert row.config == BASELINES and row.metric == "accuracy" and row.n == 40 and row.seeds == (0, 1)
    assert row.value == 0.75 and row.low is not None and row.high is not None and row.low < 0.75 < row.high


def test_bench_counts_labelled_pixels() -> None:
    mask = Mask(class_index=np.array([[0, 1, -1], [0, 0, 1]]), legend=("crops", "water"))
    bench = Bench(
        dataset="terramesh",
        split="test",
        protocol="tile-out",
        task="segmentation",
        records=[Record(id="a", observations={}, mask=mask)],
    )
    guess = Mask(class_index=np.zeros((2, 3), int), legend=mask.legend)
    rows = {row["metric"]: row for row in bench.rows("all crops", [[Answer(question="", text="", mask=guess)]])}
    assert rows["overall_accuracy"]["value"] == pytest.approx(3 / 5) and rows["overall_accuracy"]["n"] == 5
    assert rows["miou"]["value"] == pytest.approx((3 / 5 + 0) / 2)


def test_committed_rows_can_be_read() -> None:
    rows = [row for row in read_rows(ROOT / "experiments" / "results") if row.config == BASELINES]
    assert {row.dataset for row in rows} >= set(BENCHES)
    own = [row for row in rows if row.dataset in BENCHES and "experiments/baselines.py" in row.command]
    assert all(row.low is not None for row in own if not row.protocol.endswith("-mean"))
