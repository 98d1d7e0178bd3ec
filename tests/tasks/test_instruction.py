"""Instruction data: facts by hand, many wordings of one answer, boxes in text, and conversations that repeat nothing."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsfm.boxes import decode
from rsfm.cli import main
from rsfm.data.datasets import DATASETS
from rsfm.errors import UserError
from rsfm.tasks import TASKS, facts, wordings
from rsfm.tasks.conversation import conversation, written
from rsfm.tasks.description import descriptions
from rsfm.tasks.grounding import QUESTIONS, found_boxes
from rsfm.tasks.vqa import CANNOT_BE_TOLD
from rsfm.types import Answer, Boxes, GeoGrid, Mask, Record, Value
from tests.data.layouts import write_layout
from tests.tasks.test_tasks import observation

LEGEND = ("Water", "Trees", "Crops", "Built area")
INSTRUCTION = TASKS["instruction"]


def square(x: float, y: float, side: float) -> list[list[float]]:
    return [[x, y], [x + side, y], [x + side, y + side], [x, y + side]]


def record(**changes: Any) -> Record:
    index = np.ones((20, 20), np.int32)
    index[:5, :5] = 0
    index[15:, 15:] = 0  # two ponds of 25 pixels in 400
    boxes = Boxes(
        corners=np.array([square(1, 1, 2), square(3, 1, 2), square(14, 15, 4)], float),
        labels=("ship", "ship", "harbor"),
    )
    known = Record(
        id="a/1",
        observations={"aerial_rgb": observation(20)},
        boxes=boxes,
        mask=Mask(class_index=index, legend=LEGEND),
    )
    return dataclasses.replace(known, **changes)


def two_dates(changed: int, legend: tuple[str, ...] = ("no change", "building change")) -> Record:
    index = np.zeros((20, 20), np.int32)
    index.reshape(-1)[:changed] = 1
    one = observation(20)
    pair = dataclasses.replace(
        one,
        values=np.repeat(one.values, 2, 0),
        valid=np.repeat(one.valid, 2, 0),
        band_valid=np.repeat(one.band_valid, 2, 0),
        time_days=np.array([0.0, 900.0], np.float32),
    )
    return Record(id="b/1", observations={"aerial_rgb": pair}, mask=Mask(class_index=index, legend=legend))


def said(known: Record, kind: str, draws: int = 150) -> dict[str, set[str]]:
    """Questions by their answers, of one kind, over many draws; values are written out."""
    out: dict[str, set[str]] = {}
    for seed in range(draws):
        dialogue = INSTRUCTION.kinds[kind](known, np.random.default_rng(seed))  # type: ignore[attr-defined]
        if dialogue is not None:
            out.setdefault(written(dialogue.turns[0][1], dialogue.spans), set()).add(dialogue.turns[0][0])
    return out


def test_every_kind_has_its_wordings() -> None:
    counted = said(record(boxes=Boxes(corners=np.zeros((2, 4, 2)), labels=("ship", "ship"))), "count")
    assert counted == {"There are 2 ships.": {text.format(name="ships") for text in wordings.COUNT}}
    areas = said(record(), "area", 300)
    assert set(areas) == {"There are 0.5 ha of water.", "There are 3.5 ha of trees."}
    assert areas["There are 0.5 ha of water."] == {text.format(name="water") for text in wordings.AREA}
    assert set(said(record(boxes=None), "comparison")) == {"There are more trees."}
    assert set(said(record(), "unanswerable")) == {CANNOT_BE_TOLD}


def test_places_and_boxes_are_where_the_labels_are() -> None:
    assert set(said(record(), "place")) == {"Bottom right."}, "only the harbor is alone of its class"
    boxes = said(record(), "box")
    assert set(boxes) == {"{<5><5><15><15>}{<15><5><25><15>}", "{<70><75><90><95>}"}
    assert boxes["{<70><75><90><95>}"] == {text.format(names="harbors") for text in QUESTIONS}
    identified = said(record(), "identify")
    assert set(identified) == {"Ship.", "Harbor."}
    assert all("{<70><75><90><95>}" in question for question in identified["Harbor."])


def test_change_is_told_where_there_are_two_dates() -> None:
    assert set(said(two_dates(100), "change")) == {"Yes.", "1 ha have changed."}
    assert said(two_dates(0), "change") == {"No.": set(wordings.CHANGED)}
    assert not said(two_dates(1), "change"), "too little to be sure that it is seen"
    assert not said(dataclasses.replace(two_dates(100), observations={"aerial_rgb": observation(20)}), "change")
    assert not said(two_dates(100, ("water", "trees")), "change"), "land cover, not change"
    assert facts.change(two_dates(100)) == (0.25, 1.0)


def test_hectares_are_ground_whatever_the_projection() -> None:
    """At 60 north a pixel of a web map has a quarter of its map area; nearer the equator it has more."""
    web = GeoGrid(crs="EPSG:3857", transform=(10.0, 0.0, 1e6, 0.0, -10.0, 8399737.0), height=20, width=20)
    pond = np.zeros((20, 20), bool)
    pond[:10] = True
    assert facts.hectares(record(grid=web), pond) == pytest.approx(200 * 0.01 * 0.2507, rel=5e-3)
    assert facts.hectares(record(grid=dataclasses.replace(web, width=19)), pond) == facts.hectares(record(), pond) == 2
    task = facts.area(record(grid=web), np.random.default_rng(0))
    assert task is not None and task[1] < 20 * 20 * 0.01 * 0.26


def test_boxes_from_masks_are_drawn_around_the_parts() -> None:
    known = record().mask
    assert known is not None
    found = facts.boxes_from_mask(known)
    assert found.labels == ("Water", "Water", "Trees")
    np.testing.assert_array_equal(found.corners[:2], [square(0, 0, 5), square(15, 15, 5)])
    assert facts.boxes_from_mask(known, least=0.1).labels == ("Trees",)
    nothing = Mask(class_index=np.full((4, 4), -1, np.int32), legend=LEGEND)
    assert facts.boxes_from_mask(nothing).corners.shape == (0, 4, 2)


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_parts_of_a_mask_lie_in_their_boxes(seed: int) -> None:
    index = (np.random.default_rng(seed).random((12, 15)) > 0.6).astype(np.int32)
    found = facts.boxes_from_mask(Mask(class_index=index, legend=("no data", "water")), least=0.0)
    covered = np.zeros_like(index)
    for corners in found.corners.astype(int):
        (x0, y0), (x1, y1) = corners.min(0), corners.max(0)
        covered[y0:y1, x0:x1] = 1
        inside = index[y0:y1, x0:x1]
        assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any(), (
            "no wider than its part"
        )
    assert (covered >= index).all() and set(found.labels) <= {"water"}


def test_grounding_scores_by_overlap() -> None:
    task, known = TASKS["grounding"], record()
    rows = task.statistics(known, Answer(question="", text="At {<6><5><15><15>} and {<80><80><90><90>}."))
    assert rows.tolist() == [[1, 2, 2]]
    assert task.metrics["acc@0.5"](rows) == task.metrics["precision@0.5"](rows) == 0.5
    assert task.metrics["precision@0.5"](task.statistics(known, Answer(question="", text="none"))) == 0
    assert found_boxes(facts.of_label(known.boxes, "harbor"), "{<70><75><90><95>}", (20, 20)) == (1, 1, 1)  # type: ignore[arg-type]


def test_right_boxes_need_every_one_and_no_other() -> None:
    known = record()
    for i in range(300):
        known = record(id=f"a/{i}")
        if "harbors" in INSTRUCTION.question(known) and "{" not in INSTRUCTION.question(known):
            dialogue = INSTRUCTION.dialogue(known, np.random.default_rng(0))
            if INSTRUCTION.statistics(known, Answer(question="", text="{<70><75><90><95>}"))[0, 0] == 1:
                break
    else:
        pytest.fail("no record asks for the harbor's box")
    assert dialogue is not None
    for text, right in (("{<71><75><90><96>}", 1), ("{<70><75><90><95>}{<1><1><9><9>}", 0), ("there", 0)):
        assert INSTRUCTION.statistics(known, Answer(question="", text=text))[0, 0] == right


def test_descriptions_say_counts_places_cover_and_change() -> None:
    told = descriptions(record(scene="Port"))
    assert told[0] == (
        "The scene is port. There are 2 ships and 1 harbor in the image. The harbor is in the bottom right. "
        "The ships are in the top left. The ground is covered by 88 % trees and 12 % water."
    )
    assert len(set(told)) == 4 and not descriptions(Record(id="x", observations={"aerial_rgb": observation()}))
    assert descriptions(two_dates(100))[0] == "25 % of the ground has changed between the dates."
    assert "less than 1 %" in descriptions(two_dates(1))[1]


def test_numbers_are_written_with_three_digits() -> None:
    values = [
        Value(name="n", value=12.0, unit=""),
        Value(name="a", value=1234.5, unit="ha"),
        Value(name="a", value=0.012345, unit="ha"),
    ]
    assert written("<value> ships, <value> ha, <value> ha", values) == "12 ships, 1230 ha, 0.0123 ha"


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(1, 6))
def test_conversations_are_repeatable_and_repeat_nothing(seed: int, turns: int) -> None:
    names = ("instruction", "description", "segmentation")
    first = conversation(names, record(), turns=turns, seed=seed)
    assert first == conversation(names, record(), turns=turns, seed=seed)
    assert 1 <= len(first) <= turns and len({answer for _, answer in first}) == len(first)
    assert not any("<value>" in answer or "<mask>" in answer for _, answer in first)


def test_a_conversation_of_no_turn_is_an_error() -> None:
    with pytest.raises(UserError, match="needs one turn at least, found 0"):
        conversation(("instruction",), record(), turns=0)


def test_instructions_are_written_and_read_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = tmp_path / "data", tmp_path / "out" / "llava"
    for name in ("dota", "levir_cd"):
        write_layout(name, data)
    command = ["data", "instruct", "levir_cd", "--data", str(data), "--out", str(out), "--turns", "3"]
    assert main(command) == 0 and "2 conversations" in capsys.readouterr().out
    rows = json.loads((out / "conversations.json").read_text())
    assert [len(row["image"]) for row in rows] == [2, 2] and rows[0]["conversations"][0]["value"].startswith(
        "<image>\n<image>\n"
    )
    back, source = DATASETS["llava"](out, "train"), DATASETS["levir_cd"](data, "train")
    assert [[(t.question, t.answers[0]) for t in r.turns] for r in back] == [
        list(conversation(("instruction", "description"), r, turns=3)) for r in source
    ]
    np.testing.assert_allclose(
        back[0].observations["aerial_rgb"].values, source[0].observations["aerial_rgb"].values, atol=1e-6
    )
    assert main(command) == 2 and "pictures of this split are there already" in capsys.readouterr().err
    assert main([*command[:4], str(data), "--out", str(out), "--split", "test"]) == 0, "the other split beside it"
    assert DATASETS["llava"](out, "test")[0].turns
    assert main(["data", "instruct", "dota", "--data", str(data), "--out", str(tmp_path / "b"), "--task", "vqas"]) == 2
    assert "Did you mean 'vqa'" in capsys.readouterr().err and not (tmp_path / "b").exists()


def test_boxes_in_answers_are_read_by_the_codec() -> None:
    dialogue = TASKS["grounding"].dialogue(record(), np.random.default_rng(1))
    assert dialogue is not None and len(decode(dialogue.turns[0][1], "grid100", size=(20, 20)).corners) in (1, 2)
