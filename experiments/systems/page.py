"""The page of the systems, made from rows and from the docstrings of configs."""

import re
from collections.abc import Sequence

import numpy as np

from experiments.systems.catalogue import SYSTEMS, System
from experiments.systems.runs import names
from rsfm.scoring.results import BASELINES, Result, format_number
from rsfm.training.experiment import find_config, load_module

HEAD = """# The survey's systems, trained small

Written by `python -m experiments.systems page` from `experiments/results/systems.jsonl`; do not edit. `make systems` runs what is missing.

Each line is a config in `experiments/configs/systems/`, trained on real data of the data folder on two CPU cores, once with the
mechanism that tells the system from others and once without it, all else equal. Brackets are 95 % intervals over the records scored, of one
seed, or the least and the largest of several seeds. The baseline learns nothing: see `experiments/systems/baselines.py`. Published
numbers are of other data, other splits and models 100 to 10,000 times larger: they say what the mechanism was made for, and are not to be
compared with the columns beside them.
"""
COLUMNS = ("system", "mechanism", "data", "metric", "with", "without", "baseline", "seeds", "published", "command")


def page(rows: Sequence[Result]) -> str:
    """Markdown: systems with rows, configs that were not run yet, and systems that cannot be written yet."""
    measured = {name: own for name in names() if (own := [row for row in rows if row.config == f"systems/{name}"])}
    lines = [HEAD, table(COLUMNS, [_line(name, own) for name, own in measured.items()]), "", verdict(measured)]
    waiting = [name for name in names() if name not in measured]
    if waiting:
        lines += ["", "## Config, not run yet", "", table(("system", "mechanism", "command"), map(_waiting, waiting))]
    missing = [system for name, system in SYSTEMS.items() if name not in names()]
    if missing:
        lines += ["", "## Missing", "", table(("system", "mechanism", "missing"), map(_missing, missing))]
    return "\n".join(lines) + "\n"


def table(head: Sequence[str], rows: object) -> str:
    """A Markdown table."""
    body = ["| " + " | ".join(row) + " |" for row in rows]  # type: ignore[attr-defined]
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *body])


def verdict(measured: dict[str, list[Result]]) -> str:
    """How often the mechanism helps, and how often the baseline is beaten, in a sentence."""
    both = {name: sides for name, own in measured.items() if len(sides := _means(own)) == 3}
    lower = {name for name, own in measured.items() if own[0].metric in ("rmse", "mae", "median error km")}
    better = [name for name, side in both.items() if (side["with"] < side["without"]) == (name in lower)]
    above = [name for name, side in both.items() if (side["with"] < side[BASELINES]) == (name in lower)]
    clear = [name for name in better if _apart(measured[name])]
    return (
        f"Of {len(both)} systems measured on both sides, {len(better)} have the better mean with their mechanism, {len(clear)} of them by "
        f"more than the intervals, and {len(above)} are better than their baseline."
    )


def _apart(rows: Sequence[Result]) -> bool:
    """Whether the intervals of the two sides share nothing."""
    ends = {side: [_ends(row) for row in rows if _side(row) == side] for side in ("with", "without")}
    (low, high), (other_low, other_high) = (
        (min(low for low, _ in each), max(high for _, high in each)) for each in ends.values()
    )
    return bool(high < other_low or other_high < low)


def _ends(row: Result) -> tuple[float, float]:
    return (row.value, row.value) if row.low is None or row.high is None else (row.low, row.high)


def _means(rows: Sequence[Result]) -> dict[str, float]:
    sides = {side: [row.value for row in rows if _side(row) == side] for side in ("with", "without", BASELINES)}
    return {side: float(np.mean(values)) for side, values in sides.items() if values}


def _side(row: Result) -> str:
    return re.split(r"[,:]", row.model)[0]


def _line(name: str, rows: Sequence[Result]) -> tuple[str, ...]:
    system, first = SYSTEMS[name], rows[0]
    seeds = sorted({seed for row in rows if _side(row) != BASELINES for seed in row.seeds})
    columns = [_number([row for row in rows if _side(row) == side]) for side in ("with", "without", BASELINES)]
    data = f"{first.dataset} {first.split}, {first.protocol}, n = {first.n:,}"
    command = f"`python -m experiments.systems run {name}`"
    of_seeds = " ".join(map(str, seeds))
    return (system.title, system.mechanism, data, first.metric, *columns, of_seeds, _published(name), command)


def _number(rows: Sequence[Result]) -> str:
    if not rows:
        return ""
    if len(rows) == 1:
        return format_number(rows[0])
    values = [row.value for row in rows]
    digits = 3 if abs(values[0]) < 2 else 2
    return f"{np.mean(values):.{digits}f} [{min(values):.{digits}f}, {max(values):.{digits}f}]"


def _published(name: str) -> str:
    words = load_module(find_config(f"systems/{name}")).__doc__ or ""
    found = re.search(r"^Published: (.*?)(?=^\S|\Z)", words, flags=re.MULTILINE | re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def _waiting(name: str) -> tuple[str, ...]:
    return SYSTEMS[name].title, SYSTEMS[name].mechanism, f"`rsfm train systems/{name} --out runs/{name}`"


def _missing(system: System) -> tuple[str, ...]:
    return system.title, system.mechanism, system.missing or "a config"
