"""No ground is in two blocks: windows of different blocks never overlap, whatever grids the pictures are on."""

import numpy as np
import pyproj
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from rsfm.data.labels.blocks import pieces, whole_pieces
from rsfm.data.reading.grids import moved
from rsfm.types import GeoGrid

WEST, NORTH = 404_400.0, 5_342_400.0


def turned(crs: str, x: float, y: float, pixel: float, degrees: float, size: tuple[int, int]) -> GeoGrid:
    cos, sin = pixel * np.cos(np.radians(degrees)), pixel * np.sin(np.radians(degrees))
    return GeoGrid(crs=crs, transform=tuple(map(float, (cos, sin, x, sin, -cos, y))), height=size[0], width=size[1])


def ground(grid: GeoGrid, crs: str) -> shapely.Polygon:
    a, b, c, d, e, f = grid.transform
    corners = np.array([(0, 0), (grid.width, 0), (grid.width, grid.height), (0, grid.height)], float)
    x, y = a * corners[:, 0] + b * corners[:, 1] + c, d * corners[:, 0] + e * corners[:, 1] + f
    return shapely.Polygon(np.stack(pyproj.Transformer.from_crs(grid.crs, crs, always_xy=True).transform(x, y), -1))


def placed(crs: str, pixel: float) -> st.SearchStrategy[GeoGrid]:
    x, y = pyproj.Transformer.from_crs("EPSG:32633", crs, always_xy=True).transform(WEST, NORTH)
    return st.builds(
        lambda right, down, angle, size: turned(crs, x + right * pixel, y - down * pixel, pixel, angle, size),
        *(st.floats(-40, 40), st.floats(-40, 40), st.floats(-180, 180), st.tuples(*2 * [st.integers(10, 120)])),
    )


GRIDS = st.one_of(placed("EPSG:32633", 10.0), placed("EPSG:32632", 13.0), placed("EPSG:4326", 1e-4))


@settings(max_examples=25)
@given(grids=st.lists(GRIDS, min_size=1, max_size=3), edge=st.sampled_from([16, 40]))
def test_windows_of_two_blocks_never_overlap(grids: list[GeoGrid], edge: int) -> None:
    found = pieces(grids, edge)
    outlines = [ground(moved(grids[piece.picture], *piece.window), "EPSG:32633") for piece in found]
    for piece in found:
        row, column, height, width = piece.window
        grid = grids[piece.picture]
        assert row >= 0 and column >= 0 and row + height <= grid.height and column + width <= grid.width
    for i, j in zip(*shapely.STRtree(outlines).query(outlines, predicate="intersects"), strict=True):
        if found[i].block != found[j].block:
            assert outlines[i].intersection(outlines[j]).area < 2  # square metres; a pixel has a hundred


def test_a_picture_on_the_blocks_own_grid_is_cut_without_a_rest() -> None:
    grid = turned("EPSG:32633", WEST, NORTH, 10, 0, (100, 70))
    seen = np.zeros((100, 70), int)
    for piece in pieces([grid], 32):
        row, column, height, width = piece.window
        seen[row : row + height, column : column + width] += 1
    assert (seen == 1).all() and len({piece.block for piece in pieces([grid], 32)}) == 12


def test_two_dates_of_one_place_share_their_blocks() -> None:
    grid = turned("EPSG:32633", WEST, NORTH, 10, 0, (64, 64))
    found = pieces([grid, grid], 32)
    assert len({piece.block for piece in found}) == 4 and len(found) == 8


def test_pictures_without_a_place_are_cut_alone_and_parted_whole_where_they_are_many() -> None:
    plain = GeoGrid(crs=None, transform=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0), height=64, width=64)
    assert len({piece.block for piece in pieces([plain], 32)}) == 4
    assert len({piece.block for piece in pieces([plain] * 6, 32)}) == 6


def test_whole_pictures_that_overlap_are_one_block() -> None:
    near, over, far = (turned("EPSG:32633", WEST + x, NORTH, 10, 0, (20, 20)) for x in (0, 100, 5000))
    blocks = [piece.block for piece in whole_pieces([near, far, over])]
    assert blocks[0] == blocks[2] != blocks[1]
