"""Rasters of class numbers or colours as labels, on any grid: the nearest label pixel of each pixel of the image.  h w pixels"""

import functools
from pathlib import Path

import numpy as np
from jaxtyping import Int

from rsfm.data.datasets.legends import Legend, joined_legend
from rsfm.data.datasets.masks import read_mask
from rsfm.data.labels.base import PICTURES, Labels, Window, check_classes
from rsfm.data.reading.geotiff import reading
from rsfm.data.reading.labels import NoOverlap
from rsfm.data.reading.opening import open_raster
from rsfm.data.reading.raster import IDENTITY
from rsfm.errors import UserError
from rsfm.pytree import replace
from rsfm.types import GeoGrid, Mask, Record

MOST_CLASSES = 64  # numbers in a raster without names that are taken for classes
SUFFIXES = (".tif", ".tiff", ".png", ".img", ".jp2")
ENDINGS = ("", "_mask", "_label", "_labels", "_gt")  # of a label's name after its picture's


class RasterLabels(Labels):
    """One raster for all pictures, or a folder with one for each, named as the picture ("a.tif", "a_mask.png").

    What the numbers or colours mean stands in --classes, else in the file (CLASS_<n> as GDAL's category names); else each
    number is a class of its own.
    """

    title = "a raster of classes"
    tasks = ("segmentation",)
    whole = False

    @classmethod
    def matches(cls, path: Path) -> bool:
        inside = [path] if path.is_file() else sorted(path.glob("*")) if path.is_dir() else []
        return any(each.suffix.lower() in SUFFIXES and each.is_file() for each in inside)

    def open(self) -> None:
        self._by_stem = {} if self.path.is_file() else {p.stem: p for p in sorted(self.path.glob("*")) if _is_raster(p)}
        files = [self.path] if self.path.is_file() else [self._file(picture) for picture in self.pictures]
        legends = [self.options.legend or file_legend(file) for file in dict.fromkeys(files)]
        self._legend = Legend(
            names={number: name for legend in legends for number, name in legend.names.items()},
            coloured=any(legend.coloured for legend in legends),
        )
        self.legend = check_classes(self.path, joined_legend([self._legend]), self.options.background)

    def _file(self, picture: Path) -> Path:
        """The label of a picture."""
        if self.path.is_file():
            return self.path
        names = [picture.stem + ending for ending in ENDINGS]
        found = next((self._by_stem[name] for name in names if name in self._by_stem), None)
        if found is None:
            raise UserError(
                f"{self.path}: no label of {picture.name}: expected {picture.stem}.tif or {picture.stem}_mask.png there, "
                f"found {', '.join(path.name for path in list(self._by_stem.values())[:3])} ..."
            )
        return found

    def put(self, record: Record, picture: Path, window: Window) -> Record:
        """The record with the mask of its window."""
        assert record.grid is not None
        if record.grid.crs is None:
            top, left, height, width = window
            index = self._whole(picture)[top : top + height, left : left + width]
        else:
            index = self._read(self._file(picture), record.grid)
        if self.options.background:
            index = np.where(index < 0, self.legend.index(self.options.background), index)
        return replace(record, mask=Mask(class_index=index, legend=self.legend))

    def _read(self, file: Path, grid: GeoGrid) -> Int[np.ndarray, "h w"]:
        try:
            return read_mask(file, self._legend, self.legend, grid)[0]
        except NoOverlap:
            return np.full((grid.height, grid.width), -1, np.int64)

    @functools.lru_cache(maxsize=4)  # noqa: B019 - as long as the labels are used
    def _whole(self, picture: Path) -> Int[np.ndarray, "h w"]:
        """The mask of a picture without a place."""
        height, width = picture_size(picture)
        grid = GeoGrid(crs=None, transform=IDENTITY, height=height, width=width)
        return self._read(self._file(picture), grid)


def picture_size(picture: Path) -> tuple[int, int]:
    """Height and width in pixels."""
    with reading(picture), open_raster(picture) as dataset:
        return dataset.height, dataset.width


def _is_raster(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in (*SUFFIXES, *PICTURES)


def file_legend(path: Path) -> Legend:
    """What the numbers of a raster mean by its own words, else "class <n>" for each number in it.

    Raises:
        UserError: it has several bands, or too many numbers for classes.
    """
    with reading(path), open_raster(path) as dataset:
        named = {key[6:]: name for key, name in dataset.tags(1).items() if key.startswith("CLASS_")}
        if named and all(number.isdigit() for number in named):
            return Legend(names={int(number): name for number, name in named.items()})
        found: set[float] = set()
        for _, window in dataset.block_windows(1):
            found |= set(np.unique(dataset.read(1, window=window)).tolist())
            if len(found) > MOST_CLASSES:
                raise UserError(
                    f"{path}: more than {MOST_CLASSES} different numbers: no classes. Name those meant: --classes "
                    '"1=water;2=trees", or "#0000ff=water;#00aa00=trees" for colours.'
                )
        whole = sorted(int(n) for n in found if n == n and n != dataset.nodata and float(n).is_integer())
        return Legend(names={number: f"class {number}" for number in whole})
