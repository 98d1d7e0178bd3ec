"""Boxes in pictures as labels: what COCO, YOLO and DOTA have in common.  n boxes"""

import abc
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from rsfm.data.datasets.boxes import centre_inside, counted_from
from rsfm.data.labels.base import Labels, Window
from rsfm.errors import UserError
from rsfm.pytree import replace
from rsfm.types import Boxes, Record


class BoxLabels(Labels):
    """Boxes with classes. One belongs to the window that its centre is in."""

    tasks = ("counting", "grounding")
    whole = False
    form: ClassVar[str]  # of a line or entry, in words, for messages

    @abc.abstractmethod
    def boxes(self, picture: Path) -> Boxes:
        """All boxes of a picture."""

    def put(self, record: Record, picture: Path, window: Window) -> Record:
        """The record with the boxes whose centres its window holds."""
        found = self.boxes(picture)
        here = centre_inside(found.corners, *window)
        names = tuple(name for name, inside in zip(found.labels, here, strict=True) if inside)
        return replace(record, boxes=Boxes(corners=counted_from(found.corners[here], *window[:2]), labels=names))

    def check_legend(self) -> None:
        """Raises UserError where there is no box at all."""
        if not self.legend:
            raise UserError(f"{self.path}: no box of any picture. Expected {self.form}.")


def upright(left: float, top: float, width: float, height: float) -> Float[np.ndarray, "4 2"]:
    """The corners of an upright box."""
    right, bottom = left + width, top + height
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


def stacked(corners: list[Float[np.ndarray, "4 2"]], labels: list[str]) -> Boxes:
    """Boxes of one picture."""
    return Boxes(corners=np.array(corners, np.float32).reshape(-1, 4, 2), labels=tuple(labels))
