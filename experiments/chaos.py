"""Trains under fire: SIGKILL at random moments, in checkpoint writes and of one of two processes too; each resume is exact.

Question:  does a run that is killed again and again land, to the last digit, on the losses of one that nobody touched?
Command:   python -m experiments.chaos --kills 100 --out runs/chaos
Short:     python -m experiments.chaos --kills 3 --out runs/chaos

Every fifth kill strikes one of two processes (over loopback): both are gone then, and both are started again. What the
untouched runs compiled is kept in a folder beside them, so that a run that is taken up soon trains.
"""

import argparse
import dataclasses
import json
import multiprocessing
import os
import random
import shutil
import socket
import sys
import time
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from rsfm.training.log import read_rows

CONTEXT: ForkServerContext = multiprocessing.get_context("forkserver")
WAIT = 600.0  # seconds for a run of a few steps on a busy machine


@dataclasses.dataclass(kw_only=True)
class Target:
    """A run that is shot at: by how many processes it is trained, and what its losses must be."""

    folder: Path
    processes: int
    steps: int
    expected: list[float]
    kills: int = 0
    in_writes: int = 0
    lost: int = 0


def train(folder: Path, steps: int, rank: int, processes: int, port: int) -> None:
    """One process of a run of the debug config with a checkpoint a step; takes up what is there."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    import jax

    jax.config.update("jax_compilation_cache_dir", str(folder.parent / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    if processes > 1:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        os.environ |= {"RSFM_COORDINATOR": f"127.0.0.1:{port}", "RSFM_PROCESSES": str(processes)}
        os.environ["RSFM_PROCESS"] = str(rank)
    from rsfm.cli import main

    words = ["train", "debug", "--out", str(folder), "--resume", "--train.steps", str(steps), "--train.save_every", "1"]
    code = main(words)
    sys.stdout.flush()
    sys.exit(code)


def start(folder: Path, steps: int, processes: int) -> list[BaseProcess]:
    """The processes of a run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    crew: list[BaseProcess] = [
        CONTEXT.Process(target=train, args=(folder, steps, rank, processes, port)) for rank in range(processes)
    ]
    for process in crew:
        process.start()
    return crew


def finish(crew: list[BaseProcess]) -> list[int | None]:
    """Their exit codes; None for one that does not end."""
    for process in crew:
        process.join(WAIT)
    codes = [process.exitcode for process in crew]
    for process in crew:
        process.kill()
    return codes


def losses(folder: Path) -> list[float]:
    """By step."""
    return [row["loss"] for row in read_rows(folder / "metrics.jsonl")]


def untouched(folder: Path, steps: int, processes: int) -> Target:
    """What the losses are where nobody kills."""
    if any(finish(start(folder / "untouched", steps, processes))):
        raise SystemExit(f"chaos: the run that nobody touched failed in {folder}.")
    return Target(folder=folder / "shot at", processes=processes, steps=steps, expected=losses(folder / "untouched"))


def shoot(target: Target, rng: random.Random) -> None:
    """Starts or takes up the run and kills one of its processes: at any moment after the next step, or in a write."""
    if len(losses(target.folder)) >= target.steps - 1:
        settle(target)
    before = len(losses(target.folder))
    crew = start(target.folder, target.steps, target.processes)
    aim_at_write, limit = rng.random() < 0.5, time.monotonic() + WAIT
    while len(losses(target.folder)) <= before and time.monotonic() < limit and crew[0].is_alive():
        time.sleep(0.005)
    if any(process.exitcode for process in crew):
        raise SystemExit(
            f"chaos: a run failed before anybody shot at it: rsfm train debug --out '{target.folder}' --resume"
        )
    if aim_at_write:
        while not writing(target.folder) and time.monotonic() < limit and crew[0].is_alive():
            time.sleep(0.001)
    else:
        time.sleep(rng.uniform(0, 0.5))
    target.in_writes += writing(target.folder)
    crew[rng.randrange(target.processes)].kill()
    target.kills += 1
    codes = finish(crew)
    target.lost += any(code is None for code in codes)  # one that waits for ever for the dead


def writing(folder: Path) -> bool:
    """Whether a checkpoint is half there."""
    return any((folder / "checkpoints").glob("*.orbax-checkpoint-tmp*"))


def settle(target: Target) -> None:
    """Lets the run end, compares, and begins a new one."""
    codes = finish(start(target.folder, target.steps, target.processes))
    target.lost += any(codes) or losses(target.folder) != target.expected
    shutil.rmtree(target.folder, ignore_errors=True)


def main() -> int:
    """Prints one row of JSON; 0 where nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument(
        "--pairs", type=int, default=5, help="every so manieth kill is of one of two processes; 0 = none"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="no kill after so many minutes")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    CONTEXT.set_forkserver_preload(["rsfm.commands.train", "rsfm.training.loop", "rsfm.pretrained"])
    rng, begun = random.Random(options.seed), time.monotonic()
    targets = {1: untouched(options.out / "one", options.steps, 1)}
    if options.pairs and options.kills >= options.pairs:
        targets[2] = untouched(options.out / "two", options.steps, 2)
    for i in range(1, options.kills + 1):
        if time.monotonic() - begun > 60 * options.minutes:
            break
        target = targets[2 if options.pairs and i % options.pairs == 0 else 1]
        shoot(target, rng)
        print(f"chaos: {i} of {options.kills} kills, {len(losses(target.folder))} steps stand", file=sys.stderr)
    for target in targets.values():
        settle(target)
    row: dict[str, Any] = {
        "kills": sum(target.kills for target in targets.values()),
        "of_one_of_two": targets[2].kills if 2 in targets else 0,
        "in_checkpoint_writes": sum(target.in_writes for target in targets.values()),
        "lost": sum(target.lost for target in targets.values()),
        "seconds": round(time.monotonic() - begun),
    }
    print(json.dumps(row))
    return int(row["lost"] > 0)


if __name__ == "__main__":
    sys.exit(main())
