"""Boxes against boxes: overlap of upright and oriented boxes, and how many of the wanted ones are found.

n m boxes · k vertices
"""

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

THRESHOLDS = (0.25, 0.5, 0.7)


def upright(corners: Float[np.ndarray, "n 4 2"]) -> Float[np.ndarray, "n 4"]:
    """The upright boxes [left, top, right, bottom] around the corners."""
    return np.concatenate([corners.min(1), corners.max(1)], 1) if len(corners) else np.zeros((0, 4))


def horizontal_iou(left: Float[np.ndarray, "n 4 2"], right: Float[np.ndarray, "m 4 2"]) -> Float[np.ndarray, "n m"]:
    """Intersection over union of the upright boxes around each pair."""
    a, b = upright(left)[:, None], upright(right)[None]
    sides = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None)
    shared = sides.prod(-1)
    whole = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    return np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)


def oriented_iou(left: Float[np.ndarray, "n 4 2"], right: Float[np.ndarray, "m 4 2"]) -> Float[np.ndarray, "n m"]:
    """Intersection over union of each pair of convex quadrilaterals."""
    out = np.zeros((len(left), len(right)))
    near = horizontal_iou(left, right) > 0  # boxes whose upright hulls are apart do not touch
    for i, j in zip(*np.nonzero(near), strict=True):
        shared = area(clip(left[i], right[j]))
        whole = area(left[i]) + area(right[j]) - shared
        out[i, j] = shared / whole if whole > 0 else 0.0
    return out


def area(polygon: Float[np.ndarray, "k 2"]) -> float:
    """Area of a polygon, in squared units of its corners, whichever way round they go."""
    if len(polygon) < 3:
        return 0.0
    x, y = (polygon - polygon[0]).T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def clip(subject: Float[np.ndarray, "k 2"], window: Float[np.ndarray, "l 2"]) -> Float[np.ndarray, "p 2"]:
    """The part of a polygon inside a convex one (Sutherland, Hodgman 1974, CACM 17)."""
    x, y = (window - window[0]).T
    if np.dot(x, np.roll(y, -1)) < np.dot(y, np.roll(x, -1)):
        window = window[::-1]
    points = [np.asarray(point, float) for point in subject]
    for start, end in zip(window, np.roll(window, -1, axis=0), strict=True):
        edge = end - start
        sides = [float(edge[0] * (p[1] - start[1]) - edge[1] * (p[0] - start[0])) for p in points]
        kept: list[np.ndarray] = []
        for i, point in enumerate(points):
            before = i - 1
            if (sides[i] >= 0) != (sides[before] >= 0):
                share = sides[before] / (sides[before] - sides[i])
                kept.append(points[before] + share * (point - points[before]))
            if sides[i] >= 0:
                kept.append(point)
        points = kept
        if not points:
            break
    return np.array(points).reshape(-1, 2)


def matched(iou: Float[np.ndarray, "n m"], threshold: float) -> int:
    """How many pairs overlap by the threshold at least, each box in one pair at most."""
    rows, columns = linear_sum_assignment(iou >= threshold, maximize=True)
    return int((iou[rows, columns] >= threshold).sum())
