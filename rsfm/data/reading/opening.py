"""The one place where rasters, pictures and arrays are opened, with what a file may reach and how large it may be.

A file is opened with the driver its own first bytes call for and with no other, for reading only; the network is off; what
lies beside it is followed only where it is a plain raster or text.
"""

import contextlib
import math
import os
import threading
import tokenize
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError

from rsfm.data.reading.formats import HDF5_SIGNATURE, beginning, driver_of
from rsfm.data.reading.memory import check_fits
from rsfm.data.reading.virtual import resolved
from rsfm.data.reading.zarr_store import check_store
from rsfm.errors import UserError

CACHE_BYTES = 256 << 20  # GDAL's own default is a share of the machine's memory, which a bound on ours could not hold
# In force while a file is opened and while it is read: GDAL opens overviews and masks only when they are first needed.
ENVIRONMENT = {
    "GDAL_CACHEMAX": CACHE_BYTES,
    "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",  # sidecars are looked up by name: those of SIDECARS and text
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "/vsicurl/nothing",
    "GDAL_HTTP_PROXY": "http://127.0.0.1:9",  # the port that answers nothing
    "GDAL_HTTP_MAX_RETRY": "0",
    "GDAL_HTTP_CONNECTTIMEOUT": "1",
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GDAL_VRT_ENABLE_RAWRASTERBAND": "NO",
    "OPENJPEG_NUM_THREADS": "1",
}
# What GDAL opens as a raster beside a file, whatever it holds: checked like the file itself. World files (.tfw .jgw .wld
# ...), projections and product metadata beside it are text, which names nothing.
SIDECARS = (".ovr", ".OVR", ".msk", ".MSK")
MAX_AUX_BYTES = 16 << 20
_LARGE_BLOCK = 64 << 20
_PICTURE_BYTES = 12  # a pixel: as stored, as RGBA and as RGB
_LIMIT = threading.Lock()  # Pillow's own limit of pixels is one number for all threads
_NO_NUMBERS = ("char", "cell", "struct", "object", "function", "opaque", "sparse", "unknown")  # kinds in MATLAB files


def gdal(**options: Any) -> rasterio.Env:
    """GDAL without network, to be in force (`with gdal():`) as long as a raster is open."""
    return rasterio.Env(**ENVIRONMENT, **options)


def open_raster(path: Path, *, allow_vrt: bool = False) -> rasterio.DatasetReader:
    """Opens a raster for reading; `gdal()` is to be in force while it is read.

    Args:
        path: a file; its format is told from its first bytes.
        allow_vrt: open a VRT, too, whose sources are plain rasters in its own folder.

    Raises:
        UserError: a format that is not read, or a file that points at others.
        RasterioIOError: it is damaged.
    """
    return _open_raster(Path(path), allow_vrt, nested=0)


def create_raster(path: Path, **profile: Any) -> Any:
    """Opens a new GeoTIFF for writing, in place of what is there."""
    with _quiet(), gdal(GDAL_PAM_ENABLED=False):
        return rasterio.open(path, "w", driver="GTiff", **profile)


def copy_to_cog(source: Path, target: Path, **options: str) -> None:
    """Writes a GeoTIFF again as Cloud Optimized GeoTIFF."""
    with _quiet(), gdal(GDAL_PAM_ENABLED=False), open_raster(source) as dataset:
        rasterio.shutil.copy(dataset, target, driver="COG", **options)


def open_image(path: Path, formats: Sequence[str] = ("PNG", "JPEG")) -> Image.Image:
    """Opens a picture with the named readers of Pillow and no other, if its pixels fit into memory.

    Raises:
        UserError: it is too large.
        PIL.UnidentifiedImageError, OSError, SyntaxError, ValueError: it is none, or damaged.
    """
    beginning(path)
    with _LIMIT, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd EXIF and transparency chunks
        previous, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            picture = Image.open(path, formats=list(formats))
        finally:
            Image.MAX_IMAGE_PIXELS = previous
    with contextlib.ExitStack() as stack:
        stack.callback(picture.close)
        check_fits(path, (picture.height, picture.width), _PICTURE_BYTES)
        stack.pop_all()
    return picture


