"""Several processes as one: started by environment variables, by SLURM or by a TPU pod; and when to stop.

RSFM_COORDINATOR (host:port), RSFM_PROCESSES and RSFM_PROCESS (0, 1, ...) start it by hand, RSFM_DISTRIBUTED=auto leaves
it to what JAX finds out on a TPU slice, `srun` needs nothing. Nothing set = one process. RSFM_HEARTBEAT is how many
seconds a process may stand still before the others end.
"""

import atexit
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from rsfm.errors import UserError, one_line
from rsfm.training.watch import HEARTBEAT, Watch, leave


def initialize() -> None:
    """Joins the other processes, if the environment names any. To be called before JAX touches a device.

    Raises:
        UserError: RSFM_COORDINATOR without the other two, or numbers that cannot be.
    """
    env = os.environ
    if jax.distributed.is_initialized():
        return
    if "RSFM_COORDINATOR" in env:
        processes, process = _number("RSFM_PROCESSES"), _number("RSFM_PROCESS")
        if not 0 <= process < processes:
            raise UserError(
                f"RSFM_PROCESS={process}: expected a number from 0 to {processes - 1} (RSFM_PROCESSES={processes})."
            )
        patience = _patience()
        jax.distributed.initialize(
            env["RSFM_COORDINATOR"], processes, process, heartbeat_timeout_seconds=_later_than(patience)
        )
        _watch_others(env["RSFM_COORDINATOR"].rpartition(":")[0], patience)
    elif env.get("RSFM_DISTRIBUTED") == "auto" or (int(env.get("SLURM_NTASKS", "1")) > 1 and "SLURM_PROCID" in env):
        patience = _patience()
        jax.distributed.initialize(heartbeat_timeout_seconds=_later_than(patience))
        first = multihost_utils.broadcast_one_to_all(np.frombuffer(socket.gethostname().encode().ljust(256), np.uint8))
        _watch_others(bytes(np.asarray(first)).decode().strip(), patience)


_watch: Watch | None = None


def _watch_others(host: str, patience: float) -> None:
    global _watch
    if jax.process_count() > 1:
        try:
            _watch = Watch(jax.process_index(), jax.process_count(), host, patience=patience)
            atexit.register(_watch.close)  # before JAX's own, which waits for the others
        except OSError as error:  # a network that lets only JAX through: its own heartbeat is left
            print(f"rsfm: processes cannot watch each other over {host} ({error}).", file=sys.stderr)


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Joins the other processes, if there are any. A failure here ends this process at once, and the others notice.

    What fails here may be another's death: that is looked for first, and then named.
    """
    initialize()
    try:
        yield
    except BaseException as error:
        if _watch is not None:
            time.sleep(2.0)
            leave(f"rsfm: {one_line(error)}\n", 2 if isinstance(error, UserError) else 1)
        raise


def _patience() -> float:
    text = os.environ.get("RSFM_HEARTBEAT", str(HEARTBEAT))
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds < 1e6:
        raise UserError(f"RSFM_HEARTBEAT={text!r}: expected seconds, 1 or more.")
    return seconds


def _later_than(patience: float) -> int:
    """Seconds until JAX itself aborts, with a stack of C++: ours comes first."""
    return int(max(100, 4 * patience))


def _number(name: str) -> int:
    text = os.environ.get(name, "")
    if not text.isdigit():
        raise UserError(f"{name}={text!r}: expected a whole number beside RSFM_COORDINATOR. Set it for each process.")
    return int(text)


def gather(tree: Any) -> Any:
    """Arrays that lie in parts on several hosts become whole on each; the others are as they were. All hosts call it."""

    def whole(leaf: Any) -> Any:
        there = leaf.is_fully_addressable or leaf.is_fully_replicated
        return leaf if there else multihost_utils.process_allgather(leaf, tiled=True)

    return jax.tree.map(whole, tree)


class StopSignal:
    """SIGTERM or Ctrl-C as a question asked at step boundaries. All processes get the same answer, whoever was told.

    A second Ctrl-C interrupts at once.
    """

    def __init__(self) -> None:
        self.told: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "StopSignal":
        # With several processes JAX's preemption service listens, for it has to tell the others.
        if jax.process_count() == 1 and threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._tell) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _tell(self, number: int, frame: FrameType | None) -> None:
        self.told = number
        signal.signal(signal.SIGINT, self._previous[signal.SIGINT])

    def reached(self, step: int) -> bool:
        """Whether to save and stop after this step."""
        if jax.process_count() > 1 and multihost_utils.reached_preemption_sync_point(step):
            self.told = signal.SIGTERM
        return self.told is not None
