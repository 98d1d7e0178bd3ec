"""Images in memory as acquisitions: numpy arrays, Pillow pictures, xarray and rioxarray objects.

t acquisitions · h w pixels · c bands
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rsfm.data.reading.cube import cubes
from rsfm.data.reading.picture import picture_pixels
from rsfm.data.reading.raster import IDENTITY, Affine6, ArrayRaster, Header
from rsfm.data.reading.wavelengths import Spectrum, spectrum
from rsfm.errors import UserError

# Names of dimensions, lower case.
ROWS, COLUMNS = (
    ("y", "lat", "latitude", "row", "rows", "northing"),
    ("x", "lon", "longitude", "col", "column", "easting"),
)
BANDS, TIMES = ("band", "bands", "channel", "wavelength", "variable"), ("time", "date", "t")
UNEVEN = 1e-3  # of a pixel: how unevenly coordinates may lie
PICTURE_BANDS = (1, 3, 4)


def is_array(source: Any) -> bool:
    """Whether a value is an image in memory that `open_array_rasters` reads."""
    return isinstance(source, (np.ndarray, Image.Image)) or _is_xarray(source)


def open_array_rasters(source: Any, name: str, *, bands: int | None, times: int | None) -> list[ArrayRaster]:
    """An image in memory as acquisitions.

    Args:
        source: an array (h w), (h w c), (t h w c), or with its bands first where `bands` shows it; a Pillow picture; an
            xarray DataArray with dimensions y, x and maybe band and time, or a Dataset whose variables are the bands.
        name: what errors and notes call it.
        bands: how many bands are expected, where known.
        times: how many dates are expected, where known.

    Raises:
        UserError: axes that cannot be told, numbers that are none, coordinates that make no grid.
    """
    if isinstance(source, Image.Image):
        return [_of_picture(source, name)]
    if _is_xarray(source):
        return _of_xarray(source, name)
    values, notes = _bands_last(np.asarray(source), bands)
    return [_raster(cube, name, notes=notes) for cube in cubes(Path(name), values, bands, times)]


def _is_xarray(source: Any) -> bool:
    return type(source).__module__.partition(".")[0] == "xarray" and hasattr(source, "dims")


def _bands_last(values: np.ndarray, bands: int | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Pictures of one, three or four bands that come first, as networks have them, with a note; other arrays as they are."""
    first_only = values.ndim == 3 and values.shape[0] in PICTURE_BANDS and values.shape[-1] not in PICTURE_BANDS
    if bands is None and first_only:
        return np.moveaxis(values, 0, -1), (f"an array {values.shape} was read as (bands, rows, columns)",)
    return values, ()


def _raster(
    cube: np.ndarray,
    name: str,
    *,
    names: Sequence[str | None] = (),
    valid: np.ndarray | None = None,
    notes: tuple[str, ...] = (),
    known: Spectrum = ((), ()),
    nodata: float | None = None,
    **header: Any,
) -> ArrayRaster:
    height, width, count = cube.shape
    if known[0]:
        header |= {"wavelengths_um": known[0], "widths_um": known[1]}
    made = Header(
        path=Path(name),
        height=height,
        width=width,
        count=count,
        dtype=cube.dtype,
        descriptions=tuple(names),
        notes=notes,
        **header,
    )
    return ArrayRaster(made, cube, valid, nodata)


def _of_picture(picture: Image.Image, name: str) -> ArrayRaster:
    values, valid, notes = picture_pixels(picture)
    return _raster(values, name, names=("red", "green", "blue"), valid=valid, notes=notes)


def _of_xarray(source: Any, name: str) -> list[ArrayRaster]:
    if hasattr(source, "data_vars"):
        shared = {key: value for key, value in source.attrs.items()}
        source = source.to_array("band")  # variables of one grid, with their names as the bands'
        source.attrs = {**shared, **source.attrs}
    dims = {kind: _dimension(source, words) for kind, words in _AXES.items()}
    left = [str(dim) for dim in source.dims if dim not in dims.values()]
    if dims["rows"] is None or dims["columns"] is None or any(source.sizes[dim] != 1 for dim in left):
        raise UserError(
            f"{name}: expected dimensions y and x, maybe band and time, found {', '.join(map(str, source.dims))}. "
            "Rename them: array.rename(...)."
        )
    source = source.squeeze(left)
    order = [dims["times"], dims["rows"], dims["columns"], dims["bands"]]
    source = source.transpose(*(dim for dim in order if dim is not None))
    values = np.asarray(source.values)
    if values.dtype.kind not in "iufb":
        raise UserError(f"{name}: numbers expected, found {values.dtype}. Convert it first.")
    values = values if dims["bands"] is not None else values[..., None]
    values = values if dims["times"] is not None else values[None]
    facts = _facts(source, dims, values.shape[-1], name)
    days = [str(day)[:19] for day in _coordinate(source, dims["times"])]
    tags: Mapping[str, str] = {str(key): str(value) for key, value in source.attrs.items() if isinstance(value, str)}
    dated = [{**tags, "acquisition_date": day} if day else tags for day in days or [""] * len(values)]
    return [_raster(cube, name, tags=tag, **facts) for cube, tag in zip(values, dated, strict=True)]


