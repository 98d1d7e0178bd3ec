"""The command line of the training scripts: CONFIG --out FOLDER [--resume] [--any.field value ...] -> exit code."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rsfm.errors import UserError
from rsfm.training import distributed
from rsfm.training.config import TrainConfig
from rsfm.training.engine import Engine, JitEngine
from rsfm.training.loop import Trained, load_config, train
from rsfm.training.overrides import apply_overrides, pairs
from rsfm.training.state import Build


def main(args: Sequence[str], usage: str, engine: Callable[[TrainConfig, Build], Engine] = JitEngine) -> int:
    """Trains as the words say. 0 = done, 2 = a mistake that can be mended, 143 or 130 = saved and stopped by a signal.

    Args:
        args: words after the program's name.
        usage: printed for --help.
        engine: what runs the step.
    """
    if not args or {"-h", "--help"} & set(args):
        print(usage)
        return 0
    try:
        return start(args, engine).exit_code
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def start(args: Sequence[str], engine: Callable[[TrainConfig, Build], Engine]) -> Trained:
    """Joins other processes if the environment names them, reads the words and trains."""
    given = dict(pairs(args[1:]))
    if "out" not in given:
        raise UserError(f"--out is missing: the run folder, for example --out runs/{Path(args[0]).stem}.")
    out, resume = Path(given.pop("out")), given.pop("resume", "false") == "true"
    distributed.initialize()
    config = apply_overrides(load_config(args[0]), [f"--{name}={value}" for name, value in given.items()])
    return train(config, out, resume=resume, engine=engine)
