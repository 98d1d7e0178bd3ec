"""How boxes with scores fit the labelled ones: average precision at half overlap, precision, recall, and counts.

n records · m wanted · k given

Of a record: [wanted boxes, count given, ...] and the score and hit of each box given, NaN-padded, so that records can be resampled.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from rsfm.metrics.bootstrap import Metric
from rsfm.metrics.grounding import matched, oriented_iou
from rsfm.metrics.numbers import mae, r2, rmse

MOST_GIVEN = 300  # boxes of a record that are scored, the surest ones
HALF = 0.5  # overlap from which a box is found
RECALLS = np.linspace(0, 1, 101)  # where the precision is read, as COCO does (Lin et al. 2014, arXiv:1405.0312)


def hits(
    wanted: Float[np.ndarray, "m 4 2"], given: Float[np.ndarray, "k 4 2"], scores: Float[np.ndarray, " k"], least: float
) -> Bool[np.ndarray, " k"]:
    """Which boxes find one: the surest first, each takes of the wanted boxes still free the one it overlaps most."""
    iou, taken, hit = oriented_iou(given, wanted), np.zeros(len(wanted), bool), np.zeros(len(given), bool)
    for i in np.argsort(-scores, kind="stable"):
        free = np.where(taken, -1.0, iou[i])
        if len(free) and free.max() >= least:
            taken[free.argmax()] = hit[i] = True
    return hit


def detection_row(
    wanted: Float[np.ndarray, "m 4 2"],
    given: Float[np.ndarray, "k 4 2"],
    scores: Float[np.ndarray, " k"],
    count: float,
) -> Float[np.ndarray, " _"]:
    """[wanted, count, of the boxes that are counted: found, given], then scores and hits of all boxes.

    Args:
        wanted: labelled boxes of one class.
        given: boxes of the answer.
        scores: how sure each is.
        count: how many things the answer says there are: its surest boxes.
    """
    order = np.argsort(-scores, kind="stable")[:MOST_GIVEN]
    given, scores = given[order], scores[order]
    hit, pad = hits(wanted, given, scores, HALF), MOST_GIVEN - len(order)
    counted = given[: round(count)]
    found = matched(oriented_iou(counted, wanted), HALF) if len(counted) and len(wanted) else 0
    padded = (np.pad(part.astype(float), (0, pad), constant_values=np.nan) for part in (scores, hit))
    return np.concatenate([[len(wanted), count, found, len(counted)], *padded])


def box_average_precision(rows: Float[np.ndarray, "n _"]) -> float:
    """Mean over recalls of the best precision at that recall or a higher one; NaN where nothing was wanted."""
    wanted, (scores, hit) = rows[:, 0].sum(), np.split(rows[:, 4:], 2, axis=1)
    given = np.isfinite(scores)
    order = np.argsort(-scores[given], kind="stable")
    found = np.cumsum(hit[given][order])
    if not wanted:
        return float("nan")
    precision = np.maximum.accumulate((found / np.arange(1, len(found) + 1))[::-1])[::-1]
    place = np.searchsorted(found / wanted, RECALLS - 1e-9)
    return float(np.mean(np.append(precision, 0.0)[place]))


def _share(of: int) -> Metric:
    def metric(rows: np.ndarray) -> float:
        return float(rows[:, 2].sum() / rows[:, of].sum()) if rows[:, of].sum() else float("nan")

    return metric


DETECTION_METRICS: Mapping[str, Metric] = {
    "ap50": box_average_precision,
    "precision@0.5": _share(3),
    "recall@0.5": _share(0),
    "count_mae": lambda rows: mae(rows[:, 1], rows[:, 0]),
    "count_rmse": lambda rows: rmse(rows[:, 1], rows[:, 0]),
    "count_r2": lambda rows: r2(rows[:, 1], rows[:, 0]),
}
DETECTION_BETTER: Mapping[str, bool] = {name: name not in ("count_mae", "count_rmse") for name in DETECTION_METRICS}
