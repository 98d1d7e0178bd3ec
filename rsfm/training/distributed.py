"""Several processes as one: started by environment variables, by SLURM or by a TPU pod; and when to stop.

RSFM_COORDINATOR (host:port), RSFM_PROCESSES and RSFM_PROCESS (0, 1, ...) start it by hand, RSFM_DISTRIBUTED=auto leaves
it to what JAX finds out on a TPU slice, `srun` needs nothing. Nothing set = one process.
"""

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

import jax
from jax.experimental import multihost_utils

from rsfm.errors import UserError


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
        jax.distributed.initialize(env["RSFM_COORDINATOR"], processes, process)
    elif env.get("RSFM_DISTRIBUTED") == "auto" or (int(env.get("SLURM_NTASKS", "1")) > 1 and "SLURM_PROCID" in env):
        jax.distributed.initialize()


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
