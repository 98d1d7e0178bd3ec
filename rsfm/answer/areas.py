"""The area of a class out of the rows of its map: expected hectares, and an interval from how sure the map is.

h w pixels
"""

import math

import numpy as np
from jaxtyping import Bool, Float

from rsfm.data.reading.grids import pixel_areas
from rsfm.quantities import Z_90
from rsfm.types import GeoGrid, Value

PATCH = 16  # pixels a side that are right or wrong together: those of one token
SQUARE_METRES_PER_HA = 10_000.0


class AreaSum:
    """Adds up strips of a map at no memory.

    The area is the sum of the pixels' probabilities. Its spread takes a pixel for a coin of its probability, the pixels
    of a patch for the same coin, and patches for different ones. It says how sure the map is, not how right.
    """

    def __init__(self, gsd_m: float, grid: GeoGrid | None = None, size: tuple[int, int] | None = None) -> None:
        """Starts at nothing.

        Args:
            gsd_m: edge of a pixel, where the grid does not tell its ground.
            grid: of the whole map: each pixel counts with its own ground area.
            size: height and width of the map; the grid is not used where it is of another one.
        """
        size = size or ((grid.height, grid.width) if grid else (0, 0))
        self.pixel_ha, self._ground = gsd_m**2 / SQUARE_METRES_PER_HA, pixel_areas(grid, size)
        self._expected, self._variance, self._seen = 0.0, 0.0, 0.0

    def add(self, probability: Float[np.ndarray, "h w"], valid: Bool[np.ndarray, "h w"], first: int = 0) -> None:
        """One strip: the class's probability, where there is data, and the strip's first row in the map."""
        weight: Float[np.ndarray, ...] = np.ones((1, 1))
        if self._ground is not None:
            weight = self._ground.rows(first, len(valid)) / (SQUARE_METRES_PER_HA * self.pixel_ha)
        chance = np.where(valid, probability, 0.0).astype(np.float64)
        spread = np.sqrt(np.clip(chance * (1 - chance), 0, None)) * weight
        rows, columns = (np.arange(0, n, PATCH) for n in chance.shape)
        patches = np.add.reduceat(np.add.reduceat(spread, rows, axis=0), columns, axis=1)
        self._expected += float((chance * weight).sum())
        self._variance += float((patches**2).sum())
        self._seen += float((valid * weight).sum())

    def value(self, name: str) -> Value:
        """The area in hectares with its 90 % interval, which the scene bounds."""
        best, half = self._expected, Z_90 * math.sqrt(self._variance)
        low, high = max(best - half, 0.0), min(best + half, self._seen)
        return Value(
            name=name, value=best * self.pixel_ha, unit="ha", low=low * self.pixel_ha, high=high * self.pixel_ha
        )
