"""Captions, questions and conversations in their published JSON: what is read, and one line for what is wrong."""

import json
from pathlib import Path

import numpy as np
import pytest

from rsfm.boxes import decode
from rsfm.data.datasets import DATASETS, EmptySplit
from rsfm.errors import UserError
from tests.data.layouts import said, write_layout


def test_karpathy_splits_and_sentences(tmp_path: Path) -> None:
    for name in ("rsicd", "ucm_captions", "sydney_captions"):
        root = write_layout(name, tmp_path / name)
        sizes = {split: len(DATASETS[name](root, split)) for split in ("train", "val", "test")}
        assert sizes == {"train": 2, "val": 1, "test": 1}
        record = DATASETS[name](root, "val")[0]
        assert (
            record.captions == tuple(f"sentence {k} of picture 2 ." for k in range(5))
            and record.id == f"{name}/airport_2"
        )


def test_rsvqa_asks_every_active_question(tmp_path: Path) -> None:
    dataset = DATASETS["rsvqa_lr"](write_layout("rsvqa_lr", tmp_path), "test")
    assert [record.turns[0].question for record in dataset] == [
        "Is a road present?",
        "What is the number of buildings?",
    ]
    assert [record.turns[0].answers for record in dataset] == [("yes",), ("12",)]
    assert {dataset.group(i) for i in range(2)} == {"2"}, "both questions on one picture"
    assert float(dataset[0].observations["aerial_rgb"].gsd_m) == 10


def test_rsvqa_with_a_split_missing_is_an_empty_split(tmp_path: Path) -> None:
    root = write_layout("rsvqa_hr", tmp_path)
    (root / "RSVQA_HR" / "USGS_split_val_questions.json").unlink()
    with pytest.raises(EmptySplit, match="rsvqa_hr: the split 'val'"):
        DATASETS["rsvqa_hr"](root, "val")


def test_vrsbench_boxes_sentences_and_questions(tmp_path: Path) -> None:
    dataset = DATASETS["vrsbench"](write_layout("vrsbench", tmp_path), "train")
    dior, dota = dataset
    assert dota.boxes is not None and dota.boxes.labels == ("ship", "ship") and dior.boxes is None
    np.testing.assert_allclose(dota.boxes.corners[0], np.array([[0.1, 0.2], [0.3, 0.2], [0.3, 0.25], [0.1, 0.25]]) * 64)
    assert [turn.question for turn in dota.turns] == [
        "How many ships are there?",
        "Is there a plane?",
        "Where is this: The large ship in the top-left?",
    ]
    (box,) = decode(dota.turns[2].answers[0], "grid100", size=(64, 64)).corners
    np.testing.assert_allclose(box, dota.boxes.corners[0])
    assert dota.captions == ("Two ships in a harbor.",) and dataset.group(1) == "P0003"


def test_conversations_keep_their_turns_and_boxes(tmp_path: Path) -> None:
    geochat = DATASETS["geochat_instruct"](write_layout("geochat_instruct", tmp_path), "train")
    assert [turn.question for turn in geochat[1].turns][0] == "[refer] where is <p>the ship</p> ?"
    boxes = decode(geochat[1].turns[0].answers[0], "grid100_angle", size=(32, 32))
    assert len(boxes.corners) == 1
    llava = DATASETS["llava"](write_layout("llava", tmp_path), "train")
    assert [len(record.turns) for record in llava] == [2, 1], "the one without picture is passed over"
    assert (
        llava[1].observations["aerial_rgb"].values.shape == (2, 20, 30, 3)
        and llava[1].turns[0].question == "What changed?"
    )
    assert DATASETS["llava"](tmp_path, "test")[0].turns[0].answers == ("Here.",), "roles and content, a line an object"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"not JSON \(.*line 1 column 2\)"),
        ('{"a": 1}', "should hold a list of objects"),
        ("[1]", "should hold a list of objects"),
        ('[{"image": "a.png"}]', "entry 0: expected a list as 'conversations', found no such key among image"),
        ('[{"image": "a.png", "conversations": [3]}]', "turn 0: expected an object"),
        (json.dumps([{"image": "a.png", "conversations": said("Q")}]), "the last question has no answer"),
        (
            json.dumps([{"image": "a.png", "conversations": said("Q", "A")[::-1]}]),
            "expected a turn of human, found 'gpt'",
        ),
        ('[{"image": "a.png", "conversations": [{"from": "bot", "value": "x"}]}]', "found 'bot'"),
        ('[{"image": "a.png", "conversations": [{"from": "human"}]}]', "expected text as 'content', found no such key"),
    ],
)
def test_bad_conversations_are_told_in_one_line(content: str, message: str, tmp_path: Path) -> None:
    root = write_layout("llava", tmp_path)
    (root / "llava" / "conversations.json").write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        DATASETS["llava"](root, "train")
    assert "\n" not in str(caught.value) and "llava" in str(caught.value)


def test_pictures_that_are_missing_or_differ_in_size(tmp_path: Path) -> None:
    root = write_layout("llava", tmp_path)
    rows = [{"image": "none.png", "conversations": said("Q", "A")}]
    rows += [{"image": ["a.png", "../images_2/d.png"], "conversations": said("Q", "A")}]
    (root / "llava" / "conversations.json").write_text(json.dumps(rows))
    from tests.data.layouts import write_picture

    write_picture(root / "llava" / "images_2" / "d.png", np.random.default_rng(0), 5, 6)
    dataset = DATASETS["llava"](root, "train")
    with pytest.raises(UserError, match="none.png is listed but not there"):
        dataset[0]
    with pytest.raises(UserError, match=r"have one size, found a.png \(20, 30\), d.png \(5, 6\)"):
        dataset[1]


def test_wrong_tables_of_published_sets(tmp_path: Path) -> None:
    root = write_layout("rsicd", tmp_path)
    (root / "RSICD" / "dataset_rsicd.json").write_text('{"images": [{"filename": "a.jpg", "split": 3}]}')
    with pytest.raises(UserError, match=r"rsicd: .* image 0: expected text as 'split', found 3"):
        DATASETS["rsicd"](root, "train")
    root = write_layout("rsvqa_lr", tmp_path)
    (root / "RSVQA_LR" / "LR_split_train_answers.json").write_text('{"answers": []}')
    with pytest.raises(UserError, match="none of its answers is in LR_split_train_answers.json"):
        DATASETS["rsvqa_lr"](root, "train")
    root = write_layout("vrsbench", tmp_path)
    path = root / "VRSBench" / "Annotations_val" / "P0005_0001.json"
    path.write_text(path.read_text().replace("0.1, 0.2, 0.3, 0.2", "0.1, 0.2"))
    with pytest.raises(UserError, match="object 0: expected obj_corner as eight numbers"):
        DATASETS["vrsbench"](root, "val")[0]
