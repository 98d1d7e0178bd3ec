"""Whether several images may be dates of one place: by the ground they show, or because the user says so."""

from collections.abc import Sequence

import rasterio.warp
from rasterio.errors import RasterioError

from rsfm.data.reading.grids import same_grid
from rsfm.data.reading.raster import Header, Raster
from rsfm.errors import UserError
from rsfm.types import GeoGrid

SHARED = 0.5  # of the smaller image's ground, at least, for two to show one place

Bounds = tuple[float, float, float, float]  # west, south, east, north in degrees


def check_one_place(rasters: Sequence[Raster], *, said: bool) -> None:
    """Raises UserError for images that are of different places, or that nothing shows to be of one.

    Args:
        rasters: acquisitions in the order they were named.
        said: the user says that they are a series. What lies apart on the map is none in any case.
    """
    first = rasters[0].header
    for other in (raster.header for raster in rasters[1:]):
        if other.path == first.path or (first.crs and other.crs and same_grid(grid_of(first), grid_of(other))):
            continue
        names = f"{first.path.name} and {other.path.name}"
        shared = shared_ground(first, other) if first.crs and other.crs else None
        if shared == 0:
            raise UserError(f"{names}: show places apart from each other, no series of one place. Ask each for itself.")
        if not said and shared is None:
            raise UserError(
                f"{names}: nothing shows that they are of one place, as they have no georeference. For dates of one place "
                "say so with --series or --date (in Python series=True or dates=...); else ask each for itself (ask_many)."
            )
        if not said and shared is not None and shared < SHARED:
            raise UserError(
                f"{names}: have {100 * shared:.0f} % of the smaller one's ground in common. For a series all the same say so "
                "with --series (in Python series=True); else ask each for itself (ask_many)."
            )


def shared_ground(first: Header, other: Header) -> float | None:
    """Share of the smaller image's ground that the other shows, too; None where a CRS cannot be placed on Earth."""
    one, two = _bounds(first), _bounds(other)
    if one is None or two is None:
        return None
    width = min(one[2], two[2]) - max(one[0], two[0])
    height = min(one[3], two[3]) - max(one[1], two[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (one, two))
    return max(width, 0.0) * max(height, 0.0) / smaller if smaller > 0 else None


def grid_of(header: Header) -> GeoGrid:
    """The map grid of an image."""
    return GeoGrid(crs=header.crs, transform=header.transform, height=header.height, width=header.width)


def _bounds(header: Header) -> Bounds | None:
    a, b, c, d, e, f = header.transform
    corners = [(a * x + b * y + c, d * x + e * y + f) for x in (0, header.width) for y in (0, header.height)]
    xs, ys = zip(*corners, strict=True)
    try:
        west, south, east, north = rasterio.warp.transform_bounds(
            header.crs, "EPSG:4326", min(xs), min(ys), max(xs), max(ys)
        )
    except (RasterioError, ValueError):
        return None
    return west, south, east + 360 * (east < west), north  # across the date line
