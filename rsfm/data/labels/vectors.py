"""Polygons, points and lines as labels: burned into the pixels of each window of the image.  h w pixels"""

import functools
import glob
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely
from jaxtyping import Int
from rasterio.features import rasterize

from rsfm.data.labels.base import Labels, Window, check_classes
from rsfm.data.labels.features import TABLES, TEXTS, Features, read_features
from rsfm.data.reading.grids import location
from rsfm.errors import UserError
from rsfm.pytree import replace
from rsfm.types import GeoGrid, Mask, Record

EDGE_POINTS = 8  # of a window's outline between its corners: a straight edge is none in another CRS


class VectorLabels(Labels):
    """GeoJSON, GeoPackage, shapefile: the class of a shape stands in a column. A pixel belongs to a polygon by its centre;
    to a point or a line if that touches it, or by its centre to what lies within `buffer_m` metres of them.

    A pixel of two classes is unlabelled.
    """

    title = "polygons, points or lines"
    tasks = ("segmentation",)
    whole = False

    @classmethod
    def matches(cls, path: Path) -> bool:
        return path.is_file() and path.suffix.lower() in (*TEXTS, *TABLES)

    def open(self) -> None:
        features = read_features(self.path, self.options.column)
        _check_kinds(self.path, features, self.options.buffer_m)
        names = self._names(features)
        known = np.array([name is not None for name in names])
        if not known.any():
            raise UserError(f"{self.path}: column '{self.options.column}' is empty in all {len(known)} features.")
        if not known.all():
            self.notes.append(f"{self.path.name}: {(~known).sum()} of {len(known)} features have no class: left out")
        self._shapes, self._crs = features.shapes[known], features.crs
        self._names_of_shapes = np.array([name for name in names if name is not None])
        self.legend = check_classes(self.path, sorted(set(self._names_of_shapes.tolist())), self.options.background)
        self._tree = shapely.STRtree(self._shapes)

    def _names(self, features: Features) -> list[str | None]:
        """The class of each shape in words; None without one."""
        numbers = self.options.legend.names
        if not self.options.column:
            return [self.path.stem.replace("_", " ")] * len(features.values)
        names = [_named(value, self.options.column, numbers) for value in features.values]
        absent = set(numbers.values()) - set(names)
        if absent:
            raise UserError(
                f"{self.path}: no feature of the class '{sorted(absent)[0]}' that --classes names, in column "
                f"'{self.options.column}' with {_listed(features.values)}. Leave it out."
            )
        return names

    def put(self, record: Record, picture: Path, window: Window) -> Record:
        """The record with a mask: -1 where no shape is, or the background."""
        assert record.grid is not None
        return replace(record, mask=Mask(class_index=self.class_index(record.grid, picture), legend=self.legend))

    def files(self) -> tuple[Path, ...]:
        """With what lies beside a shapefile."""
        return (
            tuple(sorted(self.path.parent.glob(f"{glob.escape(self.path.stem)}.*"))) if self._beside else (self.path,)
        )

    @property
    def _beside(self) -> bool:
        return self.path.suffix.lower() == ".shp"

    def where(self) -> str:
        """The middle of the shapes."""
        middle = shapely.box(*shapely.total_bounds(self._shapes)).centroid
        x, y = pyproj.Transformer.from_crs(self._crs, "OGC:CRS84", always_xy=True).transform(middle.x, middle.y)
        return f"; the middle of the shapes is at {x:.4f} {y:.4f}"

    def class_index(self, grid: GeoGrid, picture: Path) -> Int[np.ndarray, "h w"]:
        """The class of each pixel of a grid."""
        if grid.crs is None:
            raise UserError(
                f"{picture}: no CRS, so {self.path.name} cannot be laid on it. Assign one: rio edit-info --crs"
            )
        fill = self.legend.index(self.options.background) if self.options.background else -1
        index = np.full((grid.height, grid.width), fill, np.int64)
        burned = np.zeros(index.shape, np.int64)
        near = self._near(grid)
        for name in sorted(set(self._names_of_shapes[near].tolist())):
            shapes = self._shapes[near[self._names_of_shapes[near] == name]]
            here = _burned(self._in_pixels(shapes, grid), index.shape)
            index[here], burned = self.legend.index(name), burned + here
        index[burned > 1] = -1
        return index

    def _near(self, grid: GeoGrid) -> Int[np.ndarray, " k"]:
        """Numbers of the shapes that may touch a grid: those that its outline's bounds meet, the buffer around it."""
        outline = _outline(grid)
        if self.options.buffer_m:
            local = _local(grid)
            outline = _moved(
                shapely.buffer(_moved(outline, grid.crs, local), 1.5 * self.options.buffer_m), local, self._crs
            )
        else:
            outline = _moved(outline, grid.crs, self._crs)
        return np.sort(self._tree.query(shapely.box(*outline.bounds)))

    def _in_pixels(self, shapes: Any, grid: GeoGrid) -> Any:
        """Shapes in the pixels of a grid, x right and y down, points and lines with their buffer."""
        crs = self._crs
        if self.options.buffer_m:
            crs = _local(grid)
            grown = _moved(shapes, self._crs, crs)
            flat = shapely.get_dimensions(grown) < 2
            shapes = np.where(flat, shapely.buffer(grown, self.options.buffer_m), grown)
        return _to_pixels(_moved(shapes, crs, grid.crs), grid)


