"""Scores of maps and classes from a confusion matrix.  m classes · p pixels"""

import numpy as np
from jaxtyping import Int, Num


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
