"""Rectangles from their centre, size and angle, and back.  k vertices

Pixels run x right and y down from the top-left corner of the picture.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


def rectangle(
    center: Sequence[float] | Float[np.ndarray, "2"],
    width: float,
    height: float,
    angle_deg: float,
    *,
    clockwise: bool = True,
) -> Float[np.ndarray, "4 2"]:
    """The corners of a rectangle turned about its centre, from its own top-left one on."""
    turn = math.radians(angle_deg if clockwise else -angle_deg)
    half = np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2
    c, s = math.cos(turn), math.sin(turn)
    return np.asarray(center, float) + half @ np.array([[c, s], [-s, c]])


def smallest_rectangle(points: Float[np.ndarray, "k 2"]) -> Float[np.ndarray, "4 2"]:
    """Corners of the rectangle of least area around the points; one of its sides lies on a side of their hull."""
    best: tuple[float, np.ndarray] | None = None
    hull = np.asarray(points, float)
    for start, end in itertools.combinations(hull, 2):
        length = math.hypot(*(end - start))
        if length == 0:
            continue
        c, s = (end - start) / length
        turn = np.array([[c, -s], [s, c]])  # rows of points times this: coordinates along and across the side
        along = hull @ turn
        low, high = along.min(0), along.max(0)
        area = float(np.prod(high - low))
        if best is None or area < best[0] - 1e-9 * (1 + area):
            corners = np.array([low, [high[0], low[1]], high, [low[0], high[1]]])
            best = (area, corners @ turn.T)
    return np.repeat(hull[:1], 4, axis=0) if best is None else best[1]


def center_size_angle(
    points: Float[np.ndarray, "k 2"], *, clockwise: bool = True
) -> tuple[Float[np.ndarray, "2"], float, float, float]:
    """Centre, width, height and angle in [0, 90) degrees of the smallest rectangle around the points."""
    corners = smallest_rectangle(points)
    right, down = corners[1] - corners[0], corners[3] - corners[0]
    width, height = math.hypot(*right), math.hypot(*down)
    if not width:
        right = np.array([down[1], -down[0]])
    angle = math.degrees(math.atan2(right[1], right[0])) * (1 if clockwise else -1)
    turns = math.floor(round(angle, 6) / 90)
    width, height = (height, width) if turns % 2 else (width, height)
    return corners.mean(0), width, height, max(angle - 90 * turns, 0.0)
