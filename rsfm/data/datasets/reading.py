"""Readers shared by the datasets: pictures, arrays and rasters, each with a one-line error that names the file.

h w pixels · c bands
"""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from rsfm.data.datasets.base import read_error
from rsfm.data.reading.geotiff import GeoRaster, Source
from rsfm.data.reading.memory import check_fits
from rsfm.data.reading.nodata import no_data
from rsfm.data.reading.opening import open_array, open_image
from rsfm.errors import UserError
from rsfm.types import Sensor

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
    """The pixels, grid, validity and tags of one raster, read at once by the reader of users' files.

    Attributes:
        values: float32 [h, w, c], as stored: a data set knows its own scale. NaN where a band has nothing.
        valid: [h, w], whether any band has something.
        grid: map grid of the file as stored; crs None where it has none.
        tags: the file's metadata.
        names: of the bands, None where the file gives a band none.
    """

    values: Float[np.ndarray, "h w c"]
    valid: Bool[np.ndarray, "h w"]

    def __init__(
        self,
        name: str,
        path: Path,
        *,
        sensor: Sensor | None = None,
        size: tuple[int, int] | None = None,
        nodata: bool = True,
    ) -> None:
        """Reads the file.

        Args:
            name: the dataset, for error messages.
            path: the file.
            sensor: the instrument, whose fills mean nothing, declared or not; None for labels.
            size: (height, width) to enlarge to, bilinear, on the same footprint; None as stored.
            nodata: False where the file's nodata number or alpha is also a real value (255 = white in a picture).

        Raises:
            UserError: not there, damaged, complex, of no allowed format, or too large for the memory.
        """
        if not path.exists():
            raise UserError(f"{name}: expected the raster {path}, found nothing. Fetch the dataset again.")
        raster = GeoRaster([Source(path=path)])
        raster = raster if nodata else raster.with_alpha_as_band()
        header = raster.header
        check_fits(path, (header.count, *(size or (header.height, header.width))), _BYTES)
        stored, there = raster.read((0, 0, header.height, header.width), size)
        raster.close()
        there = there if nodata else np.isfinite(stored)
        if sensor is not None:
            fills = no_data(sensor, sensor.bands, header.dtype, converted=True, plausible_zero=True).fills
            there = there & ~np.isin(stored, fills)
        self.grid, self.tags, self.names = raster.grid, dict(header.tags), header.descriptions
        self.values = np.where(there, stored, np.float32(np.nan)).astype(np.float32)
        self.valid = np.asarray(there.any(-1))


def class_numbers(values: Float[np.ndarray, "h w"]) -> Int[np.ndarray, "h w"]:
    """The whole numbers of a label, -1 where it has none."""
    return np.where(np.isnan(values), -1, np.nan_to_num(values)).astype(np.int64)
