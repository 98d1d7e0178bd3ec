"""Labels in the pixels of their image: each pixel's centre looked up in the label's own georeference, the nearest one taken.

c bands · h w pixels of the image

Two pictures of as many pixels need not show the same ground. Where both have a georeference that alone decides; where one has
none, as a mask drawn on a picture, the sizes have to be the same and it is said that the pixels are taken as they come.
"""

import dataclasses
import functools
from pathlib import Path

import numpy as np
import pyproj
from jaxtyping import Bool, Float, Int, Shaped
from pyproj.exceptions import ProjError
from rasterio.enums import ColorInterp, Resampling
from rasterio.windows import Window

from rsfm.data.reading.geotiff import PLANE, reading
from rsfm.data.reading.grids import ground_edge, same_grid
from rsfm.data.reading.ground import full_turn, to_map
from rsfm.data.reading.memory import check_fits
from rsfm.data.reading.opening import open_raster
from rsfm.data.reading.placement import on_grid, placed
from rsfm.data.reading.raster import IDENTITY
from rsfm.errors import UserError
from rsfm.types import GeoGrid

MOST_STEP = 16  # pixels between points that go through PROJ; straight between them
STRAY = 0.01  # pixels by which a straight step may miss
EARTH_RADIUS_M = 6371008.8
_TIE = 1e-6  # pixels: a centre on the border of two label pixels is of the right and lower one, whatever the rounding
_BYTES = 8


