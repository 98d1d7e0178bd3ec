"""The ground under the pixels of a scene.   h w pixels"""

import numpy as np
from jaxtyping import Float

from rsfm.data.reading.grids import pixel_areas
from rsfm.types import GeoGrid

SQUARE_METRES_PER_HA = 10_000.0
ROWS = 256  # whose ground is looked at together


class Ground:
    """Hectares of the pixels of a scene: by its grid where that has ground, else by the ground sampling distance."""

    def __init__(self, height: int, width: int, grid: GeoGrid | None, gsd_m: float) -> None:
        """Takes rows and columns of the scene, its map grid, and metres of a pixel's edge (NaN where unknown)."""
        self.height, self.width = height, width
        self._pixel_ha = gsd_m**2 / SQUARE_METRES_PER_HA
        self._areas = pixel_areas(grid, (height, width))

    def rows(self, first: int, count: int) -> Float[np.ndarray, "h w"]:
        """Of some rows; NaN where neither grid nor ground sampling distance is known."""
        if self._areas is None:
            return np.full((count, self.width), self._pixel_ha)
        ground = np.asarray(self._areas.rows(first, count), np.float64) / SQUARE_METRES_PER_HA
        return np.broadcast_to(ground, (count, self.width))

    def whole_ha(self) -> float:
        """Of all pixels."""
        if self._areas is None:
            return self._pixel_ha * self.height * self.width
        starts = range(0, self.height, ROWS)
        return float(sum(self.rows(row, min(ROWS, self.height - row)).sum() for row in starts))
