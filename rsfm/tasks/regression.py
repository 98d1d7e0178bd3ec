"""Regression: a number with its unit stands in the sentence as `<value>`, and comes back with an interval."""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float

from rsfm import metrics as scores
from rsfm.tasks.dialogue import VALUE, Dialogue, pick
from rsfm.types import PURE, Answer, Record, Value

QUESTIONS = ("What is the {name}?", "Estimate the {name}.", "How high is the {name} here?", "Give the {name}.")
UNITLESS = ("", PURE)


def number_row(target: float, answer: Answer) -> Float[np.ndarray, "1 4"]:
    """[prediction, target, low, high] of the first number of an answer; NaN for what the answer does not hold."""
    nan = float("nan")
    if not answer.values:
        return np.array([[nan, target, nan, nan]])
    value = answer.values[0]
    low, high = (nan if bound is None else bound for bound in (value.low, value.high))
    return np.array([[value.value, target, low, high]])


def over_answered(score: Callable[[np.ndarray, np.ndarray], float]) -> scores.Metric:
    """A score of (prediction, target) over the rows that hold a number; "answered" tells how many do."""

    def metric(rows: np.ndarray) -> float:
        kept = rows[~np.isnan(rows[:, 0])]
        return score(kept[:, 0], kept[:, 1])

    return metric


def coverage(rows: Float[np.ndarray, "n 4"]) -> float:
    """Share of the targets inside their interval, over the rows that have one."""
    kept = rows[~np.isnan(rows[:, 2:]).any(1)]
    return scores.interval_coverage(kept[:, 1], kept[:, 2], kept[:, 3])


NUMBER_METRICS: Mapping[str, scores.Metric] = {
    "rmse": over_answered(scores.rmse),
    "mae": over_answered(scores.mae),
    "r2": over_answered(scores.r2),
    "coverage": coverage,
    "answered": lambda rows: scores.accuracy(~np.isnan(rows[:, 0])),
}
NUMBER_BETTER: Mapping[str, bool] = {"rmse": False, "mae": False, "r2": True, "coverage": True, "answered": True}


class Regression:
    """Asks for one of `record.values` that has a unit (counts, of unit "", are the counting task's)."""

    name = "regression"
    metrics = NUMBER_METRICS
    higher_is_better = NUMBER_BETTER

    def dialogue(self, record: Record, rng: np.random.Generator) -> Dialogue | None:
        """As in "The live fuel moisture is <value> %."; one of the values, where there are several."""
        known = _measured(record)
        if not known:
            return None
        value = pick(known, rng)
        unit = "" if value.unit in UNITLESS else f" {value.unit}"
        question = pick(QUESTIONS, rng).format(name=value.name)
        return Dialogue(turns=((question, f"The {value.name} is {VALUE}{unit}."),), spans=(value,))

    def subjects(self, record: Record) -> tuple[str, ...] | None:
        """The quantities."""
        return tuple(value.name.lower() for value in _measured(record)) or None

    def question(self, record: Record) -> str:
        """Asks for the first value."""
        known = _measured(record)
        return QUESTIONS[0].format(name=known[0].name if known else "value")

    def statistics(self, record: Record, answer: Answer) -> Float[np.ndarray, "n 4"]:
        """[prediction, target, low, high] of the first value."""
        known = _measured(record)
        return number_row(known[0].value, answer) if known else np.zeros((0, 4))


def _measured(record: Record) -> list[Value]:
    return [value for value in record.values if value.unit != "" and np.isfinite(value.value)]
