"""Checkpoints of a run: the training state and the data's position, written by Orbax. All Orbax calls are here.

A step is a folder that appears under its name only when it is complete, with the digests of its files inside; what a
killed process left is not seen, and a step that is not what was written is set aside for the one before.
"""

import contextlib
import logging
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils

from rsfm.data.writing.atomic import write_error
from rsfm.data.writing.digests import add_digests, check_digests, has_digests, write_digests
from rsfm.errors import UserError
from rsfm.training.state import TrainState, dotted, model_arrays

ExceptHook = Callable[[type[BaseException], BaseException, TracebackType | None], Any]

FORMAT = 1
METADATA = "_CHECKPOINT_METADATA"  # to which Orbax adds the time when it names a step
DRAFTS, DAMAGED = "*.orbax-checkpoint-tmp*", ".damaged"  # names of steps being written, and of those set aside
ITEMS = ("model", "training", "meta")


class Checkpoints:
    """The checkpoints of one run folder, as a context that waits for what is being written.

    Each holds "model" (all parameters by dotted name, whatever trains), "training" (counters, moments, moving average)
    and "meta" (the data's position, JSON).

    Attributes:
        folder: of the steps.
        notes: lines on steps that were set aside, for people.

    Raises:
        UserError: no step is as it was written.
    """

    def __init__(self, folder: Path, *, keep: int = 2) -> None:
        for name in ("absl", "asyncio"):  # Orbax tells every file, and each error it raises as well
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self.folder, self._failed = folder.absolute(), False
        self._excepthook, sys.excepthook = sys.excepthook, _without_late_writes(sys.excepthook)
        self.notes = _set_aside_damaged(self.folder)
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep,
            enable_async_checkpointing=True,
            async_options=ocp.AsyncOptions(post_finalization_callback=self._seal),
        )
        self._manager = ocp.CheckpointManager(self.folder, item_names=ITEMS, options=options)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            with self._written():
                self._manager.close()
            self._seal_rest()
        except Exception:
            if error is None:  # else the error that led here is the one to tell
                raise
        finally:
            if self._failed:
                self._sweep()
            else:
                sys.excepthook = self._excepthook

    @property
    def latest(self) -> int | None:
        """The newest complete step, or None."""
        return self._manager.latest_step()

    def save(self, step: int, state: TrainState, position: Any) -> None:
        """Writes in the background; the arrays are copied before it returns.

        Args:
            step: batches seen.
            state: global arrays.
            position: state of the data iterator, JSON-able, the same on all hosts.
        """
        model, training = _split(state)
        items = {
            "model": ocp.args.StandardSave(model),
            "training": ocp.args.StandardSave(training),
            "meta": ocp.args.JsonSave({"format": FORMAT, "step": step, "position": position}),
        }
        with self._written():  # of this step or, in the background, of the one before
            self._manager.wait_until_finished()
            self._seal_rest()
            self._manager.save(step, args=ocp.args.Composite(**items), force=True)

    def wait(self) -> None:
        """Returns when everything is on disk."""
        with self._written():
            self._manager.wait_until_finished()
            self._seal_rest()

    def restore(self, state: TrainState, step: int | None = None) -> tuple[TrainState, Any]:
        """The state and the data's position at a step, the newest if not given.

        Args:
            state: shapes and layouts to restore into, of this machine's mesh; see `Engine.abstract`.
            step: a saved step.
        """
        step = self._manager.latest_step() if step is None else step
        model, training = _split(state)
        items = {
            "model": ocp.args.StandardRestore(model),
            "training": ocp.args.StandardRestore(training),
            "meta": ocp.args.JsonRestore(),
        }
        try:
            found = self._manager.restore(step, args=ocp.args.Composite(**items))
        except (ValueError, KeyError, FileNotFoundError) as error:
            raise UserError(
                f"{self.folder / str(step)}: not a checkpoint of this model and optimizer ({_first_line(error)})."
            ) from error
        return _join(state, found["model"], found["training"]), found["meta"]["position"]

    def _seal(self) -> None:
        """Writes the digests of the step that is complete and about to get its name."""
        for draft in self.folder.glob(DRAFTS) if jax.process_index() == 0 else ():
            write_digests(draft, without=(METADATA,))

    def _seal_rest(self) -> None:
        """Adds the digests of what Orbax wrote of a step while it named it."""
        for step in saved_steps(self.folder) if jax.process_index() == 0 else ():
            add_digests(self.folder / str(step))

    def _sweep(self) -> None:
        """Takes away half-written steps. After one array has failed, threads of Orbax write others for a moment and make
        the folder anew, so it must be seen gone for half a second."""
        gone, last = 0, time.monotonic() + 10
        while gone < 5 and time.monotonic() < last:
            drafts = list(self.folder.glob(DRAFTS))
            gone = 0 if drafts else gone + 1
            for draft in drafts:
                shutil.rmtree(draft, ignore_errors=True)
            time.sleep(0.1)

    @contextlib.contextmanager
    def _written(self) -> Iterator[None]:
        """Whatever Orbax and its storage raise while they write becomes one line."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:  # tensorstore's ValueError, Orbax's own kinds, OSError, XLA's where hosts wait
            self._failed = True
            raise write_error(
                self.folder, error, next_step="--resume goes on from the last whole checkpoint."
            ) from error


def _without_late_writes(hook: ExceptHook) -> ExceptHook:
    """The hook that prints errors, without those of arrays whose writing ends after another's failure closed the event loop.

    Threads of tensorstore raise them where nobody can catch them, some after the failure has reached us.
    """

    def heard(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not (kind is RuntimeError and str(error) == "Event loop is closed"):
            hook(kind, error, trace)

    return heard


def read_weights(folder: Path) -> dict[str, np.ndarray]:
    """Parameters by dotted name from a run folder, on the host: of its best state where it kept one, else of its newest.

    Where the run kept a moving average of its weights, that average is what is given.
    """
    kept = (folder / "best").absolute()
    place = kept if saved_steps(kept) else (folder / "checkpoints").absolute()
    steps = saved_steps(place)
    if not steps:
        raise UserError(
            f"{folder}: expected a run folder with checkpoints/, found none. Give the folder of a finished run."
        )
    check_digests(place / str(max(steps)))
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as reader:
        step = place / str(max(steps))
        averaged = _read(reader, step / "training", "average.")
        return _read(reader, step / "model") | {name.removeprefix("average."): a for name, a in averaged.items()}


def _read(reader: ocp.Checkpointer, item: Path, start: str = "") -> dict[str, np.ndarray]:
    """The arrays of one item of a checkpoint whose names start like this."""
    shapes = {name: leaf for name, leaf in reader.metadata(item).item_metadata.items() if name.startswith(start)}
    host = {name: np.empty(leaf.shape, leaf.dtype) for name, leaf in shapes.items()}
    how = ocp.checkpoint_utils.construct_restore_args(host)
    arrays = reader.restore(item, args=ocp.args.PyTreeRestore(host, how, partial_restore=True)) if host else {}
    return {name: np.asarray(array) for name, array in arrays.items()}


def saved_steps(folder: Path) -> list[int]:
    """The complete steps of a folder, the newest first."""
    return sorted(ocp.utils.checkpoint_steps(folder), reverse=True) if folder.is_dir() else []


def _set_aside_damaged(folder: Path) -> list[str]:
    """Renames the newest steps that are not as they were written, so that the newest sound one is the newest."""
    problems: dict[int, UserError] = {}
    steps = saved_steps(folder) if jax.process_index() == 0 else []
    for step in steps:
        try:
            check_digests(folder / str(step))
            break
        except UserError as error:
            problems[step] = error
    else:
        if problems:
            raise UserError(f"{folder}: no checkpoint is as it was written. {problems[steps[0]]}")
    for step in problems:
        aside = folder / f"{step}{DAMAGED}"
        shutil.rmtree(aside, ignore_errors=True)
        (folder / str(step)).rename(aside)
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices("checkpoints looked through")
    notes = [
        f"{folder / str(step)} is damaged and was set aside as {step}{DAMAGED}: {problems[step]}" for step in problems
    ]
    sound = next((step for step in steps if step not in problems), None)
    if sound is not None and not has_digests(folder / str(sound)):
        notes.append(f"{folder / str(sound)} has no digests to check it by: of rsfm 0.1, or they were removed")
    return notes


def _split(state: TrainState) -> tuple[dict[str, Any], dict[str, Any]]:
    """The state as two flat tables, of weights and of the rest; random keys as their numbers."""
    training = {"step": state.step, "skipped": state.skipped}
    for part in ("rest", "optimizer", "average", "teacher", "key"):
        flat = jax.tree_util.tree_flatten_with_path(getattr(state, part))[0]
        training |= {dotted((part, *path)): _numbers(leaf) for path, leaf in flat}
    return model_arrays(state), training


def _join(state: TrainState, model: dict[str, Any], training: dict[str, Any]) -> TrainState:
    def take(path: Any, leaf: Any) -> Any:
        part = dotted(path[:1])
        return model[dotted(path[1:])] if part in ("params", "frozen") else _keys(training[dotted(path)], leaf)

    return jax.tree_util.tree_map_with_path(take, state)


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _numbers(leaf: Any) -> Any:
    if not _is_key(leaf):
        return leaf
    if isinstance(leaf, jax.ShapeDtypeStruct):
        shape = jax.eval_shape(jax.random.key_data, leaf)
        return jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=leaf.sharding)
    return jax.random.key_data(leaf)


def _keys(value: Any, like: Any) -> Any:
    return jax.random.wrap_key_data(value) if _is_key(like) else value  # nnx.Rngs makes keys of the default kind


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
