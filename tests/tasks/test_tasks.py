"""What every task in the table must do, and what each asks, answers and scores."""

import dataclasses
import re
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsfm.errors import UserError
from rsfm.tasks import TASKS, Dialogue, converse, merge
from rsfm.tasks.detection import BOX
from rsfm.tasks.dialogue import MASK, VALUE, plain, plural, regions, same_words
from rsfm.tasks.facts import labelled_share
from rsfm.tasks.segmentation import Segmentation
from rsfm.tasks.vocabularies import VOCABULARIES
from rsfm.tasks.vqa import CANNOT_BE_TOLD, Vqa
from rsfm.types import OTHER, Answer, Boxes, Mask, Observation, Record, Turn, Value, ValueMap

LEGEND = ("Water", "Trees", "Crops", "Built area")


def observation(size: int = 8, gsd_m: float = 10.0) -> Observation:
    return Observation(
        values=np.zeros((1, size, size, 3), np.float32),
        valid=np.ones((1, size, size), bool),
        band_valid=np.ones((1, 3), bool),
        wavelength_um=np.array([0.49, 0.56, 0.66], np.float32),
        bandwidth_um=np.full(3, 0.05, np.float32),
        band_code=np.zeros(3, np.int32),
        time_days=np.array([9000.0], np.float32),
        gsd_m=np.asarray(gsd_m, np.float32),
    )


def record(**changes: Any) -> Record:
    index = np.zeros((8, 8), np.int32)
    index[:, 2:] = 1  # 16 pixels of water, 48 of trees
    corners = np.array([[0, 0], [2, 0], [2, 1], [0, 1]]) + np.array([[0, 0], [4, 0], [0, 4], [4, 4]])[:, None]
    boxes = Boxes(corners=corners.astype(float), labels=("ship", "ship", "small-vehicle", "ship"))
    given = Record(
        id="a/1",
        observations={"aerial_rgb": observation()},
        scene="BareLand",
        tags=("Pastures", "Coniferous forest"),
        captions=("two ships in a harbor .", "a harbor with two ships ."),
        values=(
            Value(name="live fuel moisture", value=93.0, unit="%"),
            Value(name="NDVI on 2024-10-01", value=0.5, unit="1"),
        ),
        boxes=boxes,
        mask=Mask(class_index=index, legend=LEGEND),
        value_map=ValueMap(values=np.where(index, 7.0, np.nan), name="canopy height", unit="m", edges=(0.0, 5.0, 10.0)),
    )
    return dataclasses.replace(given, **changes)


def empty() -> Record:
    return Record(id="a/2", observations={"aerial_rgb": observation()})


def compared() -> Record:
    """Two dates and what changed between them."""
    one = observation()
    two = {name: np.concatenate([getattr(one, name)] * 2) for name in ("values", "valid", "band_valid", "time_days")}
    mask = record().mask
    assert mask is not None
    seen = {"aerial_rgb": dataclasses.replace(one, **two)}
    return record(observations=seen, mask=Mask(class_index=mask.class_index, legend=("no change", "change")))


RECORDS = {"change": compared}  # of tasks that need other labels than the rest


def labelled(name: str) -> Record:
    return RECORDS.get(name, record)()


def truthful(dialogue: Dialogue) -> Answer:
    """The answer of one who knows."""
    (question, text), values = dialogue.turns[0], dialogue.of(VALUE)
    mask = next((span.mask for span in dialogue.of(MASK)), None)
    known = tuple(dataclasses.replace(value, low=value.value - 1, high=value.value + 1) for value in values)
    boxes = next(iter(dialogue.of(BOX)), None)
    return Answer(question=question, text=text, values=known, mask=mask, boxes=boxes, value_map=np.full((8, 8, 3), 7.0))


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_consistent(name: str) -> None:
    task = TASKS[name]
    assert task.name == name and set(task.metrics) == set(task.higher_is_better)
    asked = task.question(labelled(name))
    assert asked == task.question(labelled(name)) and asked.endswith(("?", "."))
    silent = Answer(question=asked, text="", value_map=np.full((8, 8, 3), np.nan))  # a map is made of any answer
    rows = task.statistics(labelled(name), silent)
    assert rows.ndim == 2 and len(rows) >= 1
    assert all(isinstance(metric(rows), float) for metric in task.metrics.values())


@pytest.mark.parametrize("name", TASKS)
@given(seed=st.integers(0, 2**32 - 1))
def test_dialogues_are_deterministic_and_well_formed(name: str, seed: int) -> None:
    first, second = (TASKS[name].dialogue(labelled(name), np.random.default_rng(seed)) for _ in range(2))
    assert first is not None and second is not None
    assert first.turns == second.turns and list(map(type, first.spans)) == list(map(type, second.spans))
    for question, answer in first.turns:
        assert question and answer and question[0].isupper()
        assert not re.search(r"\{[A-Za-z_]*\}", question + answer), "a template is not filled in"


