"""DOTA: oriented boxes of vehicles, ships and buildings in aerial pictures, cut in tiles.

n boxes
"""

import hashlib
from pathlib import Path

import numpy as np

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.boxes import centre_inside, counted_from
from rsfm.data.datasets.reading import read_picture
from rsfm.data.reading.opening import open_image
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.types import Boxes, Record, Value

TILE = 256  # pixels
WEST = 0.6  # share of the tile columns of a lone picture that is training ground
NOMINAL_GSD_M = 0.3  # where the file says `gsd:null`
PLURAL = {"ship": "ships", "harbor": "harbors", "plane": "planes", "small-vehicle": "small vehicles"}


class Dota(Dataset):
    """Oriented detection and counting on RGB tiles.

    Files: `images/<name>.png` and `labelTxt/<name>.txt`, first `imagesource:` and `gsd:` (m), then a line a box:
    x1 y1 x2 y2 x3 y3 x4 y4 category difficult. Both v1.0 with and v1.5/2.0 without the two head lines are read.

    Records are tiles of 256 x 256 pixels without overlap (smaller at the edge). A box belongs to the tile with its
    centre. Of several pictures, those in the fifth with the smallest SHA-256 of their name are `test`; of a lone
    picture (the published example), the western 60 % of the tile columns are `train`, the eastern rest `test`.
    """

    info = DatasetInfo(
        name="dota",
        title="DOTA (example picture P0706)",
        url="https://captain-whu.github.io/DOTA (example: https://github.com/CAPTAIN-WHU/DOTA_devkit)",
        licence="academic use only; pictures from Google Earth under its terms",
        citation="Xia et al. 2018, DOTA (CVPR)",
        layout="images/<name>.png and labelTxt/<name>.txt.",
        splits={
            "train": "four fifths of the pictures; of a lone picture its western tiles",
            "test": "the other pictures; of a lone picture its eastern tiles",
        },
        sensors=("aerial_rgb",),
        tasks=("counting", "vqa", "detection"),
        folder="dota_example/example",
        needs=("images", "labelTxt"),
    )

    def index(self) -> None:
        pictures = sorted((self.folder / "images").glob("*.png"))
        if not pictures:
            raise UserError(f"dota: no .png in {self.folder / 'images'}. Layout: {self.info.layout}")
        self.labels = {
            picture.stem: read_labels(self.folder / "labelTxt" / f"{picture.stem}.txt") for picture in pictures
        }
        self.categories = sorted({name for _, names, _ in self.labels.values() for name in names})
        self.tiles = [
            (picture, row, column)
            for picture in pictures
            for row, column in _tiles(_size(picture))
            if self._is_test(pictures, picture, column) == (self.split == "test")
        ]

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, i: int) -> Record:
        path, row, column = self.tiles[self.check_index(i)]
        corners, names, gsd_m = self.labels[path.stem]
        pixels = read_picture(self.info.name, path)[row : row + TILE, column : column + TILE]
        here = centre_inside(corners, row, column, TILE, TILE)
        kept = tuple(name for name, chosen in zip(names, here, strict=True) if chosen)
        sensor = SENSORS["aerial_rgb"]
        values = pixels[None].astype(np.float32) * np.float32(sensor.scale)
        return Record(
            id=f"dota/{path.stem}_{row}_{column}",
            observations={sensor.name: observe(sensor, values, time_days=[float("nan")], gsd_m=gsd_m)},
            boxes=Boxes(corners=counted_from(corners[here], row, column), labels=kept),
            values=tuple(Value(name=PLURAL.get(c, c), value=float(kept.count(c)), unit="") for c in self.categories),
        )

    def group(self, i: int) -> str:
        path, row, column = self.tiles[self.check_index(i)]
        return f"{path.stem} {row} {column}"

    def _is_test(self, pictures: list[Path], picture: Path, column: int) -> bool:
        if len(pictures) == 1:
            starts = sorted({c for _, c in _tiles(_size(picture))})
            return column >= starts[min(round(WEST * len(starts)), len(starts) - 1)]
        ordered = sorted(pictures, key=lambda path: hashlib.sha256(path.stem.encode()).hexdigest())
        return picture in ordered[: max(1, len(pictures) // 5)]


def read_labels(path: Path) -> tuple[np.ndarray, tuple[str, ...], float]:
    """Corners (n, 4, 2) in pixels, categories, and the ground sampling distance in metres of one labelTxt file."""
    if not path.is_file():
        raise UserError(
            f"dota: expected the labels {path}, found nothing. Each picture needs a file of its name in labelTxt."
        )
    corners, names, gsd_m = [], [], NOMINAL_GSD_M
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        words = line.split()
        if line.startswith("gsd:") and line[4:].strip() not in ("", "null", "None"):
            gsd_m = float(line[4:])
        if not words or ":" in words[0]:
            continue
        try:
            corners.append([float(word) for word in words[:8]])
            names.append(words[8])
        except (ValueError, IndexError):
            raise UserError(
                f"dota: {path} line {number}: expected eight numbers and a category, found '{line}'."
            ) from None
    return np.array(corners, np.float32).reshape(-1, 4, 2), tuple(names), gsd_m


def _size(picture: Path) -> tuple[int, int]:
    with open_image(picture, ("PNG", "JPEG", "TIFF")) as image:
        return image.height, image.width


def _tiles(size: tuple[int, int]) -> list[tuple[int, int]]:
    return [(row, column) for row in range(0, size[0], TILE) for column in range(0, size[1], TILE)]
