"""Results are rows of JSON lines: append them, read them with their place in the file on error, show them as tables."""

import dataclasses
import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rsfm.config import from_json, to_json
from rsfm.data.writing.atomic import append_text, write_text
from rsfm.errors import UserError
from rsfm.scoring.commits import current_commit

BASELINES = "baselines"  # the `config` of a row that no learned model made
BEGIN, END = re.compile(r"<!-- results(?:: (?P<datasets>[a-z0-9_/ -]+?))? -->"), "<!-- /results -->"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """One measured number with everything needed to measure it again.

    Attributes:
        config: the experiment or checkpoint measured; "baselines" for methods without learned features.
        commit: git commit of the code that measured, "unknown" outside a clone.
        command: what to type to get this row again.
        dataset: key of DATASETS.
        split: split of the data set that was scored.
        protocol: id of the split and scoring rules where a data set has several, e.g. "disjoint30-seed0".
        metric: name with its unit where it has one, e.g. "rmse %".
        value: the number; the mean where there are several seeds.
        low: lower end of the 95 % interval, None where none was measured.
        high: upper end of it.
        seeds: seeds the value is a mean over.
        model: the model or the baseline's name.
        n: units scored (images, pixels, samples).
    """

    config: str
    commit: str = ""
    command: str
    dataset: str
    split: str
    protocol: str
    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    seeds: tuple[int, ...] = (0,)
    model: str
    n: int


def _parse(data: Any, where: str) -> Result:
    """A row checked field by field; `where` goes in front of every complaint."""
    row = from_json(Result, data, where)
    for name in ("value", "low", "high"):
        number = getattr(row, name)
        if number is not None and not math.isfinite(number):
            raise UserError(f"{where}: '{name}' is {number}. Rows hold finite numbers; leave a missing bound null.")
    if (row.low is not None and row.low > row.value) or (row.high is not None and row.high < row.value):
        raise UserError(f"{where}: value {row.value} lies outside its interval [{row.low}, {row.high}].")
    return row


def read_rows(folder: Path) -> list[Result]:
    """All rows of `folder`/*.jsonl, files in order of name. A bad line is an error that names file and line."""
    if not folder.is_dir():
        raise UserError(f"No results folder at {folder}. Run `rsfm evaluate` first, or run from the repository's root.")
    rows = []
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if line.strip():
                where = f"{path.name}:{number}"
                try:
                    data = json.loads(line)
                except json.JSONDecodeError as error:
                    raise UserError(f"{where}: not a line of JSON ({error.msg} at column {error.colno}).") from None
                rows.append(_parse(data, where))
    return rows


def append_rows(path: Path, rows: Iterable[Mapping[str, Any] | Result]) -> list[Result]:
    """Checks rows, fills in the commit where none is given, and appends them to `path` in one write.

    Returns:
        The rows as written.
    """
    check_writable(path)
    commit = current_commit(next(folder for folder in path.parents if folder.is_dir()))
    checked = []
    for i, row in enumerate(rows):
        result = _parse(to_json(row), f"row {i} for {path.name}")
        checked.append(result if result.commit else dataclasses.replace(result, commit=commit))
    append_text(path, "".join(json.dumps(to_json(row), allow_nan=False) + "\n" for row in checked))
    return checked


def check_writable(path: Path) -> None:
    """Whether rows can be appended to a file that may not be there yet: asked before the work that makes them."""
    place = next(each for each in (path, *path.parents) if each.exists())
    if path.is_dir() or not os.access(place, os.W_OK) or (place != path and not place.is_dir()):
        raise UserError(f"{path}: cannot be written to. Give --out the name of a file in a folder you may write.")


def latest(rows: Sequence[Result]) -> list[Result]:
    """The last row of each (config, model, dataset, split, protocol, metric), in the order they first appeared."""
    kept: dict[tuple[str, ...], Result] = {}
    for row in rows:
        kept[(row.config, row.model, row.dataset, row.split, row.protocol, row.metric)] = row
    return list(kept.values())


