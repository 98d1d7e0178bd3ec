"""Scores of numbers against numbers.  n units"""

import numpy as np
from jaxtyping import Float


def rmse(predicted: Float[np.ndarray, " n"], target: Float[np.ndarray, " n"]) -> float:
    """Root mean squared error, in the unit of the target."""
    return float(np.sqrt(np.mean((predicted - target) ** 2))) if len(target) else float("nan")


def mae(predicted: Float[np.ndarray, " n"], target: Float[np.ndarray, " n"]) -> float:
    """Mean absolute error, in the unit of the target."""
    return float(np.mean(np.abs(predicted - target))) if len(target) else float("nan")


def r2(predicted: Float[np.ndarray, " n"], target: Float[np.ndarray, " n"]) -> float:
    """Share of the target's variance that is explained; NaN for a constant target."""
    spread = float(np.sum((target - target.mean()) ** 2)) if len(target) else 0.0
    return 1 - float(np.sum((predicted - target) ** 2)) / spread if spread else float("nan")


def interval_coverage(
    target: Float[np.ndarray, " n"], low: Float[np.ndarray, " n"], high: Float[np.ndarray, " n"]
) -> float:
    """Share of targets inside their interval, both ends included."""
    return float(np.mean((low <= target) & (target <= high))) if len(target) else float("nan")
