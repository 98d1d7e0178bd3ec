"""What is looked at beside the training: losses and scores on held-out data; the best state kept; when no more is learned.

Everything it knows stands in the run folder, evaluation.jsonl and best/, so that a resumed run goes on as if never stopped.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

from rsfm.errors import UserError, unknown
from rsfm.training.checkpoint import Checkpoints
from rsfm.training.config import TrainConfig
from rsfm.training.engine import Engine, to_floats
from rsfm.training.log import RunLog, read_rows
from rsfm.training.state import TrainState
from rsfm.training.step import report, weigh

BEST, ROWS = "best", "evaluation.jsonl"
Scores = Callable[[TrainState], dict[str, float]]  # by name, "segmentation/miou"


class Validation:
    """Evaluations of one run.

    Args:
        config: of training: how often, on how much, what is watched.
        engine: runs the model.
        batches: held-out, for the losses; each evaluation reads the same.
        folder: of the run.
        scores: of the tasks; none are looked at without it.
        higher_is_better: whether a larger number of what is watched is better.
    """

    def __init__(
        self,
        config: TrainConfig,
        engine: Engine,
        batches: Any,
        folder: Path,
        *,
        scores: Scores | None = None,
        higher_is_better: bool = False,
    ) -> None:
        self._config, self._engine, self._batches, self._scores = config, engine, batches, scores
        self._first, self._sign = batches.get_state(), 1.0 if higher_is_better else -1.0
        self._checkpoints = Checkpoints(folder / BEST, keep=1) if config.watch else None
        self._file = folder / ROWS

    def close(self) -> None:
        """Waits for what is being written."""
        if self._checkpoints is not None:
            self._checkpoints.__exit__(None, None, None)

    def at(self, step: int, state: TrainState, log: RunLog) -> None:
        """Evaluates, where it is time; keeps the state if it is the best so far.

        Args:
            step: that is done.
            state: as the engine has it.
            log: takes the numbers.
        """
        if not self._config.eval_every or step % self._config.eval_every:
            return
        self._batches.set_state(self._first)
        values = evaluate(self._config, self._engine, state, self._batches)
        whole = self._engine.release(state)
        values |= self._scores(whole) if self._scores else {}
        self._check_watched(values)
        log.evaluation(step, values)
        if self._checkpoints is not None and self.best_step == step and self._checkpoints.latest != step:
            self._checkpoints.save(step, whole, None)
            self._checkpoints.wait()  # until then its newest is the best before

    def _check_watched(self, values: dict[str, float]) -> None:
        if self._config.watch and self._config.watch not in values:
            raise UserError(f"train.watch: {unknown('score', self._config.watch, values)}")

    @property
    def history(self) -> list[tuple[int, float]]:
        """(step, what is watched), larger is better; a number that is none is the worst."""
        rows = read_rows(self._file) if self._config.watch else []
        found = [(int(row["step"]), row.get(self._config.watch)) for row in rows]
        return [(step, -math.inf if value is None else self._sign * float(value)) for step, value in found]

    @property
    def best_step(self) -> int:
        """The first step with the best evaluation; 0 before one."""
        return max(self.history, key=lambda each: each[1], default=(0, 0.0))[0]

    @property
    def over(self) -> bool:
        """Whether `patience` evaluations in a row were no better than the best."""
        later = [step for step, _ in self.history if step > self.best_step]
        return 0 < self._config.patience <= len(later)

    def best(self, state: TrainState) -> TrainState:
        """The best state seen; the given one where none was kept.

        Args:
            state: global arrays.
        """
        if self._checkpoints is None or self._checkpoints.latest is None:
            return state
        return self._checkpoints.restore(self._engine.abstract())[0]


def evaluate(config: TrainConfig, engine: Engine, state: TrainState, batches: Any) -> dict[str, float]:
    """Mean losses over `eval_batches` batches, each head's over all its targets."""
    sums: dict[str, Any] = {}
    units: dict[str, Any] = {}
    for batch in itertools.islice(batches, config.eval_batches):
        for total, part in zip((sums, units), engine.evaluate(state, batch), strict=True):
            for name, value in to_floats(part).items():
                total[name] = total.get(name, 0.0) + value
    terms = {name: jax.numpy.asarray(value) for name, value in sums.items()}
    counts = {name: jax.numpy.asarray(value) for name, value in units.items()}
    return to_floats(report(weigh(config.loss.weights, terms, counts), terms, counts))


def higher_is_better(watched: str, tasks: Any) -> bool:
    """Whether a larger number is better: as the task of "task/metric" says; of a loss never.

    Args:
        watched: "segmentation/miou" or "loss".
        tasks: by name.
    """
    name, slash, metric = watched.partition("/")
    return bool(slash) and name in tasks and bool(tasks[name].higher_is_better.get(metric, False))


def first_score(names: Sequence[str], tasks: Any) -> str:
    """The first metric of the first task, as it is watched."""
    return f"{names[0]}/{next(iter(tasks[names[0]].metrics))}" if names else ""
