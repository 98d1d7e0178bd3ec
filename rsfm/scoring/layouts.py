"""Reads prediction files as published evaluations write them: one JSON object a line, or one JSON list of objects."""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rsfm.errors import UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prediction:
    """One answer beside what would have been right.

    Attributes:
        where: file and line, for messages.
        text: what was answered.
        references: answers that count as right, at least one.
        kind: type of the question, "" if not told.
        size: height and width of the picture in pixels, None if not told.
        groups: names of the groups it belongs to, by what they are for: "circular", "question_pair", "figure", "size".
    """

    where: str
    text: str
    references: tuple[str, ...]
    kind: str = ""
    size: tuple[int, int] | None = None
    groups: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """The keys that tell a layout, the tasks it can hold, its box convention, and where its parts lie."""

    keys: tuple[str, ...]
    answer: str
    references: Callable[[Mapping[str, Any]], Any]
    tasks: tuple[str, ...]
    kind: tuple[str, ...] = ("type",)
    boxes: str = "pixel"


def _numbered_captions(row: Mapping[str, Any]) -> list[Any]:
    names = sorted((key for key in row if key[:7] == "caption" and key[7:].isdigit()), key=lambda key: int(key[7:]))
    return [row[name] for name in names]


LAYOUTS: Mapping[str, Layout] = {
    "earthdial_vqa": Layout(
        keys=("answer", "annotation"),
        answer="answer",
        references=lambda row: row["annotation"],
        tasks=("vqa", "counting"),
        kind=("vqa_type", "type"),
    ),
    "earthdial_captions": Layout(
        keys=("answer", "caption0"), answer="answer", references=_numbered_captions, tasks=("caption",)
    ),
    "earthdial_boxes": Layout(
        keys=("answer", "gt_bbox"),
        answer="answer",
        references=lambda row: row["gt_bbox"],
        tasks=("grounding",),
        kind=("task_type",),
        boxes="grid100_angle_list",
    ),
    "geochat": Layout(  # and VRSBench's own evaluation
        keys=("answer", "ground_truth"),
        answer="answer",
        references=lambda row: row["ground_truth"],
        tasks=("vqa", "caption", "grounding", "counting"),
        boxes="grid100_angle",
    ),
    "plain": Layout(
        keys=("prediction", "references"),
        answer="prediction",
        references=lambda row: row["references"],
        tasks=("vqa", "caption", "grounding", "counting"),
        kind=("type", "kind"),
    ),
}


def read_predictions(path: Path) -> tuple[str, list[Prediction]]:
    """The name of the file's layout (a key of LAYOUTS) and its rows; a bad row is an error with its line."""
    rows = list(_rows(path))
    if not rows:
        raise UserError(f"{path}: the file holds no prediction. Write one JSON object a line.")
    name = _layout(path, rows[0][1])
    layout = LAYOUTS[name]
    found = []
    for where, row in rows:
        missing = [key for key in layout.keys if key not in row]
        if missing:
            raise UserError(
                f"{where}: lacks '{missing[0]}'; the first row is laid out as {name} ({', '.join(layout.keys)}). "
                f"It has {', '.join(row) or 'nothing'}. All rows need one layout."
            )
        found.append(_prediction(where, row, layout))
    return name, found


def _layout(path: Path, row: Mapping[str, Any]) -> str:
    for name, layout in LAYOUTS.items():
        if set(layout.keys) <= set(row):
            return name
    known = "; ".join(f"{name}: {', '.join(layout.keys)}" for name, layout in LAYOUTS.items())
    raise UserError(
        f"{path}: no known layout has the keys {', '.join(row) or '(none)'}. Known: {known}. "
        "Rename them to prediction and references."
    )


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if not path.is_file():
        raise UserError(f"{path}: no such file. Give a file of predictions, one JSON object a line.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}). Save it as UTF-8.") from None
    if text.lstrip().startswith("["):
        listed = _parsed(text, f"{path}")
        yield from ((f"{path} row {i}", _object(row, f"{path} row {i}")) for i, row in enumerate(listed, start=1))
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            where = f"{path} line {number}"
            yield where, _object(_parsed(line, where), where)


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{where}: not JSON ({error.msg} at character {error.pos}). Write one object a line, or one list of objects."
        ) from None
    except RecursionError:
        raise UserError(f"{where}: nested too deep. Write one flat object a line.") from None


def _object(row: Any, where: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise UserError(f"{where}: expected an object {{...}}, found {str(row)[:40]!r}.")
    return row


def _prediction(where: str, row: Mapping[str, Any], layout: Layout) -> Prediction:
    given = layout.references(row)
    # a list of boxes is one answer, a list of texts or counts several that are right
    several = isinstance(given, list) and not any(isinstance(each, list) for each in given)
    references = tuple(_text(each, where, "reference") for each in (given if several else [given]))
    if not references:
        raise UserError(f"{where}: no reference. Give at least one answer that counts as right.")
    names = {"circular": ("group", "circular"), "size": ("size_group",)}
    groups = {use: str(row[key]) for use, keys in names.items() for key in keys if row.get(key) is not None}
    if {"set_id", "figure_id", "question_id"} <= set(row):  # HallusionBench
        home = (row.get("category"), row.get("subcategory"), row["set_id"])
        groups |= {"question_pair": f"{home} {row['question_id']}", "figure": f"{home} {row['figure_id']}"}
    kind = next((str(row[key]) for key in layout.kind if row.get(key) is not None), "")
    return Prediction(
        where=where,
        text=_text(row[layout.answer], where, layout.answer),
        references=references,
        kind=kind,
        size=_size(row.get("size"), where),
        groups=groups,
    )


def _text(value: Any, where: str, what: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:g}" if abs(value) < 1e6 else str(value)
    if isinstance(value, list):
        return json.dumps(value)
    raise UserError(f"{where}: expected text, a number or a list as {what}, found {json.dumps(value)[:40]}.")


def _size(value: Any, where: str) -> tuple[int, int] | None:
    if value is None:
        return None
    if isinstance(value, list) and len(value) == 2 and all(isinstance(x, int) and x > 0 for x in value):
        return value[0], value[1]
    raise UserError(f"{where}: expected size as [height, width] in pixels, found {json.dumps(value)[:40]}.")
