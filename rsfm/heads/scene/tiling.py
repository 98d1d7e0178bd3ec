"""Overlapping windows over a scene of any size, and the weights by which they are blended.

Windows of one edge length cover the scene at even steps. Each axis has weights that sum to one over the windows there
(raised cosine where two overlap, one where only one reaches), so blending is a plain weighted sum, a window that stands
alone keeps its values bit for bit, and a row of the scene is done once the next row of windows starts below it.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from rsfm.errors import UserError


def window_starts(length: int, size: int, overlap: float) -> tuple[int, ...]:
    """First pixels of the fewest windows that cover `length` and share at least `overlap` of their edge.

    Args:
        length: pixels to cover; less than `size` gives one window that reaches past the end.
        size: window edge in pixels.
        overlap: share of the edge, 0 up to but not including 1.
    """
    if not 0 <= overlap < 1:
        raise UserError(f"overlap: expected a share of the window, 0 up to 1, found {overlap:g}. The default is 0.25.")
    if length <= size:
        return (0,)
    step = max(1, size - math.ceil(size * overlap))
    count = 1 + math.ceil((length - size) / step)
    return tuple(round(i * (length - size) / (count - 1)) for i in range(count))


def blend_weights(starts: tuple[int, ...], size: int) -> Float[np.ndarray, "n size"]:
    """Weights of n windows along one axis; over the windows that cover a pixel they sum to one."""
    weights = np.ones((len(starts), size))
    for i, (first, second) in enumerate(itertools.pairwise(starts)):
        shared = first + size - second
        if shared > 0:
            rise = np.sin(np.pi / 2 * (np.arange(shared) + 0.5) / shared) ** 2  # flat at both ends: no crease at a seam
            weights[i, size - shared :] *= rise[::-1]
            weights[i + 1, :shared] *= rise
    total = np.zeros(starts[-1] + size)
    for start, weight in zip(starts, weights, strict=True):
        total[start : start + size] += weight
    return np.stack([w / total[s : s + size] for s, w in zip(starts, weights, strict=True)]).astype(np.float32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tiling:
    """The windows of a scene.

    Attributes:
        height, width: of the scene in pixels.
        size: window edge in pixels.
        overlap: least share of the edge that neighbours have in common.
    """

    height: int
    width: int
    size: int
    overlap: float = 0.25

    @functools.cached_property
    def rows(self) -> tuple[int, ...]:
        """First pixel row of each row of windows."""
        return window_starts(self.height, self.size, self.overlap)

    @functools.cached_property
    def columns(self) -> tuple[int, ...]:
        """First pixel column of each column of windows."""
        return window_starts(self.width, self.size, self.overlap)

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    def batch_size(self, most: int) -> int:
        """Windows to run at once: at most `most`, and such that a row of windows is cut with little left over."""
        return math.ceil(len(self.columns) / math.ceil(len(self.columns) / most))

    def batches(self, most: int) -> Iterator[tuple[int, tuple[int, ...]]]:
        """(row of windows, columns of windows) from the top left on; no batch crosses to the next row."""
        size = self.batch_size(most)
        for i in range(len(self.rows)):
            for j in range(0, len(self.columns), size):
                yield i, tuple(range(j, min(j + size, len(self.columns))))
