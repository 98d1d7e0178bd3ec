"""What every layout of labels is: classes, and a way to put them on the record of a picture or of a part of one."""

import abc
import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from rsfm.data.datasets.legends import Legend, read_legend
from rsfm.errors import UserError
from rsfm.types import GeoGrid, Record

PICTURES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2")
Window = tuple[int, int, int, int]  # first row, first column, height, width


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelOptions:
    """How labels are meant.

    Attributes:
        column: of a vector file, with the class of each shape.
        buffer_m: metres around points and lines that get their class, too.
        classes: names of class numbers, "1=water;2=trees".
        background: the class of all that has none; "" leaves it unlabelled.
    """

    column: str = ""
    buffer_m: float = 0.0
    classes: str = ""
    background: str = ""

    @property
    def legend(self) -> Legend:
        """The names of the numbers."""
        return read_legend("--classes", self.classes)


class Labels(abc.ABC):
    """Labels of one layout, opened.

    Args:
        path: a file or a folder.
        options: how it is meant.
        pictures: what is labelled; empty where the labels name their pictures themselves.

    Attributes:
        legend: the classes, in the order in which a map of them is asked for.
        pictures: what is labelled.
        notes: what was left out, for people.

    Raises:
        UserError: it cannot be read, or not as the options say.
    """

    title: ClassVar[str]  # what people call the layout
    tasks: ClassVar[tuple[str, ...]]  # keys of TASKS that such labels serve
    whole: ClassVar[bool]  # a picture is one record; else it is cut into blocks of ground
    legend: tuple[str, ...]

    def __init__(self, path: Path, options: LabelOptions, pictures: Sequence[Path] = ()) -> None:
        self.path, self.options, self.pictures = path, options, tuple(pictures)
        self.notes: list[str] = []
        self.open()

    @classmethod
    @abc.abstractmethod
    def matches(cls, path: Path) -> bool:
        """Whether a file or folder is of this layout."""

    @abc.abstractmethod
    def open(self) -> None:
        """Reads what is needed to know the classes."""

    @abc.abstractmethod
    def put(self, record: Record, picture: Path, window: Window) -> Record:
        """The record of a window of a picture with its labels. Its observations may be left out: none is looked at."""

    def files(self) -> tuple[Path, ...]:
        """What the labels are read from."""
        return (self.path,) if self.path.is_file() else tuple(sorted(p for p in self.path.rglob("*") if p.is_file()))

    def where(self) -> str:
        """Where the labels lie, for a message; "" where they have no place of their own."""
        return ""

    def count(self, grid: GeoGrid, picture: Path, window: Window) -> Counter[str]:
        """How often each class is there: pixels of a map, boxes, or the one picture."""
        record = self.put(Record(id="", observations={}, grid=grid), picture, window)
        if record.mask is not None:
            index, legend = record.mask.class_index, record.mask.legend
            return Counter({name: n for i, name in enumerate(legend) if (n := int((index == i).sum()))})
        if record.boxes is not None:
            return Counter(record.boxes.labels)
        return Counter([] if record.scene is None else [record.scene])


def check_classes(path: Path, legend: Sequence[str], background: str) -> tuple[str, ...]:
    """The classes of a map with the one of the background.

    Raises:
        UserError: there is one class, and nothing to tell it from.
    """
    names = tuple(dict.fromkeys([*legend, *([background] if background else [])]))
    if len(names) < 2:
        raise UserError(
            f"{path}: one class only, {names[0] if names else 'none'}: there is nothing to tell it from. Name what lies "
            "outside of its shapes, --background other, or another column with --label-column."
        )
    return names
