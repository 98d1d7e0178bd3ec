"""Numbers of the pixels of overlapping windows, blended row by row into strips of the scene.  k values · h w pixels"""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Bool, Float

from rsfm.heads.scene.canvas import Window
from rsfm.heads.scene.tiling import Tiling, blend_weights


@dataclasses.dataclass(frozen=True, kw_only=True)
class Strip:
    """Finished rows of a scene.

    Attributes:
        first: their first row in the scene.
        values: the blended windows; 0 where none held data.
        valid: whether the scene holds data.
    """

    first: int
    values: Float[np.ndarray, "k h w"]
    valid: Bool[np.ndarray, "h w"]


def strips(windows: Iterable[Window], tiling: Tiling, count: int) -> Iterator[Strip]:
    """Blends windows whose values are numbers of their pixels, and hands out finished rows from the top down.

    Args:
        windows: of the scene, row by row, each row whole; their values are `[k h w]`.
        tiling: which windows they are.
        count: k, the numbers a pixel gets.
    """
    blender, seen = StripBlender(tiling, count), _ValidStrip(tiling)
    for window in windows:
        seen.add(window.column, window.valid)
        if window.value is not None:
            blender.add(window.row, window.column, window.value)
        if window.column == len(tiling.columns) - 1:
            first, values = blender.finish(window.row)
            yield Strip(first=first, values=values, valid=seen.finish(window.row))


class StripBlender:
    """Adds up weighted windows in a strip as high as one window and hands out the rows that no later window touches.

    Memory is `k * size * width` floats, whatever the height of the scene.
    """

    def __init__(self, tiling: Tiling, count: int):
        self.tiling = tiling
        self._row_weights = blend_weights(tiling.rows, tiling.size)
        self._column_weights = blend_weights(tiling.columns, tiling.size)
        self._strip = np.zeros((count, tiling.size, max(tiling.width, tiling.size)), np.float32)

    def add(self, i: int, j: int, values: Float[np.ndarray, "k size size"]) -> None:
        """Adds the window in row i and column j of the windows; rows come in order."""
        left = self.tiling.columns[j]
        weight = self._row_weights[i][:, None] * self._column_weights[j]
        self._strip[:, :, left : left + self.tiling.size] += values * weight

    def finish(self, i: int) -> tuple[int, Float[np.ndarray, "k rows width"]]:
        """What is final once row i of the windows is in: (first pixel row, values); moves the strip on."""
        rows, last = self.tiling.rows, i == len(self.tiling.rows) - 1
        step = (self.tiling.height if last else rows[i + 1]) - rows[i]
        done = self._strip[:, :step, : self.tiling.width].copy()
        if not last:
            kept = max(self.tiling.size - step, 0)
            self._strip[:, :kept] = self._strip[:, self.tiling.size - kept :].copy()
            self._strip[:, kept:] = 0
        return rows[i], done


class _ValidStrip:
    """Where the rows of windows still open hold data."""

    def __init__(self, tiling: Tiling):
        self.tiling = tiling
        self._strip = np.zeros((tiling.size, max(tiling.width, tiling.size)), bool)

    def add(self, j: int, valid: Bool[np.ndarray, "h w"]) -> None:
        left = self.tiling.columns[j]
        self._strip[:, left : left + self.tiling.size] = valid

    def finish(self, i: int) -> Bool[np.ndarray, "h w"]:
        rows = self.tiling.rows
        below = self.tiling.height if i == len(rows) - 1 else rows[i + 1]
        return self._strip[: below - rows[i], : self.tiling.width].copy()