def open_array(path: Path, *, mapped: bool = False) -> np.ndarray:
    """The array of a .npy file, in memory or mapped from it; pickled objects are never read.

    Raises:
        UserError: it does not fit into memory.
        OSError, ValueError, EOFError: it is none, damaged, or shorter than its header says.
    """
    beginning(path)
    try:
        array = np.load(
            path, mmap_mode="r", allow_pickle=False
        )  # mapping fails where the file is shorter than declared
    except (SyntaxError, TypeError, OverflowError, RecursionError, MemoryError, tokenize.TokenError) as error:
        raise ValueError(f"its header cannot be read: {error}") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise ValueError("expected one array, found an archive")
    if mapped:
        return array
    check_fits(path, array.shape, array.itemsize)
    return np.array(array)


def open_arrays(path: Path) -> Mapping[str, np.ndarray]:
    """The arrays of a .npz archive by name.

    Raises:
        UserError: they do not fit into memory.
    """
    import zipfile

    with zipfile.ZipFile(path) as archive:
        check_fits(path, (sum(entry.file_size for entry in archive.infolist()),), 1)
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def open_matlab(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a MATLAB file of three axes and more, by name, of any version.

    Raises:
        UserError: they do not fit into memory.
    """
    if beginning(path, 520)[-8:] == HDF5_SIGNATURE or beginning(path, 8) == HDF5_SIGNATURE:
        with open_hdf5(path) as file:
            names = [name for name in file if hasattr(file[name], "shape")]
            check_fits(path, (sum(file[name].size * file[name].dtype.itemsize for name in names),), 1)
            return {name: np.asarray(file[name]).T for name in names}  # MATLAB stores the axes in reverse
    from scipy.io import loadmat, whosmat

    listed = whosmat(path)  # reads names and shapes only
    names = [name for name, shape, kind in listed if kind not in _NO_NUMBERS]
    check_fits(path, (sum(math.prod(shape) for name, shape, _ in listed if name in names),), 16)
    return {name: value for name, value in loadmat(path, variable_names=names).items() if not name.startswith("__")}


def open_envi(path: Path) -> tuple[Any, np.ndarray]:
    """An ENVI image as its header tells it, and its numbers (h w c) mapped from the file beside it.

    Args:
        path: of the header, .hdr.

    Raises:
        UserError: it is a library of spectra, compressed, or larger than its data.
    """
    try:
        from spectral.io import envi
    except ImportError as error:
        raise UserError(f"{path}: reading it needs the package spectral: pip install 'rsfm[geo]'.") from error
    if beginning(path, 4) != b"ENVI" or path.stat().st_size > MAX_AUX_BYTES:
        raise UserError(f"{path}: expected an ENVI header, a small text that begins with ENVI.")
    try:
        header = envi.read_envi_header(str(path.absolute()))
        if "library" in str(header.get("file type", "")).lower() or str(header.get("file compression", "0")) != "0":
            raise UserError(
                f"{path}: expected an uncompressed ENVI image, found a compressed one or a spectral library."
            )
        image = envi.open(str(path.absolute()))
        beginning(Path(image.filename))
        mapped = image.open_memmap(interleave="bip", writable=False)
    except UserError:
        raise
    except Exception as error:  # the library raises its own classes, bare ones, and numpy's
        raise UserError(
            f"{path}: not an ENVI image that can be read, or its data are missing or shorter than the header says "
            f"({error}). Export it again, with its data."
        ) from error
    if mapped is None or 0 in mapped.shape:
        raise UserError(f"{path}: the ENVI data cannot be mapped: compressed or empty. Export them uncompressed.")
    return image, mapped


def open_classic_netcdf(path: Path) -> dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, Any]]]:
    """The variables of a classic NetCDF file: dimensions, numbers, attributes.

    Raises:
        UserError: larger than memory, which no honest header of a file of this size says.
        OSError, ValueError, TypeError, KeyError, IndexError, AssertionError: it is damaged.
    """
    from scipy.io import netcdf_file

    beginning(path)
    check_fits(path, (path.stat().st_size,), 2)
    with netcdf_file(path, "r", mmap=True) as file:  # mapping fails where the file is shorter than declared
        return {
            name: (tuple(each.dimensions[: each.data.ndim]), np.array(each.data), dict(each._attributes))
            for name, each in file.variables.items()
        }


def open_zarr(path: Path) -> dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, Any]]]:
    """The arrays at the top of a Zarr folder: dimensions, numbers, attributes.

    Raises:
        UserError: links in the folder, a codec that is no compression of numbers, or more than fits into memory.
        OSError, ValueError, TypeError, KeyError, RuntimeError: it is damaged.
    """
    try:
        import zarr
    except ImportError as error:
        raise UserError(f"{path}: reading it needs the package zarr: pip install 'rsfm[geo]'.") from error
    check_store(path)
    group = zarr.open_group(str(path.absolute()), mode="r")
    arrays = dict(group.arrays())
    check_fits(path, (sum(each.nbytes for each in arrays.values()),), 1)
    out = {}
    for name, each in arrays.items():
        attributes: dict[str, Any] = dict(each.attrs)
        named: Any = attributes.get("_ARRAY_DIMENSIONS") or getattr(each.metadata, "dimension_names", None) or ()
        out[name] = tuple(str(dim) for dim in tuple(named)), np.asarray(each[...]), attributes
    return out


@contextlib.contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """An HDF5 file (NetCDF-4, HE5 and MATLAB 7.3 are such), if all it holds lies in itself.

    Raises:
        UserError: it is damaged, or holds links to or numbers from other files, or groups in a circle.
    """
    try:
        import h5py
    except ImportError as error:
        raise UserError(f"{path}: reading it needs the package h5py: pip install 'rsfm[geo]'.") from error
    from rsfm.data.reading.hdf5 import check_contained

    beginning(path)
    try:
        with h5py.File(path, "r") as file:
            check_contained(path, file)
            yield file
    except (OSError, RuntimeError, KeyError) as error:
        raise UserError(f"{path}: not an HDF5 file that can be read, or cut short ({error}).") from error


def _open_raster(path: Path, allow_vrt: bool, nested: int) -> rasterio.DatasetReader:
    try:
        driver = driver_of(path)
    except OSError as error:
        raise RasterioIOError(f"{path}: {error.strerror}") from error
    opened = os.path.abspath(path)  # so that no name is taken for an address or a driver's prefix
    if driver == "VRT":
        opened = _virtual(path, allow_vrt)
    if driver == "netCDF" and beginning(path, 8) == HDF5_SIGNATURE:
        with open_hdf5(path):
            pass
    _check_sidecars(path, nested)
    with _quiet(), gdal():
        dataset = rasterio.open(opened, driver=driver)
    try:
        _check_dataset(path, dataset)
    except BaseException:
        dataset.close()
        raise
    return dataset


def _virtual(path: Path, allow_vrt: bool) -> str:
    if not allow_vrt:
        raise UserError(
            f"{path}: found a VRT, which points at other files. Convert it to a GeoTIFF with gdal_translate -of COG, "
            "or allow it with --allow-vrt."
        )
    text, sources = resolved(path)
    for source in sources:
        _open_raster(source, False, 0).close()
    return text


def _check_sidecars(path: Path, nested: int) -> None:
    """Refuses overviews and masks beside a file that are no GeoTIFF: GDAL would open them with any driver."""
    for suffix in SIDECARS:
        beside = path.with_name(path.name + suffix)
        if not os.path.lexists(beside):
            continue
        if nested > 1 or driver_of(beside) != "GTiff":
            raise UserError(f"{beside}: expected a GeoTIFF of overviews or masks, found another format. Remove it.")
        _open_raster(beside, False, nested + 1).close()
    aux = path.with_name(f"{path.name}.aux.xml")
    if aux.exists() and (not aux.is_file() or aux.stat().st_size > MAX_AUX_BYTES):
        raise UserError(f"{aux}: expected a small XML file of metadata, found another. Remove it.")


def _check_dataset(path: Path, dataset: Any) -> None:
    """Refuses overviews in other files, named in tags or beside the file, and blocks too large to hold."""
    if any(name.casefold() in ("overviews", "proxyoverviewrequest") for name in dataset.tag_namespaces()):
        raise UserError(
            f"{path}: its metadata name another file as its overviews, which is never opened. "
            "Remove OVERVIEW_FILE from its metadata."
        )
    if dataset.count:
        bands = 1 if getattr(dataset.interleaving, "name", "") == "band" else dataset.count
        block, itemsize = (*dataset.block_shapes[0], bands), stored_dtype(dataset.dtypes[0]).itemsize
        if math.prod(block) * itemsize > _LARGE_BLOCK:
            check_fits(path, block, 2 * itemsize, advice="Write it again in tiles: gdal_translate -of COG.")


def stored_dtype(name: str) -> np.dtype:
    """numpy's type for one of rasterio's: complex integers, which numpy has not, are read as complex floats."""
    return np.dtype("complex64" if name.startswith("complex_int") else name)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # a Scene says so in its notes
        yield
