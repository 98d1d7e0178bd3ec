"""The report holds all it says inside itself, escapes every text, and shows worst answers first."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from rsfm.processor import Processor, ProcessorConfig
from rsfm.scoring.report import Judged, build, write_report
from rsfm.scoring.report.page import Section, page
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.tasks import TASKS
from rsfm.text.tokenizer import TextTokenizer
from rsfm.types import Answer, Mask, Record
from tests.small_checkpoint import ROOT

LEGEND = ("grass", "<script>alert(1)</script>")


def a_record(i: int, wrong: float) -> tuple[Record, Answer]:
    """A picture and a map of it of which a share is wrong."""
    rng = np.random.default_rng(i)
    seen = observe(SENSORS["aerial_rgb"], rng.random((1, 16, 16, 3), np.float32), time_days=[float("nan")], gsd_m=0.3)
    index = rng.integers(0, 2, (16, 16))
    other = np.where(rng.random((16, 16)) < wrong, 1 - index, index)
    record = Record(id=f"mine/{i}", observations={"aerial_rgb": seen}, mask=Mask(class_index=index, legend=LEGEND))
    return record, Answer(question="Map the ground.", text="", mask=Mask(class_index=other, legend=LEGEND))


def a_run(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"train": {"steps": 4, "seed": 7, "watch": "segmentation/miou"}}))
    rows = [{"step": i, "loss": 3.0 / i} for i in range(1, 5)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rows = [{"step": i, "loss": None if i == 2 else 2.0 / i, "segmentation/miou": i / 5} for i in (2, 4)]
    (folder / "evaluation.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def found() -> Judged:
    pairs = [a_record(i, wrong) for i, wrong in enumerate((0.0, 0.5, 0.1, 0.9, 0.2, 0.3))]
    scores = [{"metric": "miou", "value": 0.5, "low": 0.4, "high": float("nan"), "n": 1536}]
    return Judged(
        split="test",
        task=TASKS["segmentation"],
        records=[r for r, _ in pairs],
        answers=[a for _, a in pairs],
        scores=scores,
    )


def test_the_page_is_whole_and_every_text_is_escaped(found: Judged, tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(build, "predict", lambda model, processor, record, question: found.answers[0])
    processor = Processor(ProcessorConfig(streams={}), TextTokenizer.load(ROOT / "tokenizers" / "text"))
    command = "rsfm finetune nano --name '<b>&mine</b>'"
    path = write_report(
        a_run(tmp_path / "run"), None, processor, [found], title="nano-<i>mine</i>", command=command, best=4
    )
    text = path.read_text(encoding="utf-8")
    assert "<script" not in text and "<i>mine" not in text and "<b>" not in text
    assert "&lt;b&gt;&amp;mine&lt;/b&gt;" in text and "of step 4, best by segmentation/miou" in text
    assert not re.search(r"(?:src|href)=\"(?!data:image/png;base64,)", text) and text.count("data:image/png") == 5
    titles = re.findall("<h2>(.*?)</h2>", text)
    assert titles[:3] == ["How it was trained", "Curves", "segmentation on test, which training never looked at"]
    assert {"Answered worst", "Drawn by chance", "A map", "With what"} <= set(titles)


def test_the_worst_are_the_worst(found: Judged, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    shown = []
    monkeypatch.setattr(build.figures, "samples", lambda chosen: shown.append([r.id for _, r, _ in chosen]))
    monkeypatch.setattr(build, "png_of", lambda figure: b"")
    build._samples(found)
    assert shown[0] == ["mine/3", "mine/1", "mine/5", "mine/4"] and len(shown[1]) == 4


def test_a_confusion_counts_labels_by_row(found: Judged, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr(build.figures, "confusion", lambda counts, names: drawn.append((counts, names)))
    build._confusion(found)
    counts, names = drawn[0]
    assert names == list(LEGEND) and counts.sum() == 6 * 256
    truth = np.concatenate([record.mask.class_index.ravel() for record in found.records])
    guess = np.concatenate([answer.mask.class_index.ravel() for answer in found.answers])
    assert counts[0, 1] == ((truth == 0) & (guess == 1)).sum() and counts[1, 0] == ((truth == 1) & (guess == 0)).sum()


def test_a_table_has_its_heading() -> None:
    text = page(
        "t",
        "s",
        [Section(title="a", rows=[("x", "y"), ("1", "2")]), Section(title="b", rows=[("k", 3)], heading=False)],
    )
    assert "<th>x</th>" in text and "<td>1</td>" in text and "<td>k</td>" in text