@pytest.mark.parametrize("name", TASKS)
def test_a_record_without_labels_has_no_dialogue_and_no_rows(name: str) -> None:
    assert TASKS[name].dialogue(empty(), np.random.default_rng(0)) is None
    assert len(TASKS[name].statistics(empty(), Answer(question="", text="x"))) == 0
    assert TASKS[name].question(empty())


@pytest.mark.parametrize("name", TASKS)
def test_the_truth_scores_best(name: str) -> None:
    task, known = TASKS[name], labelled(name)
    answers = [task.dialogue(known, np.random.default_rng(seed)) for seed in range(300)]
    if isinstance(task, Vqa):
        answers.append(task.dialogue(known, np.random.default_rng(zlib.crc32(known.id.encode()))))
    asked = [d for d in answers if d is not None and d.turns[0][0] == task.question(known)]
    assert asked, "no random wording is the canonical one"
    rows = task.statistics(known, truthful(asked[0]))
    best = next(iter(task.metrics))
    wanted = 0.0 if not task.higher_is_better[best] else 1.0
    assert task.metrics[best](rows) == pytest.approx(wanted)


def test_wordings() -> None:
    rng = np.random.default_rng(0)
    said = {
        name: TASKS[name].dialogue(record(values=record().values[:1]), rng)
        for name in ("scene", "regression", "multilabel")
    }
    assert {name: d.turns[0][1] for name, d in said.items() if d} == {
        "scene": "bare land .",
        "regression": "The live fuel moisture is <value> %.",
        "multilabel": "coniferous forest; pastures",
    }
    assert TASKS["regression"].question(record(values=record().values[:1])) == "What is the live fuel moisture?"
    assert TASKS["counting"].question(record(values=record().values[:1])) == "How many ships are there?"
    assert (
        TASKS["segmentation"].question(record(values=record().values[:1]))
        == "Map the land cover: water, trees, crops, built area."
    )


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("ship", "ships"),
        ("bus", "buses"),
        ("church", "churches"),
        ("city", "cities"),
        ("bay", "bays"),
        ("water", "water"),
    ],
)
def test_plurals(one: str, many: str) -> None:
    assert plural(one) == many


def test_names_become_words() -> None:
    assert [plain(x) for x in ("BareLand", "small-vehicle", "Storage_Tank ")] == [
        "bare land",
        "small vehicle",
        "storage tank",
    ]
    assert same_words("Bare  land.", "bare land .") and not same_words("land", "bare land")


# ---- segmentation


@given(seed=st.integers(0, 10_000))
def test_mask_slots_follow_the_question(seed: int) -> None:
    known = record()
    assert known.mask is not None
    index = known.mask.class_index.copy()
    index[0] = -1
    known = record(mask=Mask(class_index=index, legend=LEGEND))
    dialogue = Segmentation(subset=0.5, single=0.3).dialogue(known, np.random.default_rng(seed))
    assert dialogue is not None and dialogue.mapped
    question, answer = dialogue.turns[0]
    names = dialogue.spans[0].mask.legend
    assert ", ".join(names) in question and answer == " ".join(f"{name} <mask>" for name in names)
    for slot, name in enumerate(names):
        wanted = [plain(x) for x in LEGEND].index(name)
        np.testing.assert_array_equal(dialogue.spans[0].mask.class_index == slot, index == wanted)
    np.testing.assert_array_equal(dialogue.spans[0].mask.class_index == -1, index == -1)
    others = [i for i, name in enumerate(LEGEND) if plain(name) not in names]
    np.testing.assert_array_equal(dialogue.spans[0].mask.class_index == OTHER, np.isin(index, others))


@given(seed=st.integers(0, 10_000))
def test_a_pixel_of_one_of_two_classes_stays_so(seed: int) -> None:
    either = len(LEGEND)
    index = np.array([[either, either], [0, -1]])
    weak = record(mask=Mask(class_index=index, legend=LEGEND, either=((0, 1),)))
    dialogue = Segmentation(subset=0.5, single=0.3).dialogue(weak, np.random.default_rng(seed))
    assert dialogue is not None and dialogue.mapped
    asked, names = dialogue.spans[0].mask, dialogue.spans[0].mask.legend
    slots = {names.index(name) if (name := plain(LEGEND[i])) in names else OTHER for i in (0, 1)}
    assert asked.class_index[0, 0] == len(names) and set(asked.either[0]) == slots
    assert asked.class_index[1, 0] in slots and asked.class_index[1, 1] == -1
    assert labelled_share(weak) == 0.25


