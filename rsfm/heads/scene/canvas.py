"""The scene that a head's windows are joined on, and one window of it.   h w pixels"""

import dataclasses
import math
from typing import Any

import numpy as np
from jaxtyping import Bool

from rsfm.heads.scene.tiling import Tiling
from rsfm.quantities import Quantity
from rsfm.types import GeoGrid


@dataclasses.dataclass(frozen=True, kw_only=True)
class Canvas:
    """What a head knows of a scene when it joins its windows.

    Attributes:
        tiling: the windows, with height and width of the scene.
        grid: its map grid; None where it has none.
        gsd_m: metres of a pixel's edge; NaN where unknown.
        question: what every window was asked, worded as in training.
        subjects: what the head's tokens show, in order: the classes of a legend, the things looked for, the bands.
        quantity: of a map of numbers that is made of classes of them.
        probability: whether what takes much memory is kept, too: the probability of each class.
    """

    tiling: Tiling
    grid: GeoGrid | None = None
    gsd_m: float = math.nan
    question: str = ""
    subjects: tuple[str, ...] = ()
    quantity: Quantity | None = None
    probability: bool = False

    @property
    def height(self) -> int:
        """Rows of the scene."""
        return self.tiling.height

    @property
    def width(self) -> int:
        """Columns of the scene."""
        return self.tiling.width


@dataclasses.dataclass(frozen=True, kw_only=True)
class Window:
    """What a head gives for one window.

    Attributes:
        row, column: of the windows: its first pixel is (tiling.rows[row], tiling.columns[column]) of the scene. A window at
            the lower or right edge of a scene smaller than it reaches past the scene.
        valid: where the scene holds data.
        value: of `Head.decode`, over all dates; None where the window holds no data.
    """

    row: int
    column: int
    valid: Bool[np.ndarray, "h w"]
    value: Any = None
