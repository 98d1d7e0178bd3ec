"""A text file of boxes beside each picture as labels: YOLO's and DOTA's."""

import functools
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rsfm.data.datasets.dota import read_labels
from rsfm.data.labels.boxes import BoxLabels, stacked, upright
from rsfm.data.labels.rasters import picture_size
from rsfm.errors import UserError
from rsfm.types import Boxes

LISTS = ("classes.txt", "obj.names", "data.yaml", "dataset.yaml")  # where YOLO's class names stand
_NAMES = re.compile(r"^names:[ \t]*(\[[^\]]*\]|(?:\n[ \t]*(?:-|\d+[ \t]*:).*)+)", re.MULTILINE)
_ROW = re.compile(r"(?:-|(?P<number>\d+)[ \t]*:)[ \t]*(?P<name>.*)")


class TextBoxLabels(BoxLabels):
    """`<picture's name>.txt` in the folder; a picture without one, or with an empty one, has no box."""

    def open(self) -> None:
        found = [picture for picture in self.pictures if self._file(picture).is_file()]
        if not found:
            raise UserError(
                f"{self.path}: no labels of the pictures: expected {self.pictures[0].stem}.txt and so on there."
                if self.pictures
                else f"{self.path}: boxes need their pictures. Give their folder with --images."
            )
        self.pictures = tuple(found)
        self.legend = tuple(dict.fromkeys(name for picture in found for name in self.boxes(picture).labels))
        self.check_legend()

    def _file(self, picture: Path) -> Path:
        return self.path / f"{picture.stem}.txt"


class DotaLabels(TextBoxLabels):
    """x1 y1 x2 y2 x3 y3 x4 y4 category difficult, in pixels, with or without the lines `imagesource:` and `gsd:`."""

    title = "DOTA boxes"
    form = "lines of eight numbers and a category"

    @classmethod
    def matches(cls, path: Path) -> bool:
        return any(len(words) >= 9 and not _number(words[8]) for words in _first_words(path))

    @functools.cache  # noqa: B019 - as long as the labels are used
    def boxes(self, picture: Path) -> Boxes:
        corners, names, _ = read_labels(self._file(picture))
        return Boxes(corners=corners, labels=names)


class YoloLabels(TextBoxLabels):
    """Class number, then centre x and y, width and height as shares of the picture; or the corners of a shape as shares.

    The names stand in --classes "0=ship;1=plane", else in classes.txt, obj.names or data.yaml in the folder or above it.
    """

    title = "YOLO boxes"
    form = "lines of a class number and four shares of the picture"

    @classmethod
    def matches(cls, path: Path) -> bool:
        return any(len(words) >= 5 and all(map(_number, words)) for words in _first_words(path))

    def open(self) -> None:
        self._names = self.options.legend.names or _listed_names(self.path)
        super().open()

    @functools.cache  # noqa: B019 - as long as the labels are used
    def boxes(self, picture: Path) -> Boxes:
        file, size = self._file(picture), picture_size(picture)
        corners, labels = [], []
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            words = line.split()
            if not words:
                continue
            if not all(map(_number, words)) or len(words) < 5 or (len(words) > 5 and len(words) % 2 == 0):
                raise UserError(f"{file} line {number}: expected {self.form}, found '{line[:60]}'.")
            corners.append(_corners([float(word) for word in words[1:]], size))
            labels.append(self._named(file, number, int(float(words[0]))))
        return stacked(corners, labels)

    def _named(self, file: Path, line: int, number: int) -> str:
        if self._names and number not in self._names:
            raise UserError(f"{file} line {line}: class {number} has no name. Known: {self._names}. See --classes.")
        return self._names.get(number, f"class {number}")


def _corners(shares: list[float], size: tuple[int, int]) -> np.ndarray:
    height, width = size
    if len(shares) == 4:
        x, y, w, h = shares[0] * width, shares[1] * height, shares[2] * width, shares[3] * height
        return upright(x - w / 2, y - h / 2, w, h)
    points = np.array(shares).reshape(-1, 2) * (width, height)
    if len(points) == 4:  # an oriented box
        return points.astype(np.float32)
    low, high = points.min(0), points.max(0)
    return upright(*low, *(high - low))


def _first_words(path: Path) -> Iterator[list[str]]:
    """The words of the first line with any of each of some text files of a folder."""
    files = sorted(path.glob("*.txt")) if path.is_dir() else []
    for file in [file for file in files if file.name not in LISTS][:20]:
        with file.open(encoding="utf-8", errors="replace") as lines:
            told = (line.split() for line in lines)
            yield from ([words] if (words := next((w for w in told if w and ":" not in w[0]), None)) else [])


def _listed_names(folder: Path) -> dict[int, str]:
    """Class names by number; {} where they are not written down."""
    files = [place / name for place in (folder, folder.parent, folder.parent.parent) for name in LISTS]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        return {}
    text = file.read_text(encoding="utf-8")
    if file.suffix != ".yaml":
        return dict(enumerate(line.strip() for line in text.splitlines() if line.strip()))
    names = _NAMES.search(text)
    if names is None:
        raise UserError(f"{file}: expected names: [ship, plane] or a list below names:. Give them with --classes.")
    if names[1].startswith("["):
        return {i: name.strip(" '\"\n") for i, name in enumerate(names[1][1:-1].split(",")) if name.strip()}
    rows = [row for line in names[1].strip().splitlines() if (row := _ROW.fullmatch(line.strip()))]
    return {int(row["number"] or i): row["name"].strip(" '\"") for i, row in enumerate(rows)}


def _number(word: str) -> bool:
    try:
        return bool(np.isfinite(float(word)))
    except ValueError:
        return False