def test_an_empty_mask_is_no_question() -> None:
    unlabelled = record(mask=Mask(class_index=np.full((8, 8), -1, np.int32), legend=LEGEND))
    assert TASKS["segmentation"].dialogue(unlabelled, np.random.default_rng(0)) is None


def test_segmentation_scores_by_name_and_counts_what_is_missing_as_wrong() -> None:
    task, known = TASKS["segmentation"], record()
    assert known.mask is not None
    turned = Mask(class_index=1 - known.mask.class_index, legend=("trees", "water"))  # other order, same map
    assert task.metrics["miou"](task.statistics(known, Answer(question="", text="", mask=turned))) == 1
    nothing = task.statistics(known, Answer(question="", text=""))
    assert task.metrics["overall_accuracy"](nothing) == 0 and nothing.sum() == 64
    water = Mask(class_index=np.where(known.mask.class_index == 0, 0, -2), legend=("water",))
    rows = task.statistics(known, Answer(question="", text="", mask=water))
    assert task.metrics["overall_accuracy"](rows) == pytest.approx(0.25)
    assert task.metrics["miou"](rows) == pytest.approx(0.5)  # water right, trees never


def test_segmentation_units_are_blocks() -> None:
    index = np.zeros((112, 170), np.int32)
    index[:56, :57] = -1
    known = record(mask=Mask(class_index=index, legend=LEGEND))
    rows = TASKS["segmentation"].statistics(known, Answer(question="", text="", mask=known.mask))
    assert rows.shape == (2 * 3 - 1, 25) and rows.sum() == (index >= 0).sum()


# ---- numbers


def test_numbers_score_with_interval_and_missing_ones_are_told() -> None:
    task, known = TASKS["regression"], record()
    value = Value(name="live fuel moisture", value=90.0, unit="%", low=80.0, high=95.0)
    rows = np.concatenate(
        [
            task.statistics(known, Answer(question="", text="", values=(value,))),
            task.statistics(known, Answer(question="", text="")),
        ]
    )
    assert task.metrics["rmse"](rows) == task.metrics["mae"](rows) == 3
    assert task.metrics["coverage"](rows) == 1 and task.metrics["answered"](rows) == 0.5


def test_counts_come_from_boxes_and_unitless_values() -> None:
    dialogue = TASKS["counting"].dialogue(
        record(boxes=None, values=(Value(name="trees", value=61.0, unit=""),)), np.random.default_rng(0)
    )
    assert dialogue is not None and dialogue.turns[0][1] == "There are <value> trees." and dialogue.spans[0].value == 61
    assert TASKS["counting"].statistics(record(), Answer(question="", text=""))[0, 1] == 3  # ships


# ---- vqa


def kinds(known: Record) -> dict[str, set[tuple[str, str]]]:
    """Every question and answer of each kind, over many draws."""
    out: dict[str, set[tuple[str, str]]] = {}
    for seed in range(200):
        for name, kind in Vqa().kinds.items():
            dialogue = kind(known, np.random.default_rng(seed))
            if dialogue is not None:
                out.setdefault(name, set()).add(dialogue.turns[0])
    return out


def test_presence_says_yes_and_no_truly() -> None:
    said = kinds(record())["presence"]
    assert ("Is there any water?", "Yes.") in said and ("Are there any crops?", "No.") in said
    assert ("Are there any ships?", "Yes.") in said and ("Are there any helicopters?", "No.") in said
    assert ("Are there any pastures?", "Yes.") in said and ("Is this scene of the class bare land?", "Yes.") in said
    questions = [question for question, _ in said]
    assert len(questions) == len(set(questions)), "the same question with two answers"


def test_presence_is_not_asked_where_absence_is_not_known() -> None:
    known = record(tags=("a class of no list",), scene=None, boxes=None, mask=None, captions=())
    assert "presence" not in kinds(known)
    half = np.full((8, 8), -1, np.int32)
    half[:4] = 0
    assert not {"presence", "area"} & set(
        kinds(record(tags=(), scene=None, boxes=None, mask=Mask(class_index=half, legend=LEGEND)))
    )


def test_area_is_pixels_times_ground_sampling_distance() -> None:
    for seed in range(20):
        dialogue = Vqa().kinds["area"](record(), np.random.default_rng(seed))
        assert dialogue is not None
        wanted = 0.16 if "water" in dialogue.turns[0][0] else 0.48  # 16 and 48 pixels of 100 m2
        (value,) = dialogue.spans
        assert (value.name, value.unit) == ("area", "ha") and value.value == pytest.approx(wanted)
        assert "<value> ha of" in dialogue.turns[0][1]
    assert (
        Vqa().kinds["area"](
            record(observations={"aerial_rgb": observation(gsd_m=float("nan"))}), np.random.default_rng(0)
        )
        is None
    )


