"""Spectral cubes without a map: ENVI, MATLAB .mat and numpy .npy.  t acquisitions · h w pixels · c bands"""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rsfm.data.reading.geotiff import GeoRaster, Source
from rsfm.data.reading.opening import open_array, open_envi, open_matlab
from rsfm.data.reading.raster import IDENTITY, ArrayRaster, Header, product_name
from rsfm.data.reading.wavelengths import Spectrum, spectrum
from rsfm.errors import UserError

SUFFIXES = (".npy", ".mat", ".hdr")


def open_cube(path: Path, bands: int | None = None, times: int | None = None) -> list[ArrayRaster]:
    """Opens a cube; .npy and ENVI are mapped from the file, .mat is read.

    Args:
        path: .npy, .mat, or an ENVI header (.hdr) beside its data. Arrays are (h w c), (t h w c), (h w) for one band, or,
            where `bands` and `times` show it, (c h w), (t c h w), (c t h w).
        bands: how many bands are expected, where known.
        times: how many dates are expected, where known.

    Returns:
        One raster an acquisition.
    """
    if path.suffix.lower() == ".hdr":
        return [_open_envi(path)]
    if path.suffix.lower() == ".npy":
        return [_raster(path, cube) for cube in cubes(path, _load_npy(path), bands, times)]
    array, vectors = _load_mat(path)
    known = _spectrum_of(vectors, array.shape)
    count = len(known[0]) if known[0] else bands
    return [_raster(path, cube, known) for cube in cubes(path, array, count, times)]


def cubes(path: Path, array: np.ndarray, bands: int | None, times: int | None) -> list[np.ndarray]:
    """An array as one cube (h w c) for each acquisition; see `open_cube`."""
    if array.dtype.kind not in "iufb":
        raise UserError(f"{path}: numbers expected, found {array.dtype}. Save a plain numeric array.")
    if array.size == 0 or array.ndim not in (2, 3, 4):
        raise UserError(f"{path}: expected an array (h, w, c) or (t, h, w, c), found shape {array.shape}.")
    if array.ndim == 2:
        return [array[..., None]]
    if array.ndim == 4:
        return list(_by_date(path, array, bands, times))
    if bands is not None and array.shape[-1] != bands and array.shape[0] == bands:
        array = np.moveaxis(array, 0, -1)
    return [array]


def _by_date(path: Path, array: np.ndarray, bands: int | None, times: int | None) -> np.ndarray:
    """A four-axis array as (t h w c): as it is where its last axis can be the bands, else by the sizes of the others."""
    if bands is None or array.shape[-1] == bands:
        return array
    fits = [
        (order, moved)
        for order, moved in (("(t, c, h, w)", np.moveaxis(array, 1, -1)), ("(c, t, h, w)", np.moveaxis(array, 0, -1)))
        if moved.shape[-1] == bands and times in (None, moved.shape[0])
    ]
    if len(fits) == 1 or (len(fits) == 2 and array.shape[0] != array.shape[1]):
        return fits[0][1]
    if not fits:
        return array
    raise UserError(
        f"{path}: {array.shape} with {bands} bands may be {fits[0][0]} or {fits[1][0]}. Save it as (t, h, w, c)."
    )


def _raster(path: Path, cube: np.ndarray, known: Spectrum = ((), ())) -> ArrayRaster:
    height, width, count = cube.shape
    header = Header(path=path, height=height, width=width, count=count, dtype=cube.dtype, product=product_name(path))
    if len(known[0]) == count:
        header = dataclasses.replace(header, wavelengths_um=known[0], widths_um=known[1])
    return ArrayRaster(header, cube)


def _spectrum_of(vectors: Mapping[str, np.ndarray], shape: tuple[int, ...]) -> Spectrum:
    """Centres and widths among the other arrays of a file, by their names; each as long as the cube has bands."""

    def named(*words: str) -> list[float]:
        for name, vector in vectors.items():
            if any(word in name.lower() for word in words) and vector.size in shape:
                return [float(x) for x in np.ravel(vector)]
        return []

    return spectrum(named("wavelength", "wvl", "lambda", "wl"), named("fwhm", "bandwidth", "width"))


