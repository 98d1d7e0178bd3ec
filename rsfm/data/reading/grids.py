"""Arithmetic on map grids: windows, coarser pixels, where the centre lies, how large a pixel is on the ground."""

import math

import numpy as np

from rsfm.data.reading.ground import PixelAreas, areas_m2, degrees, unit_m
from rsfm.data.reading.raster import IDENTITY
from rsfm.types import GeoGrid

LEAST_M = 1e-3  # edge of a pixel in metres; less is degrees without a CRS


def moved(grid: GeoGrid, row: int, column: int, height: int, width: int) -> GeoGrid:
    """The grid of a window whose first pixel is (row, column), which may lie outside."""
    a, b, c, d, e, f = grid.transform
    transform = (a, b, c + a * column + b * row, d, e, f + d * column + e * row)
    return GeoGrid(crs=grid.crs, transform=transform, height=height, width=width)


def location(grid: GeoGrid) -> tuple[float, float] | None:
    """Longitude (-180..180) and latitude (-90..90) of the centre; None without a CRS that leads to them."""
    ((longitude, latitude),) = degrees(grid, np.array([grid.width / 2]), np.array([grid.height / 2]))
    return (float(longitude), float(latitude)) if math.isfinite(longitude) else None


def outline(grid: GeoGrid) -> np.ndarray | None:
    """(4 2) longitude and latitude of the corners, clockwise from the first pixel; None without a CRS that leads to them."""
    right, down = np.array([0.0, 1, 1, 0]) * grid.width, np.array([0.0, 0, 1, 1]) * grid.height
    corners = degrees(grid, right, down)
    return corners if np.isfinite(corners).all() else None


def on_earth(grid: GeoGrid) -> bool:
    """Whether some of the grid has a longitude and latitude: its middle, a corner, or a point between them."""
    right, down = np.meshgrid(np.linspace(0, grid.width, 5), np.linspace(0, grid.height, 5))
    return bool(np.isfinite(degrees(grid, right.ravel(), down.ravel())).any())


def ground_edge(grid: GeoGrid) -> float | None:
    """Metres of the edge of a square as large as the ground of the middle pixel; None where there is no ground."""
    if grid.crs is None:
        return None
    (area_m2,) = areas_m2(grid, np.array([grid.width / 2]), np.array([grid.height / 2]))
    return math.sqrt(area_m2) if area_m2 > 0 else None


def pixel_size(grid: GeoGrid, nominal: float) -> tuple[float, tuple[str, ...]]:
    """Ground metres of a pixel's edge in the middle of a grid, with what a reader should know of its place.

    Args:
        grid: of the whole scene.
        nominal: metres of a pixel where the grid does not tell.
    """
    a, b, _, d, e, _ = grid.transform
    pixel = math.sqrt(abs(a * e - b * d))
    if grid.crs is None:
        if grid.transform == IDENTITY:
            return nominal, (f"no georeference: pixels are taken as {nominal:g} m, the sensor's own",)
        if not LEAST_M <= pixel < math.inf:
            return nominal, (
                f"no CRS, and pixels of {pixel:g} are no metres: taken as {nominal:g} m, the sensor's own. "
                "Assign a CRS for areas",
            )
        return pixel, (f"no CRS: pixels are taken as {pixel:g} m, and results carry no CRS either",)
    areas = PixelAreas(grid)
    if not areas.known:
        metre = unit_m(grid.crs)
        size = nominal if metre is None or not LEAST_M <= pixel * metre < math.inf else pixel * metre
        return size, (f"the CRS or its place is not on Earth: no longitude and latitude, pixels taken as {size:g} m",)
    notes = []
    if location(grid) is None:
        notes.append("the middle of the scene has no longitude and latitude on Earth: it has no place")
    if not areas.complete:
        notes.append("part of the scene lies off the Earth or outside what its CRS can place: it has no area")
    return math.sqrt(areas.middle_m2), tuple(notes)


def pixel_areas(grid: GeoGrid | None, size: tuple[int, int]) -> PixelAreas | None:
    """Ground areas of a picture's pixels; None where the grid has no ground or is not of that height and width."""
    if grid is None or grid.crs is None or (grid.height, grid.width) != size:
        return None
    areas = PixelAreas(grid)
    return areas if areas.known else None


def shrunk(grid: GeoGrid, height: int, width: int) -> GeoGrid:
    """The same ground in fewer, larger pixels."""
    a, b, c, d, e, f = grid.transform
    down, right = grid.height / height, grid.width / width
    return GeoGrid(crs=grid.crs, transform=(a * right, b * down, c, d * right, e * down, f), height=height, width=width)


def same_grid(one: GeoGrid, other: GeoGrid) -> bool:
    """Whether two grids put every pixel at the same place, within a thousandth of a pixel."""
    pixel = abs(one.transform[0]) + abs(one.transform[1])
    near = np.allclose(one.transform, other.transform, rtol=0, atol=pixel * 1e-3)
    return near and (one.crs, one.height, one.width) == (other.crs, other.height, other.width)
