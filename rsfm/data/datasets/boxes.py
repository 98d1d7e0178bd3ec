"""Cutting labelled boxes with a picture.  n boxes"""

import numpy as np
from jaxtyping import Bool, Float


def centre_inside(
    corners: Float[np.ndarray, "n 4 2"], row: int, column: int, height: int, width: int
) -> Bool[np.ndarray, " n"]:
    """Which boxes have their centre in the window: each box belongs to exactly one window of a tiling."""
    centre = corners.mean(1) if len(corners) else np.zeros((0, 2), np.float32)
    x, y = centre[:, 0], centre[:, 1]
    return (x >= column) & (x < column + width) & (y >= row) & (y < row + height)


def counted_from(corners: Float[np.ndarray, "n 4 2"], row: int, column: int) -> Float[np.ndarray, "n 4 2"]:
    """The corners counted from the window's top-left pixel."""
    return (corners - np.array([column, row])).astype(np.float32)