class NoOverlap(UserError):
    """A label that reaches no pixel of the image."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Label:
    """What a label file says at each pixel of an image.

    Attributes:
        bands: in the file's own type.
        inside: whether the file reaches the pixel.
        kinds: what each band is: grey, palette, red, alpha ...
        nodata: the declared number of the first band.
        palette: colours by number; empty without one.
        scale, offset: of the first band: value = number * scale + offset.
        note: how it was brought to the image, "" where it lies on the same pixels.
    """

    bands: Shaped[np.ndarray, "c h w"]
    inside: Bool[np.ndarray, "h w"]
    kinds: tuple[ColorInterp, ...]
    nodata: float | None
    palette: dict[int, tuple[int, ...]]
    scale: float
    offset: float
    note: str

    @functools.cached_property
    def values(self) -> Float[np.ndarray, "h w"]:
        """The one band as numbers, NaN where there is none.

        Raises:
            UserError: it has several bands, complex numbers, or a scale that leaves no number.
        """
        plain = [i for i, kind in enumerate(self.kinds) if kind != ColorInterp.alpha]
        if len(plain) != 1 or self.bands.dtype.kind == "c":
            raise UserError(f"expected one band of numbers, found {len(plain)} of type {self.bands.dtype}.")
        if self.scale == 0 or not np.isfinite([self.scale, self.offset]).all():
            raise UserError(
                f"its own scale is {self.scale:g}, its offset {self.offset:g}. Write the numbers without a scale."
            )
        stored = self.bands[plain[0]]
        there = self.inside & np.isfinite(stored) & (True if self.nodata is None else stored != self.nodata)
        for i in set(range(len(self.kinds))) - set(plain):
            there &= self.bands[i] > 0
        return np.where(there, stored * np.float64(self.scale) + self.offset, np.nan).astype(np.float32)


def read_label(path: Path, grid: GeoGrid) -> Label:
    """Reads a label raster in the pixels of an image.

    Args:
        path: of the label.
        grid: of the image.

    Raises:
        UserError: the two do not overlap, or cannot be brought together.
    """
    with reading(path), open_raster(path) as dataset:
        place, source = placed(dataset, path), dataset
        if place.source_transform is None:
            source = on_grid(dataset, path, place.grid, PLANE, resampling=Resampling.nearest, add_alpha=True)
        rows, columns, note = _lookup(path, place.grid, grid)
        inside = (rows >= 0) & (rows < source.height) & (columns >= 0) & (columns < source.width)
        if not inside.any():
            raise NoOverlap(
                f"{path.name}: no pixel of it lies on the image: {_told(place.grid)} against {_told(grid)}. Check both "
                "georeferences, or which files belong together."
            )
        top, left = int(rows[inside].min()), int(columns[inside].min())
        height, width = int(rows[inside].max()) + 1 - top, int(columns[inside].max()) + 1 - left
        check_fits(path, (source.count, max(height, grid.height), max(width, grid.width)), _BYTES)
        part = source.read(window=Window(left, top, width, height))
        kinds = tuple(source.colorinterp)
        palette = dataset.colormap(1) if kinds[0] == ColorInterp.palette else {}
        bands = part[:, np.clip(rows - top, 0, height - 1), np.clip(columns - left, 0, width - 1)]
        covered = float(inside.mean())
        if note and covered < 1:
            note = f"{note}; it covers {covered:.1%} of the image, the rest is unlabelled"
        return Label(
            bands=bands, inside=inside, kinds=kinds, nodata=dataset.nodata, palette=palette,
            scale=float(dataset.scales[0]), offset=float(dataset.offsets[0]), note=note,
        )  # fmt: skip


def _lookup(path: Path, label: GeoGrid, image: GeoGrid) -> tuple[Int[np.ndarray, "h w"], Int[np.ndarray, "h w"], str]:
    """Row and column of the label at each pixel of the image, and how that was found."""
    rows, columns = np.meshgrid(np.arange(image.height), np.arange(image.width), indexing="ij")
    same_size = (label.height, label.width) == (image.height, image.width)
    plain = [grid.transform == IDENTITY and grid.crs is None for grid in (label, image)]
    if any(plain):
        if not same_size:
            which = "it has" if plain[0] else "the image has"
            raise UserError(
                f"{path.name} is {label.height} x {label.width} pixels, the image {image.height} x {image.width}, and "
                f"{'neither has' if all(plain) else which + ' no'} georeference to tell which of them belong together. "
                "Write the label on the image's grid."
            )
        note = (
            "" if all(plain) else f"{path.name}: one of label and image has no georeference: pixels taken as they come"
        )
        return rows, columns, note
    if same_grid(label, image):
        return rows, columns, ""
    note = f"{path.name}: brought to the image's pixels by nearest neighbour through its own georeference"
    if label.crs is None or image.crs is None:
        note += f"; {'the label' if label.crs is None else 'the image'} has no CRS and is taken to have the other's"
    right, down = pixels_in(label, image, columns + 0.5, rows + 0.5)
    return *(_whole(at) for at in (down, right)), note  # type: ignore[return-value]


def _whole(at: Float[np.ndarray, "h w"]) -> Int[np.ndarray, "h w"]:
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(at), np.clip(np.floor(at + _TIE), -1, 2**31), -1).astype(np.int64)


def pixels_in(
    other: GeoGrid, grid: GeoGrid, columns: Float[np.ndarray, "h w"], rows: Float[np.ndarray, "h w"]
) -> tuple[Float[np.ndarray, "h w"], Float[np.ndarray, "h w"]]:
    """Where points of one grid lie in the pixels of another, to the right and down; NaN where that is nowhere.

    Args:
        other: the grid to look in.
        grid: the grid the points are of; without a CRS it is taken to have the other's.
        columns, rows: of a regular mesh.

    Raises:
        UserError: PROJ knows no way between their CRSs.
    """
    across, turn = _way(grid.crs or other.crs, other.crs or grid.crs), full_turn(other.crs or grid.crs or "")
    step = int(np.clip(np.sqrt(8 * STRAY * EARTH_RADIUS_M / (ground_edge(grid) or 1.0)), 1, MOST_STEP))
    middle, _ = to_map(other, np.array([other.width / 2]), np.array([other.height / 2]))

    def exact(take: int) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
        places = [np.unique(np.append(np.arange(0, n, take), n - 1)) for n in columns.shape]
        nodes = np.ix_(*places)
        x, y = to_map(grid, columns[nodes], rows[nodes])
        if across is not None:
            x, y = (np.asarray(each) for each in across.transform(x, y))
        x = np.where(np.isfinite(x), x, np.nan)
        if turn:
            x = middle + (x - middle + turn / 2) % turn - turn / 2
        return x, np.where(np.isfinite(y), y, np.nan), places

    x, y, places = exact(step)
    jump = max(np.abs(np.diff(x, axis=axis)).max(initial=0) for axis in (0, 1))
    if step > 1 and not jump < (turn / 2 or np.inf):  # a seam, or points without a place: no straight way between
        x, y, places = exact(1)
    return _in_pixels(other, *(_between(each, places, columns.shape) for each in (x, y)))


@functools.lru_cache(maxsize=64)
def _way(source: str | None, target: str | None) -> pyproj.Transformer | None:
    """From one CRS to another; None where they are the same."""
    if source == target or source is None or target is None:
        return None
    try:
        one, two = pyproj.CRS.from_user_input(source), pyproj.CRS.from_user_input(target)
        return (
            None if one.equals(two, ignore_axis_order=True) else pyproj.Transformer.from_crs(one, two, always_xy=True)
        )
    except ProjError as error:
        raise UserError(
            f"no way from the CRS {source[:60]} to {target[:60]} ({str(error)[:80]}). Warp one file first."
        ) from None


def _in_pixels(grid: GeoGrid, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b, c, d, e, f = grid.transform
    around = a * e - b * d
    if not around:
        raise UserError("a pixel of the label has no area: its transform is no map grid.")
    return (e * (x - c) - b * (y - f)) / around, (a * (y - f) - d * (x - c)) / around


def _between(nodes: np.ndarray, places: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Numbers at nodes, straight between them."""
    if nodes.shape == shape:
        return nodes
    wide = np.stack([np.interp(np.arange(shape[1]), places[1], line) for line in nodes])
    at = np.interp(np.arange(shape[0]), places[0], np.arange(len(places[0])))
    above = np.minimum(at.astype(int), max(len(places[0]) - 2, 0))
    below = np.minimum(above + 1, len(places[0]) - 1)
    share = (at - above)[:, None]
    return wide[above] * (1 - share) + wide[below] * share


