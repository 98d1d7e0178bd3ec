"""One measured number of a prediction file, with its interval.  n units · k statistics"""

import dataclasses

import numpy as np
from jaxtyping import Float

from rsfm.metrics import Metric, accuracy, bootstrap_interval


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
    """A metric's value with its 95 % interval; a share is told in percent where unit is "%"."""

    metric: str
    value: float
    low: float | None
    high: float | None
    n: int
    unit: str = ""
    higher_is_better: bool = True
    note: str = ""  # what the reader has to know of it


def score(
    metric: str,
    rows: Float[np.ndarray, "n k"],
    function: Metric,
    *,
    percent: bool = False,
    lower: bool = False,
    resamples: int = 1000,
) -> Score:
    """The value of a function of the rows and its bootstrap interval.

    Args:
        metric: its name.
        rows: one row a unit.
        function: from rows to the value.
        percent: tell the share in percent.
        lower: whether a lower value is better.
        resamples: of the bootstrap.
    """
    scale = 100.0 if percent else 1.0
    value = function(rows)
    low, high = (bound * scale for bound in bootstrap_interval(rows, function, resamples=resamples))
    return Score(
        metric=metric,
        value=value * scale,
        low=None if np.isnan(low) else low,
        high=None if np.isnan(high) else high,
        n=len(rows),
        unit="%" if percent else "",
        higher_is_better=not lower,
    )


def share(metric: str, correct: object, *, lower: bool = False) -> Score:
    """The share of right answers, in percent."""
    rows = np.asarray(correct, dtype=float).reshape(-1, 1)
    return score(metric, rows, lambda kept: accuracy(kept[:, 0]), percent=True, lower=lower)
