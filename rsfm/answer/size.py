"""Whether the map of a scene fits this machine: judged from its size before the first window is run.  m classes · h w pixels"""

from collections.abc import Iterable
from pathlib import Path

from rsfm.answer.footprint import Footprint
from rsfm.answer.windows import Tiling
from rsfm.data.reading.memory import check_fits
from rsfm.data.writing.space import check_space
from rsfm.processor import Asked

NUMBER, INTERVAL = 4, 3  # bytes of a float; numbers of a pixel of a map of numbers: value, low, high
WRITING = 5  # bytes a pixel beside the map while it is written: whether there is data, and the numbers of polygons
# Bytes on the disk for each that is held, at the least: floats are written plain and then once more, packed, of which little is
# left where a class is nearly sure; a map of classes packs to a small part of a byte.
FLOATS, CLASSES = 1.1, 0.02
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


def check_disk(out: Path, footprint: Footprint, questions: Iterable[Asked], *, probability: bool = False) -> None:
    """Raises UserError where the files of the maps that are asked for do not fit on the disk.

    Args:
        out: folder they are written to.
        footprint: the scene.
        questions: what is asked of it.
        probability: the chance of each class is written, too.
    """
    pixels = footprint.height * footprint.width
    needed = pixels * sum(_written(asked, probability) for asked in questions if asked.taught)
    check_space(
        out,
        needed,
        advice=f"Give --out on another disk{', leave out --probability' if probability else ''}, or cut the scene.",
    )


def _written(asked: Asked, probability: bool) -> float:
    """Bytes a pixel that the files of an answer take."""
    if asked.kind == "value map":
        return FLOATS * NUMBER * INTERVAL
    if asked.kind != "map" or asked.entry is None:
        return 0.0
    classes = len(asked.subjects or asked.entry.subjects)
    return CLASSES + FLOATS * NUMBER * classes * probability