def check_same_ground(one: GeoGrid, other: GeoGrid) -> str:
    """Refuses two streams of one record that show different ground; a note where that cannot be known.

    A stream's pixels count in proportion: its corners have to be those of the other, within one of the coarser pixels.

    Raises:
        UserError: they lie apart, or only partly on each other.
    """
    if any(grid.crs is None and grid.transform == IDENTITY for grid in (one, other)):
        alike = abs(one.width * other.height - other.width * one.height) <= max(
            one.width, other.width, one.height, other.height
        )
        if not alike:
            raise UserError(f"{_told(one)} and {_told(other)} cannot be the same ground, and one has no georeference.")
        return (
            ""
            if one.crs is None and other.crs is None
            else "one of two sensors has no georeference: taken as the same ground"
        )
    columns, rows = np.meshgrid([0.0, other.width], [0.0, other.height])
    right, down = pixels_in(one, other, columns, rows)
    off = np.stack([right - columns * one.width / other.width, down - rows * one.height / other.height])
    coarser = np.array([max(1.0, float(np.ptp(at)) / n) for at, n in ((right, other.width), (down, other.height))])
    if not (np.abs(off).max((1, 2)) <= coarser).all():
        raise UserError(
            f"the images of two sensors show different ground: {_told(one)}; {_told(other)}. Cut both to the same ground: "
            "rio warp B.tif B_on_A.tif --like A.tif"
        )
    return ""


def _told(grid: GeoGrid) -> str:
    place = f"{(grid.crs or 'no CRS')[:40]} {tuple(round(number, 6) for number in grid.transform)}"
    return f"{grid.height} x {grid.width} pixels, {place}"
