"""Readers shared by the datasets: pictures, arrays and rasters, each with a one-line error that names the file.

h w pixels · c bands
"""

from pathlib import Path

import numpy as np
import rasterio
import rasterio.enums
import rasterio.errors
from jaxtyping import Bool, Float, UInt8

from rsfm.data.datasets.base import read_error
from rsfm.data.reading.memory import check_fits
from rsfm.data.reading.opening import gdal, open_array, open_image, open_raster
from rsfm.errors import UserError
from rsfm.types import GeoGrid

_BYTES = 16  # a number of a raster: as stored, as float32, and its checks


def read_picture(name: str, path: Path) -> UInt8[np.ndarray, "h w 3"]:
    """A PNG, JPEG or TIFF picture as 8-bit RGB."""
    try:
        with open_image(path, ("PNG", "JPEG", "TIFF")) as image:
            return np.asarray(image.convert("RGB"), dtype=np.uint8)
    except FileNotFoundError:
        raise UserError(f"{name}: the picture {path} is listed but not there. Fetch the dataset again.") from None
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise read_error(name, path, error) from error


def read_array(name: str, path: Path) -> np.ndarray:
    """A .npy array; pickled objects are refused."""
    try:
        return open_array(path)
    except FileNotFoundError:
        raise UserError(f"{name}: expected the array {path}, found nothing. Fetch the dataset again.") from None
    except (OSError, ValueError, EOFError) as error:
        if isinstance(error, UserError):
            raise
        raise read_error(name, path, error) from error


class RasterFile:
    """The pixels, grid, validity and tags of one georeferenced file, read at once.

    Attributes:
        values: float32 [h, w, c], as stored.
        valid: [h, w], False where a band is the file's nodata value or not a number.
        grid: map grid; crs None where the file has none.
        tags: the file's metadata.
        names: of the bands, None where the file gives a band none.
    """

    values: Float[np.ndarray, "h w c"]
    valid: Bool[np.ndarray, "h w"]

    def __init__(self, name: str, path: Path, *, size: tuple[int, int] | None = None, nodata: bool = True) -> None:
        """Reads the file.

        Args:
            name: the dataset, for error messages.
            path: the file.
            size: (height, width) to resample to, bilinear, on the same footprint; None as stored.
            nodata: False where the file's nodata number is also a real value (255 = white in a picture).
        """
        try:
            with gdal(), open_raster(path) as source:
                shape = None if size is None else (source.count, *size)
                check_fits(path, shape or (source.count, *source.shape), _BYTES)
                data = source.read(out_shape=shape, resampling=rasterio.enums.Resampling.bilinear)
                mask = source.dataset_mask(out_shape=size) if nodata else np.full(data.shape[1:], 255, np.uint8)
                self.grid = grid_of(source)
                self.tags = dict(source.tags())
                self.names: tuple[str | None, ...] = source.descriptions
        except rasterio.errors.RasterioIOError as error:
            if not path.exists():
                raise UserError(
                    f"{name}: expected the raster {path}, found nothing. Fetch the dataset again."
                ) from None
            raise read_error(name, path, error) from error
        self.values = np.ascontiguousarray(np.moveaxis(data, 0, -1).astype(np.float32))
        finite = np.isfinite(self.values).all(-1)
        self.valid = (mask > 0) & finite
        self.values = np.where(np.isfinite(self.values), self.values, np.float32(0.0))


def grid_of(source: rasterio.DatasetReader) -> GeoGrid:
    """The GeoGrid of an open file; the CRS as "EPSG:n" where it has a number, else WKT."""
    crs = None
    if source.crs:
        code = source.crs.to_epsg()
        crs = f"EPSG:{code}" if code else source.crs.to_wkt()
    t = source.transform
    return GeoGrid(crs=crs, transform=(t.a, t.b, t.c, t.d, t.e, t.f), height=source.height, width=source.width)
