"""Ground area by class out of the rows of a map.   m classes · h w pixels"""

import numpy as np
from jaxtyping import Bool, Float, Int

from rsfm.answer.footprint import Footprint
from rsfm.data.reading.grids import pixel_areas

SQUARE_METRES_PER_HA = 10_000.0
ROWS = 256  # whose ground is looked at together


class ClassAreas:
    """Adds up strips of a map at no memory: what is counted are the map's own pixels, so mask, area and share agree.

    Attributes:
        hectares: on the ground, by class.
        pixels: by class.
        seen: pixels with data.
        seen_ha: their ground.
        whole_ha: of the footprint.
    """

    def __init__(self, classes: int, footprint: Footprint) -> None:
        self.hectares: Float[np.ndarray, " m"] = np.zeros(classes)
        self.pixels: Int[np.ndarray, " m"] = np.zeros(classes, np.int64)
        self.seen, self.seen_ha = 0, 0.0
        self._ground = Ground(footprint)
        self.whole_ha = self._ground.whole_ha()

    def add(self, first: int, class_index: Int[np.ndarray, "h w"], valid: Bool[np.ndarray, "h w"]) -> None:
        """One strip, its first row in the scene, and where there is data."""
        classes, hectares = class_index[class_index >= 0], self._ground.rows(first, len(class_index))
        self.pixels += np.bincount(classes, minlength=len(self.pixels))
        self.hectares += np.bincount(classes, hectares[class_index >= 0], minlength=len(self.pixels))
        self.seen += int(valid.sum())
        self.seen_ha += float(hectares[valid].sum())


class Ground:
    """Hectares of the pixels of a footprint: by its grid where that has ground, else by the ground sampling distance."""

    def __init__(self, footprint: Footprint) -> None:
        self.height, self.width = footprint.height, footprint.width
        corner = next(iter(footprint.read((0, 0, 1, 1)).observations.values()))
        self._pixel_ha = float(corner.gsd_m) ** 2 / SQUARE_METRES_PER_HA
        self._areas = pixel_areas(footprint.grid, (self.height, self.width))

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
