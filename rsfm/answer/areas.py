"""Ground area by class out of the rows of a map.   m classes · h w pixels"""

import numpy as np
from jaxtyping import Bool, Float, Int

from rsfm.answer.footprint import Footprint

SQUARE_METRES_PER_HA = 10_000.0


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
        self._pixel_ha = pixel_ha(footprint)
        self.whole_ha = float((self._pixel_ha * footprint.width).sum())

    def add(self, first: int, class_index: Int[np.ndarray, "h w"], valid: Bool[np.ndarray, "h w"]) -> None:
        """One strip, its first row in the scene, and where there is data."""
        for row, (classes, seen) in enumerate(zip(class_index, valid, strict=True), start=first):
            counts = np.bincount(classes[classes >= 0], minlength=len(self.pixels))
            self.pixels += counts
            self.hectares += counts * self._pixel_ha[row]
            self.seen += int(seen.sum())
            self.seen_ha += float(seen.sum() * self._pixel_ha[row])


def pixel_ha(footprint: Footprint) -> Float[np.ndarray, " h"]:
    """Hectares of a pixel in each row of a footprint; NaN where its ground sampling distance is unknown."""
    corner = next(iter(footprint.read((0, 0, 1, 1)).observations.values()))
    return np.full(footprint.height, float(corner.gsd_m) ** 2 / SQUARE_METRES_PER_HA)
