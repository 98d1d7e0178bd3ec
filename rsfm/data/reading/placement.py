"""How the pixels of an open raster lie on the map: by its own georeference, a file beside it, control points or RPCs."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from rasterio._err import CPLE_BaseError  # what GDAL raises below RasterioError; it has no public name
from rasterio.control import GroundControlPoint
from rasterio.errors import CRSError, RasterioError
from rasterio.vrt import WarpedVRT

from rsfm.data.reading.grids import same_grid
from rsfm.data.reading.ground import unit_m
from rsfm.data.reading.raster import IDENTITY, Affine6
from rsfm.data.reading.sidecars import Beside, beside
from rsfm.errors import UserError
from rsfm.types import GeoGrid

FEWEST_POINTS = 3
UTM_LATITUDES = (-80.0, 84.0)
UTM_NORTH, UTM_SOUTH, POLAR_NORTH, POLAR_SOUTH = 32600, 32700, 5041, 5042  # EPSG


@dataclasses.dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a raster lies.

    Attributes:
        grid: the map grid of its pixels; where they lie askew, by points or RPCs, the grid that they are warped to.
        source_crs: CRS of the file's own coordinates.
        source_transform: of the file's own pixels; None where they lie askew.
        height_m: for RPCs, the height of the ground.
        notes: what the reader should know.
    """

    grid: GeoGrid
    source_crs: str | None
    source_transform: Affine6 | None
    height_m: float | None = None
    notes: tuple[str, ...] = ()


def placed(dataset: Any, path: Path) -> Placement:
    """Finds out where an open raster lies."""
    own, crs = dataset.transform, crs_of(dataset.crs)
    transform: Affine6 = (own.a, own.b, own.c, own.d, own.e, own.f)
    points, points_crs = dataset.gcps
    told = Beside() if crs and transform != IDENTITY else beside(path)
    notes = (f"georeference from {' and '.join(told.files)}",) if told.files else ()
    transform = told.transform if transform == IDENTITY else transform
    crs = crs or told.crs
    if transform == IDENTITY and len(points) >= FEWEST_POINTS:
        return _by_points(dataset, path, points, crs_of(points_crs) or crs, notes)
    if transform == IDENTITY and dataset.rpcs is not None:
        return _by_rpcs(dataset, path, notes)
    if transform == IDENTITY and told.points:
        notes = (
            *notes,
            f"{len(told.points)} ground control points beside the file are not used: warp it first, gdalwarp",
        )
    grid = GeoGrid(crs=crs, transform=transform, height=dataset.height, width=dataset.width)
    return Placement(grid=grid, source_crs=crs, source_transform=transform, notes=notes)


def on_grid(dataset: Any, path: Path, grid: GeoGrid, plane: str, *, always: bool = False, **options: Any) -> Any:
    """The dataset as it is where it lies on the grid, else warped onto it as it is read.

    Args:
        dataset: open.
        path: its file.
        grid: to bring it to.
        plane: a CRS that stands in where neither has one.
        always: warp it where it lies on the grid, too, so that `options` hold.
        options: of WarpedVRT.
    """
    place = placed(dataset, path)
    if place.source_transform is None:
        straight = _straightened(dataset, place.source_crs, place.grid.crs, place.height_m, **options)
        if same_grid(place.grid, grid):
            return straight
        return WarpedVRT(straight, **_target(grid, plane), resampling=options["resampling"])
    if same_grid(place.grid, grid) and not always:
        return dataset
    source = Affine(*place.source_transform)
    if place.source_transform == IDENTITY and grid.transform == IDENTITY:
        source = Affine.scale(grid.width / dataset.width, grid.height / dataset.height)
    return WarpedVRT(
        dataset, src_crs=place.source_crs or plane, src_transform=source, **_target(grid, plane), **options
    )


def crs_of(crs: Any) -> str | None:
    """A CRS of rasterio as "EPSG:n" or WKT."""
    if not crs:
        return None
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else crs.to_wkt()


