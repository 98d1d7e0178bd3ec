"""Whether a run folder may be trained into: new, or taken up where it was left by the run that it holds."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
from jax.experimental import multihost_utils

from rsfm.errors import UserError
from rsfm.training.checkpoint import saved_steps
from rsfm.training.log import read_rows

# Fields of a config that change no number of a run: when it stops, is saved and looked at, and on how many devices.
FREE = (
    "name",
    "file",
    "validation",
    "train.stop_after",
    "train.mesh",
    "train.save_every",
    "train.keep",
    "train.eval_every",
    "train.eval_batches",
)


def check_folder(folder: Path, config: Any = None, *, resume: bool, change: bool = False) -> None:
    """Refuses a folder that holds another run, or whose state is lost. Writes nothing.

    Args:
        folder: the run folder.
        config: as it will be written to config.json; None where it is not to be compared.
        resume: whether the run there is to go on.
        change: whether it may go on under another config.
    """
    rows = read_rows(folder / "metrics.jsonl")
    if rows and not resume:
        raise UserError(f"{folder} holds a run already. Give --resume to go on with it, or another --out.")
    if rows:
        _check_state(folder, rows[-1]["step"])
    if rows and config is not None and not change:
        _check_config(folder / "config.json", config)
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices("run folder looked at")  # before the first process writes into it


def _check_state(folder: Path, last: int) -> None:
    """A run killed before its first checkpoint starts anew; one whose checkpoints were taken away does not."""
    place = folder / "checkpoints"
    if place.is_dir() and (saved_steps(place) or last <= 2 * _save_every(folder)):
        return
    found = "is empty" if place.is_dir() else "is not there"
    raise UserError(
        f"{folder}: --resume expected the state of the run in checkpoints/, which {found}, though metrics.jsonl reaches "
        f"step {last}. Put it back, or train into another --out; nothing was changed."
    )


def _save_every(folder: Path) -> float:
    """Steps between checkpoints: the first is whole when the second is begun. Unknown: infinitely many."""
    try:
        data = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return float(data.get("train", data)["save_every"]) or float("inf")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return float("inf")


def _check_config(path: Path, config: Any) -> None:
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: expected the run's config to compare with, found: {error}. Give --change to go on without it."
        ) from error
    fields = [
        (name, old, new)
        for name, old, new in _differences(before, json.loads(json.dumps(config)), "")
        if not any(name == free or name.startswith((f"{free}.", f"{free}[")) for free in FREE)
    ]
    if fields:
        some = ", ".join(f"{name} {_short(old)} -> {_short(new)}" for name, old, new in fields[:4])
        more = f" and {len(fields) - 4} more" if len(fields) > 4 else ""
        raise UserError(
            f"{path.parent}: --resume with another config than the run was started with: {some}{more}. Give the same, or "
            "--change to go on with the new one, which will not land on the numbers of either."
        )


def _differences(old: Any, new: Any, name: str) -> Iterator[tuple[str, Any, Any]]:
    """(dotted name, old, new) of each value that differs."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            yield from _differences(old.get(key), new.get(key), f"{name}.{key}" if name else str(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from _differences(a, b, f"{name}[{i}]")
    elif old != new:
        yield name, old, new


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