def format_number(row: Result) -> str:
    """`0.595 [0.565, 0.625]`: three decimals for shares, two for larger numbers."""
    digits = 3 if abs(row.value) < 2 else 2
    interval = "" if row.low is None or row.high is None else f" [{row.low:.{digits}f}, {row.high:.{digits}f}]"
    return f"{row.value:.{digits}f}{interval}"


def tables(rows: Sequence[Result], dataset: str | None = None) -> str:
    """Markdown: one table a data set, split and protocol; a line a model (baselines first), a column a metric.

    Args:
        rows: from `read_rows`; of repeated measurements the last is shown.
        dataset: show this data set only.
    """
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for row in latest(rows):
        if dataset in (None, row.dataset):
            groups.setdefault((row.dataset, row.split, row.protocol), []).append(row)
    return "\n\n".join(_table(*key, groups[key]) for key in sorted(groups))


def _table(dataset: str, split: str, protocol: str, rows: Sequence[Result]) -> str:
    """The scores; then a table for each score that is told by part as well ("coverage, month 06")."""
    parts: dict[str, list[Result]] = {"": []}
    for row in rows:
        score, comma, part = row.metric.partition(", ")
        named = dataclasses.replace(row, metric=part if comma else score)
        parts.setdefault(score if comma else "", []).append(named)
    sizes = sorted({row.n for row in parts[""] or rows})
    lines = [f"**{dataset}** {split}, {protocol}, n = {' / '.join(f'{n:,}' for n in sizes)}"]
    for score, some in parts.items():
        if some:
            lines += ["", f"{score} by part:", ""] if score else [""]
            lines += _lines(some)
    return "\n".join(lines)


def _lines(rows: Sequence[Result]) -> list[str]:
    metrics = list(dict.fromkeys(row.metric for row in rows))
    models = list(dict.fromkeys((row.config, row.model) for row in rows))
    models.sort(key=lambda key: key[0] != BASELINES)  # stable: baselines first, then as measured
    cells = {(row.config, row.model, row.metric): format_number(row) for row in rows}
    lines = ["| model | " + " | ".join(metrics) + " |", "|---|" + "---|" * len(metrics)]
    for config, model in models:
        name = model if config == BASELINES else f"**{model}**"
        if config not in (BASELINES, model):
            name += f" ({config})"
        lines.append("| " + " | ".join([name, *(cells.get((config, model, m), "") for m in metrics)]) + " |")
    return lines


def write_readme_tables(readme_path: Path, folder: Path | None = None) -> str:
    """Replaces what stands between the two results marks of a README by the current tables.

    Args:
        readme_path: a file that holds `<!-- results -->` and `<!-- /results -->`; the first may name the data sets to
            show, or one protocol of a set, `<!-- results: aid_rsicd fuel_moisture/published -->`.
        folder: result files; default `experiments/results` beside the README.

    Returns:
        The tables written.
    """
    if not readme_path.is_file():
        raise UserError(f"No README at {readme_path}. Run from the repository's root, or give its path.")
    text = readme_path.read_text(encoding="utf-8")
    begins = list(BEGIN.finditer(text))
    if len(begins) != 1 or text.count(END) != 1 or begins[0].end() > text.index(END):
        raise UserError(
            f"{readme_path.name}: expected one '<!-- results -->' before one '{END}'. Put both around the tables."
        )
    wanted = (begins[0]["datasets"] or "").split()
    rows = read_rows(folder or readme_path.parent / "experiments" / "results")
    chosen = [row for row in rows if not wanted or {row.dataset, f"{row.dataset}/{row.protocol}"} & set(wanted)]
    body = tables(chosen)
    before, after = text[: begins[0].end()], text[text.index(END) :]
    write_text(readme_path, f"{before}\n{body}\n{after}")
    return body
