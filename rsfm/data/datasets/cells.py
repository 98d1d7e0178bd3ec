"""Cells of tables as people and programs write them: missing words, decimal commas, separators of spreadsheets."""

import csv
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rsfm.errors import UserError

# How data frames, R, SQL and spreadsheets write a cell without a value (the words pandas reads as missing, and NaT).
EMPTY = frozenset({"", "nan", "NaN", "NAN", "-nan", "-NaN", "NaT", "<NA>", "#N/A", "#NA", "1.#QNAN", "-1.#IND"})
MISSING = EMPTY | {"NA", "N/A", "n/a", "None", "NULL", "null", "#VALUE!", "#DIV/0!"}
INFINITE = frozenset({"inf", "+inf", "-inf", "Inf", "-Inf", "infinity", "-infinity", "Infinity", "-Infinity"})
FILLS = frozenset({-9999.0, -99999.0, -999999.0, -32768.0, -3.4028235e38})  # what rasters and loggers write for nothing
SEPARATORS = ",;\t|"
LONGEST_CELL = 2**20
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?")
_UNNAMED = re.compile(r"(Unnamed: \d+)?")  # the index of a data frame


def is_missing(cell: Any, literal: bool = False) -> bool:
    """Whether a cell holds nothing.

    Args:
        cell: of a CSV or JSON table.
        literal: the column holds sentences, where "None" and "NA" may be meant; only "" and kinds of NaN are missing.
    """
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return True
    return isinstance(cell, str) and cell.strip() in (EMPTY if literal else MISSING)


def cell_number(where: str, cell: Any) -> float | None:
    """The number a cell holds, None where it holds none: infinite values and the fills -9999, -99999 ... are none.

    Raises:
        UserError: words, a list, a truth value.

    >>> cell_number("row 1", "41.5"), cell_number("row 1", "-9999"), cell_number("row 1", "inf")
    (41.5, None, None)
    """
    if is_missing(cell) or (isinstance(cell, str) and cell.strip() in INFINITE):
        return None
    try:
        if isinstance(cell, (bool, list, dict)) or (isinstance(cell, str) and "_" in cell):
            raise TypeError
        value = float(cell)
    except (TypeError, ValueError, OverflowError):
        hint = " Write it with a decimal point." if isinstance(cell, str) and re.fullmatch(r"-?\d+,\d+", cell) else ""
        raise UserError(f"{where}: expected a number, found {str(cell)[:40]!r}.{hint}") from None
    return value if math.isfinite(value) and value not in FILLS else None


def csv_rows(
    path: Path, *, check: Callable[[str, tuple[str, ...]], None] = lambda where, columns: None
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with their line numbers, cells stripped; empty rows and a data frame's index are left out.

    Commas, semicolons, tabs and bars part cells, whichever the first line has most of. Where it is no comma, numbers with
    a decimal comma are given a point: spreadsheets write both together.

    Args:
        path: UTF-8, with or without a byte order mark; a first line "sep=;" is read as spreadsheets mean it.
        check: is called with the place and the columns before the first row is read.
    """
    csv.field_size_limit(LONGEST_CELL)
    with path.open(newline="", encoding="utf-8-sig") as file:
        first = file.readline()
        named = re.fullmatch(r"sep=(.)\s*", first)
        if not named:
            file.seek(0)
        separator = named[1] if named else _separator(first)
        reader = csv.DictReader(file, delimiter=separator)
        before = 1 if named else 0
        try:
            columns = tuple((name or "").strip() for name in reader.fieldnames or ())
            _check_names(f"{path} row 1", columns)
            check(f"{path} row 1", tuple(name for name in columns if not _UNNAMED.fullmatch(name)))
            for row in reader:
                line = reader.line_num + before
                cells = _cells(f"{path} row {line}", row, decimal_comma=separator != ",")
                if any(cells.values()):
                    yield line, {name: cell for name, cell in cells.items() if not _UNNAMED.fullmatch(name)}
        except csv.Error as error:
            raise UserError(f"{path} row {reader.line_num + before}: not a row of a table ({error}).") from None


def _separator(header: str) -> str:
    bare = re.sub(r'"[^"]*"', "", header)
    return max(SEPARATORS, key=bare.count)


def _check_names(where: str, columns: tuple[str, ...]) -> None:
    named = [name for name in columns if not _UNNAMED.fullmatch(name)]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"{where}: the column '{twice}' is there twice. Give each column a name of its own.")


def _cells(where: str, row: dict[Any, Any], *, decimal_comma: bool) -> dict[str, str]:
    if None in row:
        raise UserError(f"{where}: {len(row[None])} cells more than columns. Put text with commas in double quotes.")
    cells = {(name or "").strip(): (cell or "").strip() for name, cell in row.items()}
    if not decimal_comma:
        return cells
    return {name: cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else cell for name, cell in cells.items()}
