"""`rsfm score`: the published numbers from the published files, small files of every layout, and one line for a bad one."""

import json
from pathlib import Path
from typing import Any

import pytest

from rsfm.cli import main
from rsfm.errors import UserError
from rsfm.scoring import LAYOUTS, SCORERS, read_predictions, score_file

EVAL = Path("earthdial_pred_ref") / "src" / "earthdial" / "eval"


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def values(path: Path, task: str, **options: Any) -> dict[str, float]:
    return {each.metric: each.value for each in score_file(path, task, **options)[1]}


@pytest.mark.data
def test_rsvqa_predictions_score_as_published(published_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = published_data / EVAL / "rs_vqa" / "results" / "RSVQA_LR.jsonl"
    if not path.is_file():
        pytest.skip("no earthdial_pred_ref in the data folder")
    assert main(["score", str(path), "--task", "vqa", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    found = {each["metric"]: each for each in told["scores"]}
    shares = {"presence_accuracy": 92.59, "comp_accuracy": 92.75, "rural_urban_accuracy": 94.00, "count_exact": 27.69}
    for metric, wanted in (shares | {"accuracy": 73.55, "count_binned": 71.7, "mean_of_kinds": 93.11}).items():
        assert found[metric]["value"] == pytest.approx(wanted, abs=0.05 if metric == "count_binned" else 0.005), metric
        assert found[metric]["low"] < found[metric]["value"] < found[metric]["high"] and found[metric]["unit"] == "%"
    assert found["count_mae"]["value"] == pytest.approx(60.2, abs=0.05) and not found["count_mae"]["higher_is_better"]
    assert found["count_exact"]["n"] == 2947 and told["layout"] == "earthdial_vqa"


@pytest.mark.data
def test_referring_predictions_are_read(published_data: Path) -> None:
    path = published_data / EVAL / "rs_detection" / "results" / "NWPU_VHR_10.jsonl"
    if not path.is_file():
        pytest.skip("no earthdial_pred_ref in the data folder")
    layout, predictions = read_predictions(path)
    assert layout == "earthdial_boxes" and len(predictions) == 1601
    assert {each.groups["size"] for each in predictions} == {"small", "medium", "large"}


QUESTIONS = [
    {"prediction": "Yes.", "references": ["yes"], "type": "presence"},
    {"prediction": "no", "references": ["yes"], "type": "presence"},
    {"prediction": "There are 12 ships", "references": ["15"], "type": "count"},
    {"prediction": "3", "references": [3], "type": "count"},
    {"prediction": "many", "references": 0, "type": "count"},
    {"prediction": "urban", "references": ["urban", "city"], "type": "scene"},
    {"prediction": "I cannot tell.", "references": ["This cannot be told from the image."], "type": "unanswerable"},
]


def test_plain_questions_by_hand(tmp_path: Path) -> None:
    found = values(write(tmp_path / "a.jsonl", QUESTIONS), "vqa")
    assert found["accuracy"] == pytest.approx(400 / 7) and found["accuracy_binned"] == pytest.approx(500 / 7)
    assert found["presence_accuracy"] == 50 and found["scene_accuracy"] == found["unanswerable_accuracy"] == 100
    assert found["mean_of_kinds"] == pytest.approx(250 / 3) and found["refusal_rate"] == pytest.approx(100 / 7)
    assert found["count_exact"] == pytest.approx(100 / 3) and found["count_binned"] == pytest.approx(200 / 3)
    assert found["count_mae"] == 1.5 and found["count_answered"] == pytest.approx(200 / 3)
    counting = values(tmp_path / "a.jsonl", "counting")
    assert counting["mae"] == 1.5 and counting["rmse"] == pytest.approx(4.5**0.5)


def test_a_list_of_objects_is_the_same_file(tmp_path: Path) -> None:
    lines, listed = write(tmp_path / "a.jsonl", QUESTIONS), tmp_path / "b.json"
    listed.write_text(json.dumps(QUESTIONS, indent=1), encoding="utf-8")
    assert values(lines, "vqa") == values(listed, "vqa")


def test_groups_are_right_when_all_their_members_are(tmp_path: Path) -> None:
    rows = [
        {"prediction": letter, "references": ["A"], "group": group}
        for group, letter in [(1, "A"), (1, "A"), (2, "A"), (2, "B"), (3, "B")]
    ]
    assert values(write(tmp_path / "a.jsonl", rows), "vqa")["circular_accuracy"] == pytest.approx(100 / 3)
    pairs = [
        {"prediction": said, "references": ["yes"], "set_id": 0, "figure_id": figure, "question_id": question}
        for figure, question, said in [(0, 0, "yes"), (1, 0, "yes"), (0, 1, "yes"), (1, 1, "no")]
    ]
    found = values(write(tmp_path / "b.jsonl", pairs), "vqa")
    assert found["accuracy"] == 75 and found["question_pair_accuracy"] == found["figure_accuracy"] == 50


def test_captions_by_hand(tmp_path: Path) -> None:
    said = ["two planes on a runway near the sea", "a green field beside a long river"]
    rows = [{"answer": text, "caption0": text, "caption1": "it is something else"} for text in said]
    found = values(write(tmp_path / "a.jsonl", rows), "caption")
    assert found["bleu4"] == pytest.approx(1) and found["rouge_l"] == pytest.approx(1)
    assert found["cider_d"] == pytest.approx(5, abs=0.01), "one of two references"


def test_boxes_by_hand(tmp_path: Path) -> None:
    rows = [
        {"answer": "{<10><10><30><30>|<0>}", "ground_truth": "{<10><10><30><30>}", "type": "ref"},
        {"answer": "{<0><0><10><10>|<0>}{<50><50><60><62>|<0>}", "ground_truth": "{<50><50><60><60>}{<0><20><9><29>}"},
        {"answer": "I see none.", "ground_truth": "{<0><0><9><9>}"},
    ]
    found = values(write(tmp_path / "a.jsonl", rows), "grounding")
    assert found["acc@0.5"] == found["oriented_acc@0.5"] == 50 and found["precision@0.5"] == pytest.approx(200 / 3)
    assert found["acc@0.5_single"] == 50 and found["acc@0.5_multiple"] == 50
    assert found["answered"] == pytest.approx(200 / 3)
    assert found["mean_iou"] == pytest.approx(100 * (1 + 100 / 120) / 4)


def test_plain_boxes_of_any_convention(tmp_path: Path) -> None:
    listed = write(tmp_path / "a.jsonl", [{"prediction": [[1, 2, 11, 12]], "references": [[1, 2, 11, 12]]}])
    assert values(listed, "grounding")["acc@0.7"] == 100
    rows = [{"prediction": "[0.1, 0.1, 0.5, 0.5]", "references": ["[0.1, 0.1, 0.5, 0.49]"], "size": [40, 80]}]
    assert values(write(tmp_path / "b.jsonl", rows), "grounding", boxes="normalized")["acc@0.7"] == 100


@pytest.mark.parametrize(
    ("text", "task", "message"),
    [
        ("", "vqa", "holds no prediction"),
        ('{"prediction": "x", "references": ["x"]}\nnot json\n', "vqa", "line 2: not JSON"),
        ('{"prediction": "x", "references": ["x"]}\n[1]\n', "vqa", "line 2: expected an object"),
        ('{"prediction": "x", "references": ["x"]}\n{"prediction": "y"}\n', "vqa", "line 2: lacks 'references'"),
        ('{"said": "x", "true": "y"}\n', "vqa", "no known layout has the keys said, true"),
        ('{"prediction": "x", "references": []}\n', "vqa", "line 1: no reference"),
        (
            '{"prediction": null, "references": ["x"]}\n',
            "vqa",
            "expected text, a number or a list as prediction, found null",
        ),
        ('{"prediction": "x", "references": ["x"]}\n', "vqas", "Unknown task 'vqas'. Did you mean 'vqa'?"),
        ('{"answer": "x", "caption0": "x"}\n', "vqa", "holds no vqa. Choose --task caption"),
        ('{"prediction": "x", "references": ["x"]}\n', "counting", "no reference is a number"),
        ('{"prediction": "x", "references": ["the ship"]}\n', "grounding", "no box of the convention 'pixel'"),
        ('{"prediction": "x", "references": ["x"], "size": [0, 3]}\n', "vqa", "expected size as [height, width]"),
        ("[{]", "vqa", "not JSON"),
        ("[" * 3000, "vqa", "nested too deep"),
    ],
)
def test_bad_files_are_told_in_one_line(
    text: str, task: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(text, encoding="utf-8")
    assert main(["score", str(path), "--task", task]) == 2
    out, err = capsys.readouterr()
    assert message in err and err.count("\n") == 1 and err.startswith("rsfm: ") and not out


def test_a_missing_and_a_binary_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_predictions(tmp_path / "none.jsonl")
    (tmp_path / "x.jsonl").write_bytes(b"\xff\xfe\x00\x9f")
    with pytest.raises(UserError, match="not UTF-8 text"):
        read_predictions(tmp_path / "x.jsonl")
    (tmp_path / "y.jsonl").write_text('{"prediction": "[0, 0, 9, 9]", "references": ["[0, 0, 9, 9]"]}')
    with pytest.raises(UserError, match="Unknown box convention 'pixels'. Did you mean 'pixel'"):
        score_file(tmp_path / "y.jsonl", "grounding", boxes="pixels")


def test_the_tables_agree() -> None:
    assert {task for layout in LAYOUTS.values() for task in layout.tasks} == set(SCORERS)


def test_the_table_has_intervals_and_help_an_example(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a.jsonl", QUESTIONS)
    assert main(["score", str(path), "--task", "vqa"]) == 0
    head, first = capsys.readouterr().out.splitlines()[:2]
    assert head.split() == ["metric", "value", "95", "%", "interval", "n"] and " to " in first and "57.14 %" in first
    assert main(["score", "--help"]) == 0
    assert "rsfm score RSVQA_LR.jsonl --task vqa" in capsys.readouterr().out


PIXEL, THOUSAND = "[80, 60, 240, 180]", "[100, 100, 300, 300]"  # of a picture 600 high and 800 wide
OWN_WAYS = {
    "grid1000": "<|object_ref_start|>ship<|object_ref_end|><|box_start|>(100,100),(300,300)<|box_end|>",
    "grid1000_json": f'```json\n[{{"bbox_2d": {THOUSAND}, "label": "ship"}}]\n```',
    "pixel_json": f'{{"bbox_2d": {PIXEL}}}',
    "pixel_resized_json": '{"bbox_2d": [81, 59, 244, 176]}',
    "pixel_resized_up_json": '{"bbox_2d": [81, 62, 244, 185]}',
    "normalized": "[0.1, 0.1, 0.3, 0.3]",
    "normalized_square": "[0.100, 0.200, 0.300, 0.350]",
    "normalized_center": "[0.2, 0.2, 0.2, 0.2]",
    "location_tokens_1000": "ship<loc_100><loc_100><loc_300><loc_300>",
    "location_tokens": "<loc0102><loc0102><loc0307><loc0307> ship",
    "grid100_angle": "{<10><10><30><30>|<0>}",
    "pixel": PIXEL,
}


def box_file(path: Path, said: str, wanted: str = PIXEL, **more: object) -> Path:
    return write(path, [{"prediction": said, "references": [wanted], "size": [600, 800]} | more])


@pytest.mark.parametrize("convention", OWN_WAYS)
def test_a_right_box_is_right_in_its_own_convention_beside_references_in_pixels(
    convention: str, tmp_path: Path
) -> None:
    path = box_file(tmp_path / "a.jsonl", OWN_WAYS[convention])
    _, scores = score_file(path, "grounding", boxes=convention)
    assert next(s.value for s in scores if s.metric == "mean_iou") > 97
    again = score_file(path, "grounding", boxes=convention, reference_boxes="pixel")[1]
    assert [s.value for s in again] == [s.value for s in scores]


@pytest.mark.parametrize("convention", ["grid1000", "location_tokens_1000", "location_tokens", "grid100_angle"])
def test_boxes_that_tell_their_convention_are_read_in_it(convention: str, tmp_path: Path) -> None:
    _, scores = score_file(box_file(tmp_path / "a.jsonl", OWN_WAYS[convention]), "grounding")
    assert next(s.value for s in scores if s.metric == "mean_iou") > 97
    assert scores[0].note.startswith(f"boxes of the predictions are read as {convention}")


def test_boxes_that_do_not_tell_their_convention_are_refused(tmp_path: Path) -> None:
    for said, message in (
        (OWN_WAYS["grid1000_json"], "Say which with --boxes"),
        (OWN_WAYS["normalized"], "shares of the picture and no pixel. Say which with --boxes"),
        ("[[10, 10, 20, 20, 5]]", "may be grid100_angle_list or pixel_center_angle"),
    ):
        with pytest.raises(UserError, match=message):
            score_file(box_file(tmp_path / "a.jsonl", said), "grounding")
    with pytest.raises(UserError, match="the reference boxes lie between 0 and 1.*--reference-boxes"):
        score_file(box_file(tmp_path / "a.jsonl", PIXEL, "[0.1, 0.1, 0.3, 0.3]"), "grounding")
    with pytest.raises(UserError, match="meet only on a picture of known size"):
        score_file(box_file(tmp_path / "a.jsonl", OWN_WAYS["grid1000"], size=None), "grounding")


def test_shares_on_both_sides_need_no_word_and_an_ambiguous_reference_is_noted(tmp_path: Path) -> None:
    both = box_file(tmp_path / "a.jsonl", "[0.1, 0.1, 0.3, 0.3]", "[0.1, 0.1, 0.3, 0.3]")
    assert values(both, "grounding")["acc@0.7"] == values(both, "grounding", boxes="normalized")["acc@0.7"] == 100
    _, scores = score_file(
        box_file(tmp_path / "b.jsonl", f"[{THOUSAND}]", THOUSAND), "grounding", boxes="grid1000_list"
    )
    assert "--reference-boxes, e.g. pixel" in scores[0].note and scores[0].value == 100


def test_a_corpus_too_small_for_cider_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = "two planes stand on the apron .", "a river runs through green fields ."
    for name, captions, note in (
        ("one", [one], "so it is 0 whatever its caption says"),
        ("alike", [one, one], "so it is 0 whatever its caption says"),
        ("two", [one, other], "here 2: it does not compare"),
        ("many", [f"{word} {one}" for word in "a b c d e f g h i j k l m n o p q r s t".split()], ""),
    ):
        path = write(tmp_path / f"{name}.jsonl", [{"prediction": c, "references": [c]} for c in captions])
        assert main(["score", str(path), "--task", "caption"]) == 0
        out = capsys.readouterr().out
        assert (note in out) if note else ("note:" not in out)
