"""Reads the table of a user's own dataset: CSV or JSONL; each error has its row, its column and what was found."""

import dataclasses
import itertools
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rsfm.data.datasets.cells import cell_number, csv_rows, is_missing
from rsfm.data.datasets.legends import Legend, read_legend
from rsfm.errors import UserError, lookup, unknown
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import days_since_2000
from rsfm.sensors.own import SUFFIXES, find_sensor
from rsfm.types import PURE, MapScale

PLAIN = ("sensor", "unit", "split", "scene", "mask", "legend", "edges", "question", "answer", "id")
LISTS = {"image": "image", "images": "image", "date": "date", "dates": "date", "tags": "tags", "caption": "caption"}
LISTS |= {"captions": "caption"}
QUANTITY = r"(?P<name>[^\[\]]+?)\s*(?:\[(?P<unit>[^\[\]]*)\])?"
VALUE, VALUE_MAP = re.compile("value:" + QUANTITY), re.compile("value_map:" + QUANTITY)
FEWEST_EDGES = 3  # of two classes: one class says nothing
PER_SENSOR = re.compile(r"(?P<kind>images?|dates?):(?P<sensor>[^/]+)(?:/(?P<label>\w+))?")
LITERAL = ("question", "answer", "caption", "captions")  # "None" and "NA" may be meant there


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stream:
    """The files of one sensor: a path and (where given) a date an acquisition."""

    column: str
    sensor: str | None
    label: str = ""  # tells two streams of one sensor apart: "ascending", "descending"
    paths: tuple[Path, ...]
    dates: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class MapFile(MapScale):
    """The file of a map of numbers, and what they are."""

    column: str
    path: Path


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table, checked. `where` and `number` tell it in messages."""

    where: str
    number: int
    id: str
    streams: tuple[Stream, ...]
    unit: str | None = None
    split: str | None = None
    scene: str | None = None
    tags: tuple[str, ...] = ()
    captions: tuple[str, ...] = ()
    values: tuple[tuple[str, str, float], ...] = ()  # name, unit, number
    mask: Path | None = None
    legend: Legend = Legend()
    value_map: MapFile | None = None
    question: str | None = None
    answer: str | None = None


def read_table(path: Path) -> list[Row]:
    """All rows of a .csv or .jsonl table."""
    readers = {".csv": _csv_rows, ".jsonl": _json_rows}
    if path.suffix.lower() not in readers:
        raise UserError(f"{path}: expected a table named .csv or .jsonl, found '{path.suffix}'.")
    try:
        cells = list(readers[path.suffix.lower()](path))
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: not UTF-8 text ({error.reason} at byte {error.start}). Save the table as UTF-8."
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot read the table: {error.strerror or error}.") from error
    if not cells:
        raise UserError(
            f"{path}: the table has no row. Write a row an image, see rsfm/data/datasets/geotiff_folder.py."
        )
    return [_row(path, number, row) for number, row in cells]


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, cells in csv_rows(path, check=_check_columns):
        yield line, {column: None if is_missing(cell, _literal(column)) else cell for column, cell in cells.items()}


def _literal(column: str) -> bool:
    return column in LITERAL


def _json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{path} row {number}: not JSON ({error.msg} at character {error.pos}).") from None
        if not isinstance(row, dict):
            raise UserError(f"{path} row {number}: expected an object {{...}}, found {line[:40]!r}.")
        _check_columns(f"{path} row {number}", tuple(row))
        yield number, {key: value for key, value in row.items() if not is_missing(value, _literal(key))}


def _check_columns(where: str, columns: tuple[str, ...]) -> None:
    for column in columns:
        per_sensor = PER_SENSOR.fullmatch(column)
        if per_sensor:
            lookup(SENSORS, f"sensor in {where}, column '{column}':", per_sensor["sensor"])
        elif column not in {*PLAIN, *LISTS} and not VALUE.fullmatch(column) and not VALUE_MAP.fullmatch(column):
            known = [*PLAIN, *LISTS, "value:<name>[unit]", "value_map:<name>[unit]", "image:<sensor>"]
            raise UserError(f"{where}: {unknown('column', column, known)}")
    if "edges" in columns and not any(VALUE_MAP.fullmatch(column) for column in columns):
        raise UserError(
            f"{where}, column 'edges': expected a column value_map:<name>[unit] with it, found none. Name the file of "
            "the map in such a column, or leave the edges out."
        )


def _row(table: Path, number: int, cells: dict[str, Any]) -> Row:
    where = f"{table} row {number}"
    lists: dict[str, tuple[str, ...]] = {}
    for column, name in LISTS.items():
        lists[name] = lists.get(name, ()) + _entries(where, column, cells.get(column))
    texts = {name: _text(where, name, cells.get(name)) for name in PLAIN if name not in ("legend", "edges")}
    streams = _streams(table, where, cells, lists, texts["sensor"])
    mask, legend = texts["mask"], read_legend(where, cells.get("legend"))
    if mask and not legend:
        raise UserError(
            f"{where}, column 'legend': the mask {mask} needs a legend such as 1=water;2=trees, found nothing."
        )
    if (texts["question"] is None) != (texts["answer"] is None):
        lacking = "answer" if texts["answer"] is None else "question"
        raise UserError(f"{where}, column '{lacking}': question and answer go together, found only one of them.")
    return Row(
        where=where,
        number=number,
        id=texts["id"] or streams[0].paths[0].stem,
        streams=streams,
        tags=lists["tags"],
        captions=lists["caption"],
        values=tuple(_values(where, cells)),
        mask=table.parent / mask if mask else None,
        legend=legend,
        value_map=_map_file(table, where, cells),
        **{name: texts[name] for name in ("unit", "split", "scene", "question", "answer")},
    )


def _sensor(table: Path, where: str, text: str) -> str:
    """A name of the table of sensors, or the path of a file that describes one, written beside the table."""
    name = str(table.parent / text) if text.lower().endswith(SUFFIXES) else text
    try:
        find_sensor(name)
    except UserError as error:
        raise UserError(f"{where}, column 'sensor': {error}") from None
    return name


def _streams(
    table: Path, where: str, cells: dict[str, Any], lists: dict[str, tuple[str, ...]], sensor: str | None
) -> tuple[Stream, ...]:
    if sensor is not None:
        sensor = _sensor(table, where, sensor)
    found: dict[tuple[str | None, str], dict[str, tuple[str, ...]]] = {}
    if lists["image"]:
        found[sensor, ""] = {"image": lists["image"], "date": lists["date"]}
    for column, cell in cells.items():
        matched = PER_SENSOR.fullmatch(column)
        if matched and (entries := _entries(where, column, cell)):
            key = matched["sensor"], matched["label"] or ""
            found.setdefault(key, {})[matched["kind"].removesuffix("s")] = entries
    streams = []
    for (name, label), given in found.items():
        column = "image" if (name, label) == (sensor, "") else f"image:{name}{label and f'/{label}'}"
        images, dates = given.get("image", ()), given.get("date", lists["date"])
        if dates and len(dates) != len(images):
            raise UserError(
                f"{where}: {len(images)} images in column '{column}' but {len(dates)} dates. Give one date an image."
            )
        _check_dates(where, dates)
        paths = tuple(table.parent / image for image in images)
        streams.append(Stream(column=column, sensor=name, label=label, paths=paths, dates=dates))
    if not streams or not all(stream.paths for stream in streams):
        raise UserError(f"{where}, column 'image': expected the path of an image, found nothing.")
    return tuple(streams)


def _check_dates(where: str, dates: tuple[str, ...]) -> None:
    for date in dates:
        try:
            days_since_2000(date)
        except ValueError:
            raise UserError(f"{where}, column 'date': expected YYYY-MM-DD, found '{date}'.") from None


def _entries(where: str, column: str, cell: Any) -> tuple[str, ...]:
    if isinstance(cell, list):
        return tuple(text for entry in cell if (text := _text(where, column, entry)) is not None)
    # A sentence may hold a semicolon: captions are parted by JSON lists only.
    text = _text(where, column, cell)
    if text is None:
        return ()
    return (
        (text,)
        if LISTS.get(column) == "caption"
        else tuple(part.strip() for part in text.split(";") if not is_missing(part.strip()))
    )


def _text(where: str, column: str, cell: Any) -> str | None:
    if isinstance(cell, dict | list | bool):
        raise UserError(f"{where}, column '{column}': expected text, found {json.dumps(cell)[:60]}.")
    return None if is_missing(cell, _literal(column)) else str(cell).strip()


def _values(where: str, cells: dict[str, Any]) -> Iterator[tuple[str, str, float]]:
    for column, cell in cells.items():
        matched = VALUE.fullmatch(column)
        if matched and (value := cell_number(f"{where}, column '{column}'", cell)) is not None:
            yield matched["name"].strip(), (matched["unit"] or "").strip(), value


def _map_file(table: Path, where: str, cells: dict[str, Any]) -> MapFile | None:
    edges = _edges(where, cells.get("edges"))
    filled = []
    for column, cell in cells.items():
        matched = VALUE_MAP.fullmatch(column)
        if matched and (text := _text(where, column, cell)):
            filled.append((column, text, matched["name"].strip(), (matched["unit"] or "").strip() or PURE))
    if not filled:
        return None
    if len(filled) > 1:
        raise UserError(
            f"{where}, column '{filled[1][0]}': expected one map of numbers a row, found another in column "
            f"'{filled[0][0]}'. Write a second row with the same image for the second map."
        )
    ((column, text, name, unit),) = filled
    if not edges:
        raise UserError(
            f"{where}, column 'edges': the map {text} needs edges such as 0;5;10;20;40, found nothing. The map "
            "is made of the classes between them."
        )
    return MapFile(column=column, path=table.parent / text, name=name, unit=unit, edges=edges)


def _edges(where: str, cell: Any) -> tuple[float, ...]:
    if cell is None or cell == "":
        return ()
    parts = cell if isinstance(cell, list) else [part for part in str(cell).split(";") if part.strip()]
    try:
        edges = tuple(math.nan if isinstance(part, bool) else float(part) for part in parts)
    except (TypeError, ValueError):
        edges = ()
    rising = all(a < b for a, b in itertools.pairwise(edges))
    if len(edges) < FEWEST_EDGES or not rising or not all(map(math.isfinite, edges)):
        raise UserError(
            f"{where}, column 'edges': expected {FEWEST_EDGES} rising numbers or more such as 0;5;10;20;40, found "
            f"{str(cell)[:60]!r}. The map is made of the classes between them."
        )
    return edges
