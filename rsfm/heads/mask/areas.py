"""Ground area by class out of the rows of a map.   m classes · h w pixels"""

import numpy as np
from jaxtyping import Bool, Float, Int

from rsfm.heads.scene.canvas import Canvas
from rsfm.heads.scene.ground import Ground


class ClassAreas:
    """Adds up strips of a map at no memory: what is counted are the map's own pixels, so mask, area and share agree.

    Attributes:
        hectares: on the ground, by class.
        pixels: by class.
        seen: pixels with data.
        seen_ha: their ground.
        whole_ha: of the scene.
    """

    def __init__(self, classes: int, canvas: Canvas) -> None:
        self.hectares: Float[np.ndarray, " m"] = np.zeros(classes)
        self.pixels: Int[np.ndarray, " m"] = np.zeros(classes, np.int64)
        self.seen, self.seen_ha = 0, 0.0
        self._ground = Ground(canvas.height, canvas.width, canvas.grid, canvas.gsd_m)
        self.whole_ha = self._ground.whole_ha()

    def add(self, first: int, class_index: Int[np.ndarray, "h w"], valid: Bool[np.ndarray, "h w"]) -> None:
        """One strip, its first row in the scene, and where there is data."""
        classes, hectares = class_index[class_index >= 0], self._ground.rows(first, len(class_index))
        self.pixels += np.bincount(classes, minlength=len(self.pixels))
        self.hectares += np.bincount(classes, hectares[class_index >= 0], minlength=len(self.pixels))
        self.seen += int(valid.sum())
        self.seen_ha += float(hectares[valid].sum())
