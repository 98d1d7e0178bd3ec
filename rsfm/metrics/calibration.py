"""Intervals that hold what they promise: split conformal calibration on data that was not trained on.   n targets

Lei et al. 2018 (arXiv:1604.04173) for the residual divided by the predicted spread, Romano et al. 2019 (arXiv:1905.03222)
for quantiles (CQR), Sesia & Candes 2020 (arXiv:1909.05433) for quantiles stretched about their median.
"""

import functools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from rsfm.errors import UserError

COVERAGE = 0.9


def conformal_quantile(scores: Float[np.ndarray, " n"], coverage: float = COVERAGE) -> float:
    """The score that a new one stays at or under with probability `coverage`: the ceil((n + 1) coverage)-th smallest.

    Args:
        scores: of n calibration targets, larger = further outside.
        coverage: share of new targets to be inside, 0..1.

    Raises:
        UserError: too few targets for this coverage.
    """
    n = len(scores)
    rank = math.ceil((n + 1) * coverage - 1e-9)
    if rank > n:
        least = math.ceil(coverage / (1 - coverage) - 1e-9)
        raise UserError(
            f"{n} calibration targets cannot promise {coverage:.0%} coverage: expected at least {least}. Hold out more."
        )
    if not np.isfinite(scores).all():
        raise UserError(
            f"{int((~np.isfinite(scores)).sum())} of {n} calibration scores are not finite. Leave them out."
        )
    return float(np.sort(scores)[rank - 1])


def stretch(
    target: Float[np.ndarray, " n"],
    middle: Float[np.ndarray, " n"],
    low: Float[np.ndarray, " n"],
    high: Float[np.ndarray, " n"],
    coverage: float = COVERAGE,
) -> float:
    """The factor by which both arms of the intervals, from `middle` out, are to be stretched (or shrunk, under 1)."""
    tiny = 1e-9
    below = (middle - target) / np.maximum(middle - low, tiny)
    above = (target - middle) / np.maximum(high - middle, tiny)
    return conformal_quantile(np.maximum(below, above), coverage)


def stretch_by_group(
    target: Float[np.ndarray, " n"],
    middle: Float[np.ndarray, " n"],
    low: Float[np.ndarray, " n"],
    high: Float[np.ndarray, " n"],
    groups: Sequence[str],
    *,
    coverage: float = COVERAGE,
    least: int = 30,
) -> Mapping[str, float]:
    """A factor for each group, so that the coverage holds inside each (Mondrian: Vovk 2012, arXiv:1209.2673).

    Args:
        target, middle, low, high: of calibration, see `stretch`.
        groups: name of each target's group: its month, its region.
        coverage: share of new targets of each group to be inside.
        least: targets a group needs for a factor of its own.

    Returns:
        Factors by name; a group that is too small or was never seen has that of all targets together.
    """
    names = np.asarray(groups)
    factors: dict[str, float] = defaultdict(functools.partial(float, stretch(target, middle, low, high, coverage)))
    for name in np.unique(names):
        at = names == name
        if at.sum() >= least:
            factors[str(name)] = stretch(target[at], middle[at], low[at], high[at], coverage)
    return factors


def widen(
    target: Float[np.ndarray, " n"],
    low: Float[np.ndarray, " n"],
    high: Float[np.ndarray, " n"],
    coverage: float = COVERAGE,
) -> float:
    """What is to be added at both ends of the intervals, negative where they are too wide (CQR)."""
    return conformal_quantile(np.maximum(low - target, target - high), coverage)


def inside(
    target: Float[np.ndarray, " n"], low: Float[np.ndarray, " n"], high: Float[np.ndarray, " n"]
) -> Bool[np.ndarray, " n"]:
    """Which targets their interval holds, both ends included."""
    return (low <= target) & (target <= high)


def coverage_by_group(held: Bool[np.ndarray, " n"], groups: Sequence[str]) -> dict[str, tuple[float, int]]:
    """Share held and number of targets of each group (a month, a site), in order of name."""
    names = np.asarray(groups)
    return {str(name): (float(held[names == name].mean()), int((names == name).sum())) for name in np.unique(names)}
