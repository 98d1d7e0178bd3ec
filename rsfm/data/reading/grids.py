"""Arithmetic on map grids: windows, coarser pixels, where the centre lies, how large a pixel is on the ground."""

import math

import numpy as np
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform as warp_points

from rsfm.data.reading.raster import IDENTITY
from rsfm.types import GeoGrid


def moved(grid: GeoGrid, row: int, column: int, height: int, width: int) -> GeoGrid:
    """The grid of a window whose first pixel is (row, column), which may lie outside."""
    a, b, c, d, e, f = grid.transform
    transform = (a, b, c + a * column + b * row, d, e, f + d * column + e * row)
    return GeoGrid(crs=grid.crs, transform=transform, height=height, width=width)


def location(grid: GeoGrid) -> tuple[float, float] | None:
    """Longitude and latitude of the centre; None without a CRS that leads to them."""
    if grid.crs is None:
        return None
    a, b, c, d, e, f = grid.transform
    x, y = c + a * grid.width / 2 + b * grid.height / 2, f + d * grid.width / 2 + e * grid.height / 2
    try:
        (longitude,), (latitude,) = warp_points(CRS.from_user_input(grid.crs), CRS.from_epsg(4326), [x], [y])
    except CRSError:
        return None
    return (longitude, latitude) if math.isfinite(longitude) and math.isfinite(latitude) else None


def pixel_size(grid: GeoGrid, place: tuple[float, float] | None, nominal: float) -> tuple[float, tuple[str, ...]]:
    """Metres of a pixel's edge, and a note where they are assumed."""
    a, b, _, d, e, _ = grid.transform
    pixel = math.sqrt(abs(a * e - b * d))
    if grid.crs is None:
        if grid.transform == IDENTITY:
            return nominal, (f"no georeference: pixels are taken as {nominal:g} m, the sensor's own",)
        return pixel, (f"no CRS: pixels are taken as {pixel:g} m, and results carry no CRS either",)
    crs = CRS.from_user_input(grid.crs)
    if crs.is_geographic:
        latitude = place[1] if place else 0.0
        metres = math.radians(1) * 6371008.8
        return pixel * metres * math.sqrt(math.cos(math.radians(latitude))), ()
    try:
        return pixel * crs.linear_units_factor[1], ()
    except CRSError:
        return pixel, ("the CRS tells no unit: taken as metres",)


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
