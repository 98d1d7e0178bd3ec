"""The detection task: which boxes stand behind which <box>, and what an answer scores."""

import dataclasses

import numpy as np
import pytest

from rsfm.tasks import TASKS
from rsfm.tasks.detection import BOX, Detection, detection_turn
from rsfm.tasks.dialogue import special_tokens
from rsfm.types import Answer, Boxes, Record, Value

SQUARE = np.array([[0.0, 0], [4, 0], [4, 4], [0, 4]])
LABELS = ("ship", "small-vehicle", "ship", "harbor")
RECORD = Record(
    id="a/1",
    observations={},
    boxes=Boxes(corners=np.stack([SQUARE + 10 * i for i in range(4)]), labels=LABELS),
)


def test_each_token_has_the_boxes_of_the_class_before_it() -> None:
    task, seen = Detection(several=0.5, missing=0.3), set[int]()
    for seed in range(60):
        dialogue = task.dialogue(RECORD, np.random.default_rng(seed))
        assert dialogue is not None
        answer, pieces = dialogue.turns[0][1], dialogue.turns[0][1].split(BOX)
        assert special_tokens(answer) == [BOX] * len(dialogue.spans)
        for name, span in zip(pieces[:-1], dialogue.spans, strict=True):
            wanted = [i for i, label in enumerate(LABELS) if label.replace("-", " ") == name.strip()]
            np.testing.assert_array_equal(span.corners, RECORD.boxes.corners[wanted])  # type: ignore[union-attr]
            seen.add(len(wanted))
        assert dialogue.mapped
    assert seen == {0, 1, 2}, "classes of the vocabulary that are not there are asked for, too"


def test_wording_of_prediction_is_one_of_training() -> None:
    question, answer = detection_turn(("small vehicle",))
    assert (question, answer) == ("Where are the small vehicles?", "small vehicle <box>")
    assert TASKS["detection"].question(RECORD) == "Where are the ships?"
    assert detection_turn(("ship", "harbor"))[1] == "ship <box> harbor <box>"


def test_without_boxes_there_is_nothing_to_learn_but_a_count_of_none_is_scored() -> None:
    task = TASKS["detection"]
    nothing = dataclasses.replace(
        RECORD,
        boxes=Boxes(corners=np.zeros((0, 4, 2)), labels=()),
        values=(Value(name="ships", value=0.0, unit=""),),
    )
    assert task.dialogue(nothing, np.random.default_rng(0)) is None and task.subjects(nothing) is None
    false = Answer(question="", text="", boxes=dataclasses.replace(RECORD.boxes, scores=(0.9, 0.8, 0.7, 0.6)))  # type: ignore[type-var]
    rows = task.statistics(nothing, false)
    assert task.metrics["count_mae"](rows) == 4.0 and task.metrics["precision@0.5"](rows) == 0.0


def test_the_count_is_that_of_the_answer_and_the_ranking_that_of_all_boxes() -> None:
    task = TASKS["detection"]
    shown = Boxes(corners=np.stack([SQUARE, SQUARE + 20, SQUARE + 90]), labels=("ship",) * 3, scores=(0.9, 0.8, 0.1))
    answer = Answer(question="", text="", boxes=shown, values=(Value(name="ships", value=2.0, unit=""),))
    rows = task.statistics(RECORD, answer)
    assert [task.metrics[name](rows) for name in ("ap50", "precision@0.5", "recall@0.5", "count_mae")] == [
        1.0,
        1.0,
        1.0,
        0.0,
    ]
    worse = dataclasses.replace(answer, boxes=dataclasses.replace(shown, scores=(0.2, 0.3, 0.9)))
    assert task.metrics["ap50"](task.statistics(RECORD, worse)) == pytest.approx(2 / 3, abs=0.01)
