"""The interval of a score: its units drawn again with replacement.  n units · k statistics

A score of a whole split is a function of sufficient statistics, one row a unit (a picture, a block of a map): rows add
up or stack, so a split can be scored in pieces, and resampling the rows gives the interval.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

Metric = Callable[[np.ndarray], float]


def bootstrap_interval(
    statistics: Float[np.ndarray, "n k"], metric: Metric, *, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of a metric when its units are drawn again with replacement.

    Args:
        statistics: one row a unit.
        metric: from rows to the score.
        level: share of the resampled scores inside the interval.
        resamples: number of draws.
        seed: of the draws.

    Returns:
        (low, high); (nan, nan) when there is no unit or no draw has a score.
    """
    rng, n = np.random.default_rng(seed), len(statistics)
    if n == 0:
        return float("nan"), float("nan")
    scores = np.array([metric(statistics[rng.integers(n, size=n)]) for _ in range(resamples)])
    scores = scores[~np.isnan(scores)]
    if not len(scores):
        return float("nan"), float("nan")
    low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
