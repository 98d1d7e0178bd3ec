"""Whether the files of the maps that are asked for fit on the disk: judged from the scene's size before any window is run."""

from collections.abc import Iterable
from pathlib import Path

from rsfm.answer.footprint import Footprint
from rsfm.data.writing.space import check_space
from rsfm.processor import Asked

# Bytes on the disk for each that is held, at the least: floats are written plain and then once more, packed, of which little is
# left where a class is nearly sure; a map of classes packs to a small part of a byte.
FLOATS, CLASSES = 1.1, 0.02
NUMBER, INTERVAL = 4, 3  # bytes of a float; numbers of a pixel of a map of numbers: value, low, high


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
    less = ", leave out --probability" if probability else ""
    check_space(out, needed, advice=f"Give --out on another disk{less}, or cut the scene.")


def _written(asked: Asked, probability: bool) -> float:
    """Bytes a pixel that the files of an answer take."""
    if asked.kind == "value map":
        return FLOATS * NUMBER * INTERVAL
    if asked.kind != "map" or asked.entry is None:
        return 0.0
    classes = len(asked.subjects or asked.entry.subjects)
    return CLASSES + FLOATS * NUMBER * classes * probability
