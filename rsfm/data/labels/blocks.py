"""Blocks of ground: every picture cut so that a window lies in one block, whatever grid the pictures are on.

A block is a square of one map for all pictures, so that what two pictures show of one place is in one block. Pictures without a
place are cut in their own pixels.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np
import pyproj
import shapely

from rsfm.data.labels.base import Window
from rsfm.data.reading.grids import moved
from rsfm.data.reading.ground import to_map
from rsfm.types import GeoGrid

EDGE_POINTS = 8  # of a block's outline between its corners: a straight edge is none in another CRS
ALONE = 5  # so many pictures without a place are parted as whole pictures
_ROUNDING = 1e-6  # pixels


@dataclasses.dataclass(frozen=True, kw_only=True)
class Piece:
    """A window of a picture, inside one block of ground.

    Attributes:
        picture: its number.
        window: first row, first column, height, width.
        block: the name of the block: pieces of one are in one split.
    """

    picture: int
    window: Window
    block: str


def pieces(grids: Sequence[GeoGrid], edge: int) -> list[Piece]:
    """All pictures cut.

    Args:
        grids: of the pictures.
        edge: of a block, in pixels of the first picture that has a place.
    """
    placed = [i for i, grid in enumerate(grids) if grid.crs is not None]
    lone = [i for i, grid in enumerate(grids) if grid.crs is None]
    found = [piece for i in lone for piece in _plain(i, grids[i], edge, whole=len(lone) >= ALONE)]
    if placed:
        first = grids[placed[0]]
        found += [piece for i in placed for piece in _cut(i, grids[i], first, edge)]
    return sorted(found, key=lambda piece: (piece.picture, piece.window))


def whole_pieces(grids: Sequence[GeoGrid]) -> list[Piece]:
    """Each picture as it is; those whose ground overlaps are one block."""
    outlines = [None if grid.crs is None else _outline(grid) for grid in grids]
    parents = list(range(len(grids)))

    def root(i: int) -> int:
        while parents[i] != i:
            i = parents[i] = parents[parents[i]]
        return i

    known = [i for i, outline in enumerate(outlines) if outline is not None]
    shapes = np.array([outlines[i] for i in known], object)
    for a, b in zip(*(shapely.STRtree(shapes).query(shapes, predicate="overlaps") if known else ((), ())), strict=True):
        parents[root(known[a])] = root(known[b])
    for a, b in zip(*(shapely.STRtree(shapes).query(shapes, predicate="contains") if known else ((), ())), strict=True):
        parents[root(known[a])] = root(known[b])
    return [
        Piece(picture=i, window=(0, 0, grid.height, grid.width), block=f"picture {root(i)}")
        for i, grid in enumerate(grids)
    ]


def _plain(picture: int, grid: GeoGrid, edge: int, *, whole: bool) -> Iterator[Piece]:
    for row in range(0, grid.height, edge):
        for column in range(0, grid.width, edge):
            window = (row, column, min(edge, grid.height - row), min(edge, grid.width - column))
            block = f"picture {picture}" if whole else f"picture {picture}, {row // edge} {column // edge}"
            yield Piece(picture=picture, window=window, block=block)


def _cut(picture: int, grid: GeoGrid, first: GeoGrid, edge: int) -> Iterator[Piece]:
    """Windows of one picture in the blocks that are `edge` pixels of the first picture wide and high."""
    there = _in_pixels(first, *_on_map(grid, first.crs))
    low, high = np.floor(there.min(0) / edge + _ROUNDING), np.ceil(there.max(0) / edge - _ROUNDING)
    if not np.isfinite([*low, *high]).all():
        return
    for row in range(int(low[1]), int(high[1])):
        for column in range(int(low[0]), int(high[0])):
            window = _window(grid, first, row, column, edge)
            if window is not None:
                yield Piece(picture=picture, window=window, block=f"{row} {column}")


def _window(grid: GeoGrid, first: GeoGrid, row: int, column: int, edge: int) -> Window | None:
    """The largest window about a block's middle that lies in the block and in the picture."""
    block = moved(first, row * edge, column * edge, edge, edge)
    corners = _in_pixels(grid, *_on_map(block, grid.crs))
    if not np.isfinite(corners).all():
        return None
    shape, (left, top), (right, bottom) = shapely.Polygon(corners), corners.min(0), corners.max(0)
    middle, half = np.array([left + right, top + bottom]) / 2, np.array([right - left, bottom - top]) / 2
    outer, inside = shapely.buffer(shape, _ROUNDING), 0.0
    for share in (1.0, *np.linspace(0.98, 0.5, 25)):
        if outer.covers(shapely.box(*(middle - share * half), *(middle + share * half))):
            inside = float(share)
            break
    low = np.ceil(np.maximum(middle - inside * half, 0) - 10 * _ROUNDING).astype(int)
    high = np.floor(np.minimum(middle + inside * half, (grid.width, grid.height)) + 10 * _ROUNDING).astype(int)
    if (high <= low).any():
        return None
    return int(low[1]), int(low[0]), int(high[1] - low[1]), int(high[0] - low[0])


def _on_map(grid: GeoGrid, crs: str | None) -> tuple[np.ndarray, np.ndarray]:
    """The outline of a grid in map coordinates of a CRS."""
    steps = np.arange(EDGE_POINTS) / EDGE_POINTS
    right = np.concatenate([steps, np.ones(EDGE_POINTS), 1 - steps, np.zeros(EDGE_POINTS)]) * grid.width
    down = np.concatenate([np.zeros(EDGE_POINTS), steps, np.ones(EDGE_POINTS), 1 - steps]) * grid.height
    x, y = to_map(grid, right, down)
    if grid.crs == crs:
        return x, y
    x, y = pyproj.Transformer.from_crs(grid.crs, crs, always_xy=True).transform(x, y)
    return np.asarray(x), np.asarray(y)


def _in_pixels(grid: GeoGrid, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(n 2) points to the right and down."""
    a, b, c, d, e, f = grid.transform
    around = a * e - b * d
    return np.stack([(e * (x - c) - b * (y - f)) / around, (a * (y - f) - d * (x - c)) / around], -1)


def _outline(grid: GeoGrid) -> shapely.Polygon:
    x, y = _on_map(grid, "OGC:CRS84")
    return shapely.Polygon(np.stack([x, y], -1)) if math.isfinite(float(np.sum(x + y))) else shapely.Polygon()
