"""Cells of tables: what is missing, what is a number, and that the separator of a file changes nothing."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsfm.data.datasets.cells import FILLS, cell_number, csv_rows, is_missing
from rsfm.errors import UserError


@given(st.floats(allow_nan=False, allow_infinity=False, width=32).filter(lambda x: x not in FILLS))
def test_a_number_written_out_is_read_back(value: float) -> None:
    assert cell_number("row 1", repr(value)) == value and cell_number("row 1", value) == value


@pytest.mark.parametrize(
    "cell", ["", "nan", "NaN", "NA", "N/A", "None", "<NA>", "NaT", "null", "inf", "-Infinity", "-9999"]
)
def test_what_is_missing_is_no_number(cell: str) -> None:
    assert cell_number("row 1", cell) is None


@pytest.mark.parametrize("cell", ["many", "1_000", "1,5", True, [1], "1.234,5"])
def test_what_is_no_number_is_refused(cell: object) -> None:
    with pytest.raises(UserError, match="row 1: expected a number, found"):
        cell_number("row 1", cell)


def test_a_sentence_may_say_none() -> None:
    assert is_missing("None") and not is_missing("None", literal=True) and is_missing("nan", literal=True)
    assert is_missing(math.nan) and not is_missing("none") and not is_missing(0)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("first", ["", "\ufeff", "sep={}\n"])
def test_the_separator_changes_nothing(separator: str, first: str, tmp_path: Path) -> None:
    cells = [
        ["image", "value:biomass[t/ha]", "tags"],
        ["a.tif", "41.5", '"x;y, z|w"'],
        ["", "", ""],
        ["b.tif", "-3", ""],
    ]
    path = tmp_path / "t.csv"
    path.write_text(first.format(separator) + "\n".join(separator.join(row) for row in cells) + "\n", encoding="utf-8")
    before = first.count("\n")
    assert list(csv_rows(path)) == [
        (2 + before, {"image": "a.tif", "value:biomass[t/ha]": "41.5", "tags": "x;y, z|w"}),
        (4 + before, {"image": "b.tif", "value:biomass[t/ha]": "-3", "tags": ""}),
    ]


def test_a_decimal_comma_is_read_where_commas_part_no_cells(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id;value;words\na;41,5;one, two\nb;-0,25;3,4 and 5\n")
    assert [row for _, row in csv_rows(path)] == [
        {"id": "a", "value": "41.5", "words": "one, two"},
        {"id": "b", "value": "-0.25", "words": "3,4 and 5"},
    ]


def test_the_index_of_a_data_frame_is_no_column(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(",Unnamed: 1,id\n0,0,a\n1,1,b\n")
    assert [row for _, row in csv_rows(path)] == [{"id": "a"}, {"id": "b"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,id\na,b\n", "row 1: the column 'id' is there twice"),
        ("id,x\na,b,c\n", "row 2: 1 cells more than columns"),
        ("id\n" + "a" * (2**20 + 5) + "\n", "row .: not a row of a table"),
    ],
)
def test_a_broken_table_is_told_by_its_row(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        list(csv_rows(path))
