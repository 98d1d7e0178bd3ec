"""Labels as people have them: LAYOUTS, one file each, told by what a file or folder looks like."""

from collections.abc import Sequence
from pathlib import Path

from rsfm.data.labels.base import LabelOptions, Labels
from rsfm.data.labels.coco import CocoLabels
from rsfm.data.labels.folders import FolderLabels
from rsfm.data.labels.rasters import RasterLabels
from rsfm.data.labels.text_boxes import DotaLabels, YoloLabels
from rsfm.data.labels.vectors import VectorLabels
from rsfm.data.reading.files import check_exists
from rsfm.errors import UserError

__all__ = ["LAYOUTS", "LabelOptions", "Labels", "open_labels"]

# The first that matches is meant.
LAYOUTS: dict[str, type[Labels]] = {
    "coco": CocoLabels,
    "vectors": VectorLabels,
    "dota": DotaLabels,
    "yolo": YoloLabels,
    "raster": RasterLabels,
    "folders": FolderLabels,
}


def open_labels(path: Path, options: LabelOptions, pictures: Sequence[Path] = ()) -> Labels:
    """Labels of whatever layout.

    Args:
        path: a file or a folder.
        options: how they are meant.
        pictures: what is labelled.

    Raises:
        UserError: no layout that is known, or not readable.
    """
    check_exists(path)
    kind = next((kind for kind in LAYOUTS.values() if kind.matches(path)), None)
    if kind is None:
        raise UserError(
            f"{path}: no labels of a known layout. Expected {', '.join(kind.title for kind in LAYOUTS.values())}. A CSV of "
            "pictures or of series goes without --images: --data labels.csv."
        )
    return kind(path, options, pictures)
