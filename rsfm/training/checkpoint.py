"""Checkpoints of a run: the training state and the data's position, written by Orbax. All Orbax calls are here.

A step is a folder that appears under its name only when it is complete; what a killed process left is not seen.
"""

import contextlib
import logging
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from rsfm.errors import UserError
from rsfm.training.state import TrainState, dotted, model_arrays

FORMAT = 1
ITEMS = ("model", "training", "meta")


class Checkpoints:
    """The checkpoints of one run folder, as a context that waits for what is being written.

    Each holds "model" (all parameters by dotted name, whatever trains), "training" (counters, moments, moving average)
    and "meta" (the data's position, JSON).
    """

    def __init__(self, folder: Path, *, keep: int = 2) -> None:
        logging.getLogger("absl").setLevel(logging.CRITICAL)  # Orbax tells every file, and each error it raises as well
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, enable_async_checkpointing=True)
        self.folder, self._full = folder.absolute(), False
        self._manager = ocp.CheckpointManager(self.folder, item_names=ITEMS, options=options)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            with self._written():
                self._manager.close()
        except Exception:
            if error is None:  # else the error that led here is the one to tell
                raise
        finally:
            if self._full:
                self._sweep()

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
            self._manager.save(step, args=ocp.args.Composite(**items), force=True)

    def wait(self) -> None:
        """Returns when everything is on disk."""
        with self._written():
            self._manager.wait_until_finished()

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

    def _sweep(self) -> None:
        """Takes away half-written steps. After one array has failed, threads of Orbax write others for a moment and make
        the folder anew, so it must be seen gone for half a second."""
        gone, last = 0, time.monotonic() + 10
        while gone < 5 and time.monotonic() < last:
            drafts = list(self.folder.glob("*.orbax-checkpoint-tmp"))
            gone = 0 if drafts else gone + 1
            for draft in drafts:
                shutil.rmtree(draft, ignore_errors=True)
            time.sleep(0.1)

    @contextlib.contextmanager
    def _written(self) -> Iterator[None]:
        """Turns what Orbax and its storage say of a full disk into one line."""
        try:
            yield
        except (OSError, ValueError) as error:
            # tensorstore raises ValueError: "OUT_OF_RANGE: Error writing local file"
            if isinstance(error, ValueError) and "Error writing" not in str(error):
                raise
            self._full = True
            raise UserError(
                f"{self.folder}: a checkpoint could not be written, disk full or at its quota. Free some space; "
                "--resume goes on from the last whole checkpoint."
            ) from error


def read_weights(folder: Path) -> dict[str, np.ndarray]:
    """Parameters by dotted name from a run folder: those of its newest checkpoint, on the host."""
    place = (folder / "checkpoints").absolute()
    steps = ocp.utils.checkpoint_steps(place) if place.is_dir() else []
    if not steps:
        raise UserError(
            f"{folder}: expected a run folder with checkpoints/, found none. Give the folder of a finished run."
        )
    with ocp.StandardCheckpointer() as reader:
        item = place / str(max(steps)) / "model"
        shapes = reader.metadata(item).item_metadata
        host = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), dict(shapes.items()))
        return {name: np.asarray(value) for name, value in reader.restore(item, host).items()}


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
