"""Many runs of one experiment: every combination of the given values, from every seed, each in a folder of its own."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rsfm.config import read_json
from rsfm.data.writing.atomic import write_json
from rsfm.errors import UserError
from rsfm.training.experiment import ExperimentConfig
from rsfm.training.log import read_rows
from rsfm.training.overrides import apply_overrides

SCORE = "score.json"  # in the folder of a run that has been scored
Values = tuple[tuple[str, str], ...]  # of one combination: (field, value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """One run of a sweep.

    Attributes:
        values: the fields it sets, with their values as typed.
        seed: of weights and order.
        config: the experiment with both.
        folder: its run folder.
    """

    values: Values
    seed: int
    config: ExperimentConfig
    folder: Path


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """One combination: the mean of its seeds' scores, the least and the largest of them."""

    values: Values
    mean: float
    low: float
    high: float
    seeds: int


def read_values(words: Sequence[str]) -> dict[str, list[str]]:
    """["train.steps=10,20", "model.encoder.depth=2"] -> the values of each field, as typed."""
    values: dict[str, list[str]] = {}
    for word in words:
        name, equals, listed = word.partition("=")
        wanted = [value for value in listed.split(",") if value]
        if not equals or not name or not wanted or name in values:
            raise UserError(
                f"--vary {word}: expected a field and its values, each field once, as in train.optimizer.learning_rate=1e-3,3e-3."
            )
        values[name] = wanted
    return values


def trials(
    config: ExperimentConfig, values: Mapping[str, Sequence[str]], seeds: Sequence[int], out: Path
) -> list[Trial]:
    """Every combination from every seed; a wrong field or value is found before anything runs."""
    names = [name.rpartition(".")[2] for name in values]
    made = []
    for combination in itertools.product(*values.values()):
        chosen = tuple(zip(values, combination, strict=True))
        varied = apply_overrides(config, [f"--{name}={value}" for name, value in chosen])
        label = "-".join(f"{short}_{value}" for short, value in zip(names, combination, strict=True)) or "as_is"
        for seed in seeds:
            own = seeded(varied, seed)
            made.append(
                Trial(values=chosen, seed=seed, config=own, folder=out / f"{label}-seed_{seed}".replace("/", "_"))
            )
    if len({trial.folder for trial in made}) < len(made):
        raise UserError("--vary: two combinations would share a folder. Name each value and each seed once.")
    return made


def seeded(config: ExperimentConfig, seed: int) -> ExperimentConfig:
    """The experiment, and each of its stages, from another seed."""
    stages = tuple(
        dataclasses.replace(stage, train=dataclasses.replace(stage.train, seed=seed)) for stage in config.stages
    )
    return dataclasses.replace(config, train=dataclasses.replace(config.train, seed=seed), stages=stages)


def sweep(wanted: Sequence[Trial], score: Callable[[Trial], float]) -> list[Line]:
    """Runs what has no score yet, and puts the scores of all together.

    Args:
        wanted: see `trials`.
        score: trains a trial, goes on with it where its folder is there, and gives its number.
    """
    found: dict[Values, list[float]] = {}
    for trial in wanted:
        done = trial.folder / SCORE
        if not done.is_file():
            write_json(done, {"score": score(trial), "seed": trial.seed, "values": dict(trial.values)})
        number = read_json(done, "Remove the file to have the run scored again.")["score"]
        found.setdefault(trial.values, []).append(float(number))
    return [
        Line(values=values, mean=float(np.mean(each)), low=min(each), high=max(each), seeds=len(each))
        for values, each in found.items()
    ]


def last_loss(folder: Path) -> float:
    """The loss at the end of a run: the newest held-out one where there is any, else the mean of the last tenth of the steps."""
    logs = sorted(folder.rglob("metrics.jsonl"))  # of the stages, in their order
    if not (losses := _losses(logs[-1]) if logs else []):
        raise UserError(f"{folder}: no row of metrics with a loss. Remove the folder and run it again.")
    held_out = _losses(logs[-1].with_name("evaluation.jsonl"))
    return float(held_out[-1] if held_out else np.mean(losses[-max(1, len(losses) // 10) :]))


def _losses(path: Path) -> list[float]:
    rows: list[dict[str, Any]] = read_rows(path)
    return [row["loss"] for row in rows if row.get("loss") is not None]
