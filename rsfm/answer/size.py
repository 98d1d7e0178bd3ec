"""Whether the map of a scene fits this machine: judged from its size before the first window is run.  m classes · h w pixels"""

from rsfm.answer.footprint import Footprint
from rsfm.answer.windows import Tiling
from rsfm.data.reading.memory import check_fits

NUMBER, INTERVAL = 4, 3  # bytes of a float; numbers of a pixel of a map of numbers: value, low, high
WRITING = 5  # bytes a pixel beside the map while it is written: whether there is data, and the numbers of polygons
ADVICE = "Cut the scene into parts, as gdal_translate -srcwin does, and ask each; or ask a coarser copy of it."


def check_map(footprint: Footprint, classes: int, *, probability: bool = False, numbers: bool = False) -> None:
    """Raises UserError where what is held of a map over the whole scene takes more memory than is free.

    Args:
        footprint: the scene.
        classes: m of the map's legend.
        probability: the chance of each class is held, too.
        numbers: it is a map of numbers, not of classes.
    """
    index = 1 if classes < 128 else 2
    held = NUMBER * INTERVAL if numbers else index + probability * NUMBER * classes
    check_fits("The map of the scene", (footprint.height, footprint.width), held + WRITING, advice=ADVICE)


def check_strip(tiling: Tiling, classes: int) -> None:
    """Raises UserError where one row of windows of `classes` masks takes more memory than is free."""
    strip = (classes, tiling.size, max(tiling.width, tiling.size))
    check_fits("One row of windows", strip, NUMBER, advice=ADVICE)
