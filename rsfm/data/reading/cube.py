"""Spectral cubes without a map: ENVI, MATLAB .mat and numpy .npy.  t acquisitions · h w pixels · c bands"""

from pathlib import Path
from typing import Any

import numpy as np

from rsfm.data.reading.geotiff import GeoRaster, Source
from rsfm.data.reading.raster import IDENTITY, ArrayRaster, Header, product_name
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
    array = _load_npy(path) if path.suffix.lower() == ".npy" else _load_mat(path)
    return [_raster(path, cube) for cube in _cubes(path, array, bands, times)]


def _cubes(path: Path, array: np.ndarray, bands: int | None, times: int | None) -> list[np.ndarray]:
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


def _raster(path: Path, cube: np.ndarray) -> ArrayRaster:
    height, width, count = cube.shape
    header = Header(path=path, height=height, width=width, count=count, dtype=cube.dtype, product=product_name(path))
    return ArrayRaster(header, cube)


def _load_npy(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        if "pickle" in str(error).lower() or "object" in str(error).lower():
            raise UserError(
                f"{path}: holds pickled Python objects, which are never read. Save a plain numeric array."
            ) from error
        raise UserError(f"{path}: damaged or cut short ({error}). Save the array again.") from error


def _load_mat(path: Path) -> np.ndarray:
    from scipy.io import loadmat

    try:
        table = {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    except NotImplementedError:  # version 7.3 is HDF5
        table = _load_hdf5(path)
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


def _load_hdf5(path: Path) -> dict[str, np.ndarray]:
    h5py = _extra("h5py", path)
    try:
        with h5py.File(path) as file:
            # MATLAB stores the axes in reverse.
            return {name: np.asarray(item).T for name, item in file.items() if isinstance(item, h5py.Dataset)}
    except OSError as error:
        raise UserError(f"{path}: not a .mat file that can be read, or cut short ({error}).") from error


def _open_envi(path: Path) -> ArrayRaster:
    envi = _extra("spectral.io.envi", path)
    try:
        image = envi.open(path)
        mapped = image.open_memmap(interleave="bip", writable=False)
    except Exception as error:  # the library raises its own classes, bare ones, and numpy's
        raise UserError(
            f"{path}: not an ENVI image that can be read, or its data are missing or cut short ({error})."
        ) from error
    if mapped is None:
        raise UserError(
            f"{path}: the ENVI data cannot be mapped: compressed files are not read. Export them uncompressed."
        )
    where = GeoRaster([Source(path=Path(image.filename))]).header if _has_map(image) else None
    scale = float(image.metadata.get("reflectance scale factor", 1) or 1)
    ignore = image.metadata.get("data ignore value")
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
    return ArrayRaster(header, mapped, nodata=None if ignore is None else float(ignore))


def _has_map(image: Any) -> bool:
    return "map info" in image.metadata or "coordinate system string" in image.metadata


def _extra(name: str, path: Path) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"{path}: reading it needs the package {name.split('.')[0]}: pip install 'rsfm[geo]'."
        ) from error
