"""The change task: which records teach it, what is asked and answered, and how maps of change are scored."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score, jaccard_score, precision_score, recall_score

from rsfm.data.datasets import DATASETS
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.tasks import TASKS
from rsfm.tasks.change import Change, change_mask
from rsfm.types import OTHER, Answer, Mask, Record

LEGEND = ("no change", "building change")


def pair(index: np.ndarray, legend: tuple[str, ...] = LEGEND, dates: int = 2) -> Record:
    values = np.zeros((dates, *index.shape, 3), np.float32)
    seen = observe(SENSORS["aerial_rgb"], values, time_days=[float("nan")] * dates, gsd_m=0.5)
    return Record(id="pair", observations={"aerial_rgb": seen}, mask=Mask(class_index=index, legend=legend))


def corner() -> np.ndarray:
    index = np.zeros((8, 8), np.int64)
    index[:2, :2] = 1
    return index


def answered(mask: np.ndarray, legend: tuple[str, ...] = ("building change",)) -> Answer:
    return Answer(question="", text="", mask=Mask(class_index=mask, legend=legend))


def test_the_map_has_what_changed_and_the_rest_is_none_of_it() -> None:
    index = corner()
    index[7] = -1
    dialogue = Change(whether=0.0).dialogue(pair(index), np.random.default_rng(0))
    assert dialogue is not None and dialogue.turns == (("Map the building change.", "building change <mask>"),)
    (region,) = dialogue.spans
    np.testing.assert_array_equal(region.mask.class_index, np.where(index == 1, 0, np.where(index == 0, OTHER, -1)))


def test_whether_anything_changed_comes_before_what() -> None:
    asked = Change(whether=1.0)
    said = {asked.dialogue(pair(corner()), np.random.default_rng(seed)).turns[0] for seed in range(40)}  # type: ignore[union-attr]
    assert {answer for _, answer in said} == {"building change <mask>"} and len(said) > 3
    still = asked.dialogue(pair(np.zeros((8, 8), np.int64)), np.random.default_rng(0))
    assert still is not None and still.turns[0][1] == "no building change." and still.spans == ()


def test_whether_is_not_asked_where_a_part_is_unlabelled() -> None:
    """Nothing changed in what is labelled does not mean that nothing changed."""
    index = np.zeros((8, 8), np.int64)
    index[0] = -1
    for seed in range(10):
        dialogue = Change(whether=1.0).dialogue(pair(index), np.random.default_rng(seed))
        assert dialogue is not None and "<mask>" in dialogue.turns[0][1]


@pytest.mark.parametrize(
    "record",
    [
        pair(corner(), ("water", "trees")),
        pair(corner(), dates=1),
        pair(np.full((8, 8), -1)),
        dataclasses.replace(pair(corner()), mask=None),
        pair(np.zeros((8, 8), np.int64), ("no change",)),
    ],
)
def test_other_records_teach_no_change(record: Record) -> None:
    assert Change().dialogue(record, np.random.default_rng(0)) is None


def test_a_pair_of_two_sensors_teaches_change() -> None:
    both = pair(corner(), dates=1)
    both = dataclasses.replace(both, observations={**both.observations, "naip": both.observations["aerial_rgb"]})
    assert Change().dialogue(both, np.random.default_rng(0)) is not None


def test_scores_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    index, guess = rng.integers(-1, 2, (120, 130)), rng.integers(0, 2, (120, 130))
    task = TASKS["change"]
    rows = task.statistics(pair(index), answered(guess - 1))  # 0: changed
    known = index >= 0
    truth, found = index[known], guess[known]
    wanted = {
        "f1": f1_score(truth, found),
        "iou": jaccard_score(truth, found),
        "precision": precision_score(truth, found),
        "recall": recall_score(truth, found),
        "overall_accuracy": (truth == found).mean(),
        "kappa": cohen_kappa_score(truth, found),
    }
    assert len(rows) == 4 and rows.sum() == known.sum()
    for name, metric in task.metrics.items():
        assert metric(rows) == pytest.approx(wanted[name]), name


def test_answers_in_the_words_of_the_legend_score_alike_and_none_is_all_wrong() -> None:
    task, known = TASKS["change"], pair(corner())
    same = answered(corner(), LEGEND)
    np.testing.assert_array_equal(task.statistics(known, same), [[4, 0, 0, 60]])
    np.testing.assert_array_equal(task.statistics(known, Answer(question="", text="no")), [[0, 60, 4, 0]])


@pytest.mark.data
@pytest.mark.parametrize("name", ["levir_cd", "landsat_change", "heterogeneous_change"])
def test_pairs_of_real_data_sets_teach_change(name: str, published_data: Path) -> None:
    record = DATASETS[name](published_data, "test")[0]
    mask = change_mask(record)
    assert mask is not None and TASKS["change"].dialogue(record, np.random.default_rng(0)) is not None
    assert TASKS["change"].subjects(record) == mask.legend and (mask.class_index >= 0).any()