def _load_npy(path: Path) -> np.ndarray:
    try:
        return open_array(path, mapped=True)
    except (ValueError, OSError, EOFError) as error:
        if isinstance(error, UserError):
            raise
        if "pickle" in str(error).lower() or "object" in str(error).lower():
            raise UserError(
                f"{path}: holds pickled Python objects, which are never read. Save a plain numeric array."
            ) from error
        raise UserError(f"{path}: damaged or cut short ({error}). Save the array again.") from error


def _load_mat(path: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The largest array of three or four axes, and the vectors beside it."""
    try:
        table = open_matlab(path)
    except UserError:
        raise
    except Exception as error:  # of a damaged file the reader raises whatever it stumbles over
        raise UserError(f"{path}: not a .mat file that can be read, or cut short ({error}).") from error
    numeric = {
        k: v for k, v in table.items() if isinstance(v, np.ndarray) and v.dtype.kind in "iufb" and v.ndim in (3, 4)
    }
    if not numeric:
        found = ", ".join(f"{k} {getattr(v, 'shape', '')}" for k, v in table.items()) or "nothing"
        raise UserError(f"{path}: expected a numeric array (h, w, c), found {found}.")
    largest = max(numeric, key=lambda name: numeric[name].size)
    vectors = {
        name: value
        for name, value in table.items()
        if isinstance(value, np.ndarray) and value.dtype.kind in "iuf" and value.size == max(value.shape, default=0)
    }
    return numeric[largest], vectors


def _open_envi(path: Path) -> ArrayRaster:
    image, mapped = open_envi(path)
    where = GeoRaster([Source(path=Path(image.filename))]).header if _has_map(image) else None
    scale = _number(path, image.metadata, "reflectance scale factor") or 1.0
    height, width, count = mapped.shape
    names = image.metadata.get("band names") or [None] * count
    wavelengths_um, widths_um = _envi_spectrum(path, image.metadata, count)
    header = Header(
        path=path,
        height=height,
        width=width,
        count=count,
        dtype=mapped.dtype,
        crs=where.crs if where else None,
        transform=where.transform if where else IDENTITY,
        descriptions=tuple(names),
        scales=(1 / scale,) * count,
        offsets=(0.0,) * count,
        wavelengths_um=wavelengths_um,
        widths_um=widths_um,
        usable=tuple(flag != 0 for flag in _numbers(path, image.metadata, "bbl", count)),
        tags={key: str(value) for key, value in image.metadata.items() if isinstance(value, str)},
        product=product_name(path),
    )
    return ArrayRaster(header, mapped, nodata=_number(path, image.metadata, "data ignore value"))


def _envi_spectrum(path: Path, metadata: Mapping[str, Any], count: int) -> Spectrum:
    unit = str(metadata.get("wavelength units", ""))
    if unit.strip().lower() in ("index", "wavenumber", "ghz", "mhz"):
        return (), ()
    centers, widths = (_numbers(path, metadata, name, count) for name in ("wavelength", "fwhm"))
    return spectrum(centers, widths, unit)


def _numbers(path: Path, metadata: Mapping[str, Any], name: str, count: int) -> tuple[float, ...]:
    """A list of an ENVI header, a number for each band; empty where it has none."""
    found = metadata.get(name)
    if found is None:
        return ()
    texts = list(found) if isinstance(found, (list, tuple)) else [found]
    try:
        numbers = tuple(float(text) for text in texts)
    except (TypeError, ValueError):
        raise UserError(
            f"{path}: '{name}' expected a number for each band, found '{str(found)[:40]}'. Correct it."
        ) from None
    if len(numbers) != count or not all(math.isfinite(number) for number in numbers):
        raise UserError(
            f"{path}: '{name}' holds {len(numbers)} numbers, the image has {count} bands. Correct the header."
        )
    return numbers


def _has_map(image: Any) -> bool:
    return "map info" in image.metadata or "coordinate system string" in image.metadata


def _number(path: Path, metadata: Mapping[str, Any], name: str) -> float | None:
    """A field of an ENVI header, None where it has none."""
    text = metadata.get(name)
    if text is None or not str(text).strip():
        return None
    try:
        return float(text)
    except (TypeError, ValueError):
        raise UserError(f"{path}: '{name}' expected a number, found '{str(text)[:40]}'. Correct the header.") from None
