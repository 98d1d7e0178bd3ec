"""Which of many boxes stay when those that show one thing twice go: non-maximum suppression of boxes however they are turned.

n boxes · p pairs that touch
"""

import numpy as np
import shapely
from jaxtyping import Bool, Float, Int

SAME = 0.5  # intersection over union from which two boxes are of one thing


def touching(
    corners: Float[np.ndarray, "n 4 2"],
) -> tuple[Int[np.ndarray, "p 2"], Float[np.ndarray, " p"], Float[np.ndarray, " n"]]:
    """Pairs (i, j), i < j, of boxes that share ground, the area they share, and the area of every box."""
    shapes = shapely.polygons(np.asarray(corners, float).reshape(-1, 4, 2))
    pairs = shapely.STRtree(shapes).query(shapes, predicate="intersects").T
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    shared = shapely.area(shapely.intersection(shapes[pairs[:, 0]], shapes[pairs[:, 1]]))
    return pairs, shared, shapely.area(shapes)


def suppressed(
    corners: Float[np.ndarray, "n 4 2"],
    scores: Float[np.ndarray, " n"],
    *,
    cut: Bool[np.ndarray, " n"] | None = None,
    same: float = SAME,
) -> Int[np.ndarray, " m"]:
    """The boxes that stay, best first.

    Args:
        corners: of rectangles.
        scores: of two boxes of one thing the one with the higher score stays.
        cut: boxes that may show a part of their thing only, as at a window's edge: a whole box comes before each of them, and
            one that lies by `same` of its own area in another box goes.
        same: intersection over union from which two boxes are of one thing.
    """
    cut = np.zeros(len(scores), bool) if cut is None else cut
    order = np.lexsort((-scores, cut))
    rank = np.empty(len(order), int)
    rank[order] = np.arange(len(order))
    pairs, shared, area = touching(corners)
    first = np.where((rank[pairs[:, 0]] < rank[pairs[:, 1]])[:, None], pairs, pairs[:, ::-1])  # (stays, may go)
    either = area[first].sum(1) - shared
    least = np.where(cut[first[:, 1]], area[first[:, 1]], either)
    one = shared >= same * np.maximum(least, 1e-12)
    rivals: dict[int, list[int]] = {}
    for winner, loser in first[one].tolist():
        rivals.setdefault(loser, []).append(winner)
    stays: set[int] = set()
    for i in order.tolist():
        if not stays.intersection(rivals.get(i, ())):
            stays.add(i)
    return np.array([i for i in np.argsort(-scores, kind="stable") if i in stays], int)
