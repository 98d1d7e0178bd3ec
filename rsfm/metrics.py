"""Scores as plain numpy functions, and their bootstrap intervals.  n units · k statistics · m classes

A score of a whole split is a function of sufficient statistics, one row a unit (a picture, a block of a map): rows add
up or stack, so a split can be scored in pieces, and resampling the rows gives the interval.
"""

import collections
import re
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Num, Shaped

Metric = Callable[[np.ndarray], float]


def accuracy(correct: Shaped[np.ndarray, " n"]) -> float:
    """Share of right answers; NaN without any answer."""
    return float(np.mean(correct)) if len(correct) else float("nan")


def confusion_matrix(
    truth: Int[np.ndarray, "*p"], predicted: Int[np.ndarray, "*p"], classes: int
) -> Int[np.ndarray, "m m"]:
    """Counts with the true class in the row and the predicted one in the column; pixels with truth < 0 are left out."""
    keep = truth >= 0
    flat = truth[keep].astype(np.int64) * classes + predicted[keep].astype(np.int64)
    return np.bincount(flat, minlength=classes * classes).reshape(classes, classes)


def mean_iou(confusion: Num[np.ndarray, "m m"]) -> float:
    """Mean intersection over union of the classes that occur in the truth."""
    hit = np.diag(confusion).astype(float)
    union = confusion.sum(0) + confusion.sum(1) - hit
    present = confusion.sum(1) > 0
    return float(np.mean(hit[present] / union[present])) if present.any() else float("nan")


def overall_accuracy(confusion: Num[np.ndarray, "m m"]) -> float:
    """Share of labelled pixels that got their class."""
    total = confusion.sum()
    return float(np.trace(confusion) / total) if total else float("nan")


def mean_class_accuracy(confusion: Num[np.ndarray, "m m"]) -> float:
    """Mean recall of the classes that occur in the truth ("average accuracy" of the hyperspectral papers)."""
    rows = confusion.sum(1)
    present = rows > 0
    return float(np.mean(np.diag(confusion)[present] / rows[present])) if present.any() else float("nan")


def kappa(confusion: Num[np.ndarray, "m m"]) -> float:
    """Cohen's kappa: agreement beyond what the class shares alone would give."""
    total = float(confusion.sum())
    if not total:
        return float("nan")
    expected = float((confusion.sum(0).astype(float) * confusion.sum(1)).sum()) / total**2
    return (overall_accuracy(confusion) - expected) / (1 - expected) if expected < 1 else 1.0


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


def words(text: str) -> list[str]:
    """Lower-case words; punctuation is dropped, as the caption benchmarks do before counting n-grams."""
    return re.findall(r"[\w'<>-]+", text.lower())


def bleu_statistics(candidate: str, references: Sequence[str]) -> Float[np.ndarray, "10"]:
    """What BLEU-4 needs: matched n-grams (4), candidate n-grams (4), candidate length, closest reference length."""
    found, wanted = words(candidate), [words(reference) for reference in references]
    matched, total = [], []
    for n in range(1, 5):
        grams = _ngrams(found, n)
        most: collections.Counter[tuple[str, ...]] = collections.Counter()
        for reference in wanted:
            most |= _ngrams(reference, n)
        matched.append(sum(min(count, most[gram]) for gram, count in grams.items()))
        total.append(max(len(found) - n + 1, 0))
    closest = min((len(reference) for reference in wanted), key=lambda length: (abs(length - len(found)), length))
    return np.array([*matched, *total, len(found), closest], dtype=np.float64)


def _ngrams(tokens: Sequence[str], n: int) -> "collections.Counter[tuple[str, ...]]":
    return collections.Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


def bleu4(statistics: Float[np.ndarray, "n 10"]) -> float:
    """Corpus BLEU-4, 0..1: geometric mean of the n-gram precisions times the brevity penalty, not smoothed."""
    if not len(statistics):
        return float("nan")
    total = statistics.sum(0)
    matched, counted, length, closest = total[:4], total[4:8], total[8], total[9]
    if not matched.all() or not counted.all():
        return 0.0
    brevity = min(1.0, float(np.exp(1 - closest / length)))
    return brevity * float(np.exp(np.mean(np.log(matched / counted))))


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