def _target(grid: GeoGrid, plane: str) -> dict[str, Any]:
    place = {"transform": Affine(*grid.transform), "height": grid.height, "width": grid.width}
    return {"crs": grid.crs or plane, **place}


def _by_points(
    dataset: Any, path: Path, points: Sequence[GroundControlPoint], crs: str | None, notes: tuple[str, ...]
) -> Placement:
    """By ground control points: warped to metres where they are in degrees, so that pixels stay square."""
    plain = GeoGrid(crs=None, transform=IDENTITY, height=dataset.height, width=dataset.width)
    name = f"{len(points)} ground control points"
    x = [point.x for point in points]
    if crs is None or (unit_m(crs) is None and max(x) - min(x) > 180):
        why = "they have no CRS" if crs is None else "they cross the antimeridian"
        notes = (*notes, f"{name} are not used, as {why}: warp the file first, gdalwarp")
        return Placement(grid=plain, source_crs=None, source_transform=IDENTITY, notes=notes)
    target = crs if unit_m(crs) else metric_crs(float(np.mean(x)), float(np.mean([point.y for point in points])))
    grid = _suggested(path, crs, target, dataset, None)
    note = f"placed by {name}: warped bilinearly onto a grid of {abs(grid.transform[0]):.4g} m in {grid.crs}"
    return Placement(grid=grid, source_crs=crs, source_transform=None, notes=(*notes, note))


def _by_rpcs(dataset: Any, path: Path, notes: tuple[str, ...]) -> Placement:
    """By rational polynomial coefficients, for ground of one height: their own."""
    rpcs = dataset.rpcs
    target = metric_crs(float(rpcs.long_off), float(rpcs.lat_off))
    height_m = float(rpcs.height_off)
    grid = _suggested(path, "EPSG:4326", target, dataset, height_m)
    note = (
        f"placed by its rational polynomial coefficients for ground at {height_m:.0f} m: warped bilinearly onto a grid of "
        f"{abs(grid.transform[0]):.4g} m in {grid.crs}; hills lie beside their place"
    )
    return Placement(grid=grid, source_crs="EPSG:4326", source_transform=None, height_m=height_m, notes=(*notes, note))


def _straightened(dataset: Any, source: str | None, target: str | None, height_m: float | None, **options: Any) -> Any:
    """The dataset on the grid that GDAL suggests: given another grid, it would take that for the dataset's own."""
    extras = {} if height_m is None else {"RPC_HEIGHT": str(height_m)}
    return WarpedVRT(dataset, src_crs=source, crs=target, **extras, **options)


def _suggested(path: Path, source: str, target: str, dataset: Any, height_m: float | None) -> GeoGrid:
    try:
        with _straightened(dataset, source, target, height_m) as straight:
            transform, height, width = straight.transform, straight.height, straight.width
    except (CRSError, RasterioError, CPLE_BaseError, ValueError) as error:
        raise UserError(
            f"{path}: its control points or coefficients place no grid ({str(error)[:80]}). Warp it first: gdalwarp."
        ) from None
    if max(width, height) > 20 * max(dataset.width, dataset.height):
        raise UserError(f"{path}: its control points or coefficients place no grid. Warp it first: gdalwarp.")
    a, b, c, d, e, f = (float(number) for number in transform[:6])
    return GeoGrid(crs=target, transform=(a, b, c, d, e, f), height=height, width=width)


def metric_crs(longitude: float, latitude: float) -> str:
    """The UTM zone of a place, or the polar stereographic CRS beyond them."""
    south, north = UTM_LATITUDES
    if not south <= latitude <= north:
        return f"EPSG:{POLAR_NORTH if latitude > 0 else POLAR_SOUTH}"
    zone = int((longitude + 180) % 360 // 6) + 1
    return f"EPSG:{(UTM_NORTH if latitude >= 0 else UTM_SOUTH) + zone}"
