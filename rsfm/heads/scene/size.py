"""Whether the map of a scene fits this machine: judged from its size before the first window is run.   m classes"""

from rsfm.data.reading.memory import check_fits
from rsfm.heads.scene.canvas import Canvas
from rsfm.heads.scene.tiling import Tiling

NUMBER, INTERVAL = 4, 3  # bytes of a float; numbers of a pixel of a map of numbers: value, low, high
WRITING = 5  # bytes a pixel beside the map while it is written: whether there is data, and the numbers of polygons
ADVICE = "Cut the scene into parts, as gdal_translate -srcwin does, and ask each; or ask a coarser copy of it."


def check_map(canvas: Canvas, classes: int, *, probability: bool = False, numbers: bool = False) -> None:
    """Raises UserError where what is held of a map over the whole scene takes more memory than is free.

    Args:
        canvas: the scene.
        classes: m of the map's legend.
        probability: the chance of each class is held, too.
        numbers: it is a map of numbers, not of classes.
    """
    index = 1 if classes < 128 else 2
    check_pixels(canvas, NUMBER * INTERVAL if numbers else index + probability * NUMBER * classes)


def check_pixels(canvas: Canvas, held: int) -> None:
    """Raises UserError where `held` bytes of every pixel of the scene take more memory than is free."""
    check_fits("The map of the scene", (canvas.height, canvas.width), held + WRITING, advice=ADVICE)


def check_strip(tiling: Tiling, classes: int) -> None:
    """Raises UserError where one row of windows of `classes` masks takes more memory than is free."""
    strip = (classes, tiling.size, max(tiling.width, tiling.size))
    check_fits("One row of windows", strip, NUMBER, advice=ADVICE)
