"""Result rows: written as checked, read back with their place on error, shown baselines first."""

import json
from pathlib import Path
from typing import Any

import pytest

from rsfm.errors import UserError
from rsfm.scoring.results import append_rows, read_rows, tables, write_readme_tables


def row(**changes: Any) -> dict[str, Any]:
    """A row as a script would write it."""
    base = {"config": "nano", "command": "rsfm evaluate nano", "dataset": "aid_rsicd", "split": "val", "seeds": [0]}
    base |= {"protocol": "published", "metric": "accuracy", "value": 0.7, "low": 0.67, "high": 0.73, "model": "nano"}
    return base | {"n": 1027} | changes


def test_rows_come_back_as_written(tmp_path: Path) -> None:
    written = append_rows(tmp_path / "results" / "a.jsonl", [row(), row(metric="f1", low=None, high=None)])
    written += append_rows(tmp_path / "results" / "a.jsonl", [row(dataset="terramesh")])
    assert read_rows(tmp_path / "results") == written
    assert written[0].seeds == (0,) and written[0].commit == "unknown"
    assert append_rows(tmp_path / "b.jsonl", [row(commit="abc")])[0].commit == "abc"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"x\.jsonl:2: not a line of JSON"),
        ("3", r"x\.jsonl:2: expected an object"),
        (json.dumps(row(valeu=1)), r"x\.jsonl:2: Unknown field 'valeu'\. Did you mean 'value'\?"),
        (json.dumps({k: v for k, v in row().items() if k != "n"}), r"x\.jsonl:2: field 'n' is missing"),
        (json.dumps(row(n="many")), r"x\.jsonl:2\.n: expected int, found 'many'"),
        (json.dumps(row(value=float("nan"))), r"x\.jsonl:2: 'value' is nan"),
        (json.dumps(row(low=0.9)), r"x\.jsonl:2: value 0\.7 lies outside its interval"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "x.jsonl").write_text(json.dumps(row()) + "\n" + line + "\n")
    with pytest.raises(UserError, match=message):
        read_rows(tmp_path)


def test_nothing_is_written_when_one_row_is_bad(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"row 1 for a\.jsonl: field 'model' is missing"):
        append_rows(tmp_path / "a.jsonl", [row(), {k: v for k, v in row().items() if k != "model"}])
    assert not (tmp_path / "a.jsonl").exists()


def test_tables_show_baselines_first_and_the_last_measurement(tmp_path: Path) -> None:
    rows = [row(value=0.5, low=0.4, high=0.6), row(), row(metric="rmse %", value=22.481, low=None, high=None)]
    rows.append(row(config="baselines", model="most frequent class", value=0.04, low=0.03, high=0.05))
    text = tables(append_rows(tmp_path / "a.jsonl", rows))
    lines = text.splitlines()
    assert lines[0] == "**aid_rsicd** val, published, n = 1,027"
    assert lines[2] == "| model | accuracy | rmse % |"
    assert lines[4] == "| most frequent class | 0.040 [0.030, 0.050] |  |"
    assert lines[5] == "| **nano** | 0.700 [0.670, 0.730] | 22.48 |"
    assert "0.500" not in text
    assert tables(append_rows(tmp_path / "b.jsonl", rows), dataset="terramesh") == ""


def test_readme_is_replaced_between_its_marks_only(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- results -->\nold\n<!-- /results -->\nafter\n")
    append_rows(tmp_path / "experiments" / "results" / "nano.jsonl", [row()])
    first = write_readme_tables(readme)
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text and first in text
    write_readme_tables(readme)
    assert readme.read_text() == text


def test_a_readme_may_name_the_data_sets_it_shows(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("<!-- results: terramesh levir_cd -->\n<!-- /results -->\n")
    path = tmp_path / "experiments" / "results" / "nano.jsonl"
    append_rows(path, [row(dataset="terramesh"), row(dataset="aid_rsicd")])
    assert "terramesh" in write_readme_tables(readme)
    text = readme.read_text()
    assert "aid_rsicd" not in text and text.startswith("<!-- results: terramesh levir_cd -->\n**terramesh**")


def test_a_readme_may_name_one_protocol_of_a_data_set(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("<!-- results: fuel_moisture/tile-out -->\n<!-- /results -->\n")
    path = tmp_path / "experiments" / "results" / "nano.jsonl"
    append_rows(path, [row(dataset="fuel_moisture", protocol=p) for p in ("tile-out", "published")])
    body = write_readme_tables(readme)
    assert "tile-out" in body and "published" not in body


def test_scores_by_part_have_a_table_of_their_own(tmp_path: Path) -> None:
    names = ("coverage", "coverage, month 05", "coverage, month 06", "width")
    written = tables(append_rows(tmp_path / "a.jsonl", [row(metric=name) for name in names]))
    assert "| model | coverage | width |" in written and "| model | month 05 | month 06 |" in written
    assert written.index("coverage by part:") > written.index("| width |")


@pytest.mark.parametrize("text", ["no marks", "<!-- results -->", "<!-- /results --> <!-- results -->"])
def test_readme_without_marks_is_left_alone(tmp_path: Path, text: str) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(text)
    (tmp_path / "experiments" / "results").mkdir(parents=True)
    with pytest.raises(UserError, match=r"README\.md: expected one '<!-- results -->' before one"):
        write_readme_tables(readme)
    assert readme.read_text() == text


def test_missing_places_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No results folder"):
        read_rows(tmp_path / "none")
    with pytest.raises(UserError, match="No README"):
        write_readme_tables(tmp_path / "none.md")
