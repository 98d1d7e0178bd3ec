"""A data set made of one's own pictures and labels, as a small JSON file: what is read how, cut where, and in which split."""

import dataclasses
from pathlib import Path
from typing import Any

from rsfm.config import from_json, read_json, to_json
from rsfm.data.labels.base import LabelOptions, Window
from rsfm.data.writing.atomic import write_json
from rsfm.errors import UserError

FORMAT = "rsfm labels 1"
NAME = "labels.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
    """How pictures are read, as in `rsfm.data.reading.scene.open_scene`; None and () leave it to the files."""

    sensor: str | None = None
    unit: str | None = None
    bands: tuple[str, ...] = ()
    gsd_m: float | None = None
    series: bool = False

    def options(self) -> dict[str, Any]:
        """For `open_scene`."""
        return {**dataclasses.asdict(self), "bands": self.bands or None}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """One record to be.

    Attributes:
        picture: number of its picture.
        window: first row, first column, height, width.
        block: of ground; all places of one are in one split.
        split: "train", "val" or "test".
        counts: labels of each class: pixels, boxes, or the picture.
    """

    picture: int
    window: Window
    block: str
    split: str
    counts: dict[str, int]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Description:
    """The data set.

    Attributes:
        name: of the classes as a whole, as in "Map the crop.".
        labels: file or folder.
        options: how the labels are meant.
        reading: how the pictures are read.
        pictures: the files of each; several are dates of one.
        legend: the classes that are there.
        places: the records.
        digests: SHA-256 by file of pictures and labels.
        notes: what was left out.
    """

    format: str = FORMAT
    name: str
    labels: str
    options: LabelOptions
    reading: Reading = Reading()
    pictures: tuple[tuple[str, ...], ...]
    legend: tuple[str, ...]
    places: tuple[Place, ...]
    digests: dict[str, str]
    notes: tuple[str, ...] = ()

    def save(self, path: Path) -> None:
        """Writes it whole."""
        write_json(path, to_json(self))

    @classmethod
    def load(cls, path: Path) -> "Description":
        """Reads what `save` wrote. Raises UserError for any other file."""
        hint = "Give --images and --labels again to have it made."
        data = read_json(path, hint)
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise UserError(f"{path}: expected a description of labels, format '{FORMAT}'. {hint}")
        return from_json(cls, data, where=str(path))


def is_description(path: Path) -> bool:
    """Whether a file is such a description, or a folder holds one."""
    path = path / NAME if path.is_dir() else path
    if path.suffix != ".json" or not path.is_file():
        return False
    with path.open("rb") as file:
        return FORMAT.encode() in file.read(200)
