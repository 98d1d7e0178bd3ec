"""Spectral cubes without a map: ENVI, MATLAB .mat and numpy .npy.  t acquisitions · h w pixels · c bands"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rsfm.data.reading.geotiff import GeoRaster, Source
from rsfm.data.reading.opening import open_array, open_envi, open_matlab
from rsfm.data.reading.raster import IDENTITY, ArrayRaster, Header, product_name
from rsfm.errors import UserError

SUFFIXES = (".npy", ".mat", ".hdr")


def open_cube(path: Path, bands: int | None = None) -> list[ArrayRaster]:
    """Opens a cube; .npy and ENVI are mapped from the file, .mat is read.

    Args:
        path: .npy, .mat, or an ENVI header (.hdr) beside its data. Arrays are (h w c), (c h w) where `bands` tells,
            (t h w c), or (h w) for one band.
        bands: how many bands are expected, where known.

    Returns:
        One raster an acquisition.
    """
    if path.suffix.lower() == ".hdr":
        return [_open_envi(path)]
    array = _load_npy(path) if path.suffix.lower() == ".npy" else _load_mat(path)
    return [_raster(path, cube) for cube in _cubes(path, array, bands)]


def _cubes(path: Path, array: np.ndarray, bands: int | None) -> list[np.ndarray]:
    if array.dtype.kind not in "iufb":
        raise UserError(f"{path}: numbers expected, found {array.dtype}. Save a plain numeric array.")
    if array.size == 0 or array.ndim not in (2, 3, 4):
        raise UserError(f"{path}: expected an array (h, w, c) or (t, h, w, c), found shape {array.shape}.")
    if array.ndim == 2:
        return [array[..., None]]
    if bands is not None and array.shape[-1] != bands and array.shape[-3] == bands:
        array = np.moveaxis(array, -3, -1)
    return list(array) if array.ndim == 4 else [array]


def _raster(path: Path, cube: np.ndarray) -> ArrayRaster:
    height, width, count = cube.shape
    header = Header(path=path, height=height, width=width, count=count, dtype=cube.dtype, product=product_name(path))
    return ArrayRaster(header, cube)


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


def _load_mat(path: Path) -> np.ndarray:
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
    return numeric[largest]


def _open_envi(path: Path) -> ArrayRaster:
    image, mapped = open_envi(path)
    where = GeoRaster([Source(path=Path(image.filename))]).header if _has_map(image) else None
    scale = _number(path, image.metadata, "reflectance scale factor") or 1.0
    height, width, count = mapped.shape
    names = image.metadata.get("band names") or [None] * count
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
        tags={key: str(value) for key, value in image.metadata.items() if isinstance(value, str)},
        product=product_name(path),
    )
    return ArrayRaster(header, mapped, nodata=_number(path, image.metadata, "data ignore value"))


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