def _named(value: Any, column: str, numbers: dict[int, str]) -> str | None:
    """The class that a cell names; a number by --classes, else "crop 3" for 3 in a column "crop"."""
    if value is None or (isinstance(value, float) and not np.isfinite(value)) or not str(value).strip():
        return None
    try:
        number = int(float(value)) if float(value).is_integer() else None
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or isinstance(value, bool):
        return str(value).strip()
    return numbers.get(number) if numbers else f"{column.replace('_', ' ')} {number}"


def _listed(values: tuple[Any, ...]) -> str:
    return ", ".join(sorted({str(value) for value in values})[:8])


def _check_kinds(path: Path, features: Features, buffer_m: float) -> None:
    kinds = features.kinds
    if "collections" in kinds or (len(kinds) > 1 and "polygons" in kinds and not buffer_m):
        told = ", ".join(f"{count} {name}" for name, count in kinds.items())
        raise UserError(
            f"{path}: mixed geometry ({told}). Give points and lines a width with --buffer-m, or keep one kind in the file."
        )


def _burned(shapes: Any, size: tuple[int, int]) -> np.ndarray:
    """Which pixels shapes cover: polygons by the pixels' centres, points and lines by touch."""
    flat = shapely.get_dimensions(shapes) < 2
    here = np.zeros(size, bool)
    for chosen, touch in ((shapes[~flat], False), (shapes[flat], True)):
        drawn = [shape for shape in chosen if not shape.is_empty]
        if drawn:
            here |= rasterize(drawn, out_shape=size, all_touched=touch, dtype="uint8").astype(bool)
    return here


def _outline(grid: GeoGrid) -> Any:
    edge = shapely.box(0, 0, grid.width, grid.height)
    dense = shapely.segmentize(edge, max(grid.width, grid.height) / EDGE_POINTS)
    a, b, c, d, e, f = grid.transform
    return shapely.affinity.affine_transform(dense, (a, b, d, e, c, f))


def _to_pixels(shapes: Any, grid: GeoGrid) -> Any:
    a, b, c, d, e, f = grid.transform
    around = a * e - b * d

    def inverse(points: np.ndarray) -> np.ndarray:
        x, y = points[:, 0] - c, points[:, 1] - f
        return np.stack([e * x - b * y, a * y - d * x], -1) / around

    return shapely.transform(shapes, inverse)


def _moved(shapes: Any, source: str | None, target: str | None) -> Any:
    assert source is not None and target is not None
    way = _way(source, target)
    return shapes if way is None else shapely.transform(shapes, lambda p: np.stack(way.transform(p[:, 0], p[:, 1]), -1))


@functools.lru_cache(maxsize=256)
def _way(source: str, target: str) -> pyproj.Transformer | None:
    one, two = pyproj.CRS.from_user_input(source), pyproj.CRS.from_user_input(target)
    return None if one.equals(two, ignore_axis_order=True) else pyproj.Transformer.from_crs(one, two, always_xy=True)


def _local(grid: GeoGrid) -> str:
    """A CRS in metres about the middle of a grid."""
    place = location(grid)
    if place is None:
        raise UserError("The image lies nowhere on Earth, so --buffer-m has no metres there. Check its CRS.")
    return f"+proj=aeqd +lon_0={place[0]:.6f} +lat_0={place[1]:.6f} +datum=WGS84 +units=m"