def test_comparison_names_the_larger() -> None:
    said = kinds(record())["comparison"]
    assert {answer for question, answer in said if "water" in question} == {"There are more trees."}
    assert {answer for question, answer in said if "ships" in question} == {"There are more ships."}
    even = np.zeros((8, 8), np.int32)
    even[:, 4:] = 1
    assert "comparison" not in kinds(record(boxes=None, mask=Mask(class_index=even, legend=LEGEND)))


def test_unanswerable_and_given() -> None:
    asked = Turn(question="Is it a harbor?", answers=("yes", "it is"))
    said = kinds(record(turns=(asked,)))
    assert {answer for _, answer in said["unanswerable"]} == {CANNOT_BE_TOLD}
    assert said["given"] == {("Is it a harbor?", "yes"), ("Is it a harbor?", "it is")}


def test_a_mask_without_a_labelled_pixel_teaches_nothing() -> None:
    bare = {"scene": None, "tags": (), "captions": (), "values": (), "boxes": None, "turns": (), "value_map": None}
    labelled = Mask(class_index=np.pad(np.zeros((1, 1), np.int32), (0, 7), constant_values=-1), legend=LEGEND)
    empty = Mask(class_index=np.full((8, 8), -1, np.int32), legend=LEGEND)
    rng = np.random.default_rng(0)
    for name, task in TASKS.items():
        assert task.dialogue(record(**bare, mask=empty), rng) is None, name
    assert any(task.dialogue(record(**bare, mask=labelled), rng) for task in TASKS.values())


def test_vqa_numbers_are_right_within_ten_percent() -> None:
    task = Vqa()
    for i in range(200):
        known = record(id=f"a/{i}")
        if "hectares of water" in task.question(known):
            break
    right, wrong = (Value(name="area", value=x, unit="ha") for x in (0.17, 0.19))
    assert task.statistics(known, Answer(question="", text="", values=(right,)))[0, 0] == 1
    assert task.statistics(known, Answer(question="", text="", values=(wrong,)))[0, 0] == 0


def test_vocabularies_are_plain_words_without_repetition() -> None:
    for vocabulary in VOCABULARIES:
        assert len(set(vocabulary)) == len(vocabulary) and all(plain(name) == name for name in vocabulary)


# ---- several tasks in one conversation


@given(seed=st.integers(0, 10_000))
def test_merged_values_stay_with_their_turns(seed: int) -> None:
    parts = [
        Dialogue(turns=(("Q1", "<value> and <value>"), ("Q2", "no")), spans=(_value(1.0), _value(2.0))),
        Dialogue(turns=(("Q3", "<value>"),), spans=(_value(3.0),)),
        Dialogue(
            turns=(("Q4", "water <mask>"),),
            spans=regions(Mask(class_index=np.zeros((2, 2), np.int32), legend=("water",))),
        ),
    ]
    merged = merge(parts, np.random.default_rng(seed))
    assert sorted(merged.turns) == sorted(turn for part in parts for turn in part.turns)
    order = [{"Q1": [1, 2], "Q3": [3]}.get(question, []) for question, _ in merged.turns]
    assert [value.value for value in merged.of(VALUE)] == sum(order, [])
    assert merged.of(MASK)[0] is parts[2].spans[0]


def _value(x: float) -> Value:
    return Value(name="x", value=x, unit="m")


def test_converse_asks_what_the_labels_allow() -> None:
    rng = np.random.default_rng(0)
    both = converse(("scene", "segmentation", "captioning"), record(), rng)
    assert both is not None and len(both.turns) == 3 and both.mapped
    some = converse(("scene", "segmentation"), record(mask=None), rng)
    assert some is not None and len(some.turns) == 1
    assert converse(("scene",), empty(), rng) is None
    orders = {
        d.turns[0][1]
        for d in (converse(("scene", "captioning"), record(), np.random.default_rng(i)) for i in range(40))
        if d
    }
    assert "bare land ." in orders and len(orders) == 3


def test_a_wrong_task_name_says_what_was_meant() -> None:
    with pytest.raises(UserError, match="Unknown task 'segmentatoin'. Did you mean 'segmentation'?"):
        converse(("segmentatoin",), record(), np.random.default_rng(0))
    with pytest.raises(UserError, match="each task once"):
        converse(("scene", "scene"), record(), np.random.default_rng(0))


def test_a_dialogue_alone_keeps_its_order() -> None:
    """What is said first is before what is asked next: a rationale before its mask."""
    one = Dialogue(turns=tuple((f"Q{i}", f"A{i}.") for i in range(6)))
    assert all(merge([one], np.random.default_rng(seed)) == one for seed in range(20))
