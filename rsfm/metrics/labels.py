"""Scores of labels, one or several a unit.  n units · m classes"""

import numpy as np
from jaxtyping import Bool, Float, Shaped


def accuracy(correct: Shaped[np.ndarray, " n"]) -> float:
    """Share of right answers; NaN without any answer."""
    return float(np.mean(correct)) if len(correct) else float("nan")


def f1(hits: float, false: float, missed: float) -> float:
    """F1 from counts; NaN where there is nothing to find and nothing was found."""
    total = 2 * hits + false + missed
    return float(2 * hits / total) if total else float("nan")


def micro_f1(truth: Bool[np.ndarray, "n m"], predicted: Bool[np.ndarray, "n m"]) -> float:
    """F1 over all labels together: frequent classes weigh more."""
    return f1(float((truth & predicted).sum()), float((~truth & predicted).sum()), float((truth & ~predicted).sum()))


def macro_f1(truth: Bool[np.ndarray, "n m"], predicted: Bool[np.ndarray, "n m"]) -> float:
    """Mean of the classes' F1, over the classes that occur in truth or prediction."""
    each = [micro_f1(truth[:, i : i + 1], predicted[:, i : i + 1]) for i in range(truth.shape[1])]
    return float(np.nanmean(each)) if not np.all(np.isnan(each)) else float("nan")


def mean_average_precision(truth: Bool[np.ndarray, "n m"], score: Float[np.ndarray, "n m"]) -> float:
    """Mean over the classes that occur of the average precision; tied scores are taken together."""
    each = [average_precision(truth[:, i], score[:, i]) for i in range(truth.shape[1]) if truth[:, i].any()]
    return float(np.mean(each)) if each else float("nan")


def average_precision(truth: Bool[np.ndarray, " n"], score: Float[np.ndarray, " n"]) -> float:
    """Sum over the thresholds of precision times the gain in recall."""
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(truth[order])
    last = np.flatnonzero(np.r_[np.diff(score[order]) != 0, True])  # of each run of equal scores
    precision, recall = hits[last] / (last + 1), hits[last] / hits[-1]
    return float(np.sum(precision * np.diff(np.r_[0.0, recall])))
