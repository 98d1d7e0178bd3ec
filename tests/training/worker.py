"""A process that trains the stand-in, as the tests of stopping and of several processes start it.

python -m tests.training.worker FOLDER STEPS [--devices N] [--pause SECONDS] [--export FILE] [--field value ...]
"""

import sys
import time
from functools import partial
from pathlib import Path

import jax
import numpy as np

from rsfm.training import distributed
from rsfm.training.config import TrainConfig
from rsfm.training.engine import JitEngine
from rsfm.training.overrides import apply_overrides, pairs
from rsfm.training.run import run
from rsfm.training.state import parameter_table
from tests.training.standin import Stream, build


class SlowStream(Stream):
    """Gives the parent time to send a signal."""

    def __init__(self, *args: int, pause: float) -> None:
        super().__init__(*args, streams=(("optical",), ("optical", "sar")))
        self._pause = pause

    def __next__(self):
        time.sleep(self._pause)
        return super().__next__()


def main(args: list[str]) -> int:
    given = dict(pairs(args[2:]))
    count, pause = given.pop("devices", None), float(given.pop("pause", "0"))
    export = given.pop("export", None)
    with distributed.together():
        words = ["--steps", args[1], *(f"--{name}={value}" for name, value in given.items())]
        config = apply_overrides(TrainConfig(mesh=(-1, 2, 1, 1)), words)
        engine = partial(JitEngine, devices=jax.devices()[: int(count)] if count else None)
        stream = partial(SlowStream, pause=pause)
        trained = run(config, partial(build, dropout=0.1), stream, Path(args[0]), engine=engine)
        if export:
            weights = {name: np.asarray(value[...]) for name, value in parameter_table(trained.model).items()}
            if jax.process_index() == 0:
                np.savez(export, **weights)
    return trained.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