_AXES = {"rows": ROWS, "columns": COLUMNS, "bands": BANDS, "times": TIMES}


def _dimension(source: Any, words: Sequence[str]) -> Any:
    return next((dim for dim in source.dims if str(dim).lower() in words), None)


def _coordinate(source: Any, dimension: Any) -> list[Any]:
    return list(np.atleast_1d(source[dimension].values)) if dimension in source.coords else []


def _facts(source: Any, dims: Mapping[str, Any], count: int, name: str) -> dict[str, Any]:
    """Grid, band names, wavelengths, scales and nodata of a DataArray."""
    crs = _crs(source)
    facts: dict[str, Any] = {"transform": _transform(source, dims, name, on_map=crs is not None), "crs": crs}
    facts["names"] = _band_names(source, dims["bands"], count)
    for key, of_bands in (("scale_factor", "scales"), ("add_offset", "offsets")):
        numbers = np.ravel(source.attrs.get(key, []))
        if len(numbers) in (1, count):
            facts[of_bands] = tuple(float(number) for number in np.broadcast_to(numbers, count))
    if "scales" in facts or "offsets" in facts:
        facts = {"scales": (1.0,) * count, "offsets": (0.0,) * count, **facts}
    wave = next(
        (key for key in source.coords if str(key).lower() in ("wavelength", "wavelengths", "center_wavelength")), None
    )
    if wave is not None and source[wave].size == count:
        centers = [float(number) for number in np.ravel(source[wave].values)]
        facts["known"] = spectrum(centers, (), str(source[wave].attrs.get("units", "")))
    nodata = source.attrs.get("_FillValue", source.attrs.get("nodata"))
    facts["nodata"] = float(nodata) if isinstance(nodata, (int, float, np.number)) and math.isfinite(nodata) else None
    return facts


def _band_names(source: Any, dimension: Any, count: int) -> tuple[str | None, ...]:
    """From the band coordinate where it has words, else from rioxarray's long_name."""
    named = [each for each in _coordinate(source, dimension) if isinstance(each, str)]
    if not named:
        told = source.attrs.get("long_name", ())
        named = [told] if isinstance(told, str) else [str(each) for each in told]
    return tuple(named) if len(named) == count else ()


def _crs(source: Any) -> str | None:
    """WKT or "EPSG:n" as rioxarray, odc and stackstac write it."""
    for key in ("spatial_ref", "crs"):
        attrs = source.coords[key].attrs if key in source.coords else {}
        for text in (attrs.get("crs_wkt"), attrs.get("spatial_ref"), source.attrs.get(key)):
            if isinstance(text, str) and text:
                return text
    epsg = source.coords["epsg"].values if "epsg" in source.coords else source.attrs.get("epsg")
    return f"EPSG:{int(epsg)}" if epsg is not None and np.size(epsg) == 1 else None


def _transform(source: Any, dims: Mapping[str, Any], name: str, *, on_map: bool) -> Affine6:
    """From the coordinates of the pixels' centres, else from rioxarray's GeoTransform; the identity where there is none."""
    ys, xs = (np.asarray(_coordinate(source, dims[axis]), np.float64) for axis in ("rows", "columns"))
    told = source.coords["spatial_ref"].attrs.get("GeoTransform") if "spatial_ref" in source.coords else None
    if isinstance(told, str) and (len(xs) < 2 or len(ys) < 2):
        c, a, b, f, d, e = (float(number) for number in told.split())
        return a, b, c, d, e, f
    if len(xs) < 2 or len(ys) < 2 or not on_map:
        return IDENTITY
    for axis, numbers in (("x", xs), ("y", ys)):
        steps = np.diff(numbers)
        if steps[0] == 0 or np.abs(steps - steps.mean()).max() > UNEVEN * abs(steps.mean()):
            raise UserError(f"{name}: its {axis} coordinates are not evenly spaced. Bring it onto an even grid first.")
    a, e = (xs[-1] - xs[0]) / (len(xs) - 1), (ys[-1] - ys[0]) / (len(ys) - 1)
    return float(a), 0.0, float(xs[0] - a / 2), 0.0, float(e), float(ys[0] - e / 2)


def named_rasters(sources: Sequence[Any], *, bands: int | None, times: int | None) -> list[ArrayRaster]:
    """The acquisitions of several images in memory, called "image 1", "image 2" and so on."""
    found: list[ArrayRaster] = []
    for number, source in enumerate(sources, start=1):
        name = "image" if len(sources) == 1 else f"image {number}"
        found.extend(open_array_rasters(source, name, bands=bands, times=times))
    return found
