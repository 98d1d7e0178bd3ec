"""What every reader of pixels offers to a Scene, and the reader of arrays in memory.  h w pixels · c bands"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Shaped

from rsfm.data.resample import nearest_pixels

Window = tuple[int, int, int, int]  # first row, first column, height, width
Affine6 = tuple[float, float, float, float, float, float]  # a b c d e f of GDAL/rasterio order
_SAMPLE = 64  # edge in pixels of the windows looked at when a file is opened
_SCAN = 1024  # edge of the windows a file is searched by when the sample holds nothing valid
IDENTITY: Affine6 = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Header:
    """What a raster says of itself.

    Attributes:
        path: the file or folder.
        height, width, count: pixels, pixels, bands (alpha not counted).
        dtype: of the stored numbers.
        crs: WKT or "EPSG:n", None where the file has none.
        transform: the affine; the identity where the file has none.
        descriptions: the file's own names of the bands, None where it has none.
        scales, offsets: what the file says of each band, 1 and 0 where it says nothing.
        tags: metadata.
        product: names of the file and of the folders it is in.
        wavelengths_um, widths_um: of each band where the file says them, else empty; widths are 0 where only centres are.
        usable: False for the bands that the file calls bad (ENVI's bbl); empty where it says nothing.
        coarse_blocks: reading a small window costs a large block (JPEG 2000, one-strip files).
        notes: what the reader should know.
    """

    path: Path
    height: int
    width: int
    count: int
    dtype: np.dtype
    crs: str | None = None
    transform: Affine6 = IDENTITY
    descriptions: tuple[str | None, ...] = ()
    scales: tuple[float, ...] = ()
    offsets: tuple[float, ...] = ()
    tags: Mapping[str, str] = dataclasses.field(default_factory=dict)
    product: str = ""
    wavelengths_um: tuple[float, ...] = ()
    widths_um: tuple[float, ...] = ()
    usable: tuple[bool, ...] = ()
    coarse_blocks: bool = False
    notes: tuple[str, ...] = ()


@runtime_checkable
class Raster(Protocol):
    """One acquisition. `read` gets a window that lies inside, and the (rows, columns) to shrink it to."""

    header: Header

    def select(self, places: Sequence[int]) -> "Raster": ...

    def read(
        self, window: Window, shape: tuple[int, int] | None = None
    ) -> tuple[Shaped[np.ndarray, "h w c"], Bool[np.ndarray, "h w c"]]: ...

    def cloudy(self, window: Window, shape: tuple[int, int] | None = None) -> Bool[np.ndarray, "h w"] | None: ...


class ArrayRaster:
    """Pixels of an array (h w c), in memory or mapped from a file."""

    def __init__(
        self,
        header: Header,
        values: Shaped[np.ndarray, "h w c"],
        valid: Bool[np.ndarray, "h w"] | None = None,
        nodata: float | None = None,
        places: tuple[int, ...] | None = None,
    ):
        """Takes the numbers and where they are valid, None for everywhere; a number equal to `nodata` is not.

        Args:
            header: of the bands at `places`.
            values: all bands of the file.
            valid: None for everywhere.
            nodata: a stored number that means there is nothing.
            places: which bands of `values` this acquisition has; None for all.
        """
        self.header, self._values, self._valid, self._nodata = header, values, valid, nodata
        self._places = places

    def select(self, places: Sequence[int]) -> "ArrayRaster":
        """The same acquisition with some of its bands, in this order."""
        own = tuple(range(self.header.count)) if self._places is None else self._places
        chosen = tuple(own[i] for i in places)
        return ArrayRaster(select_header(self.header, places), self._values, self._valid, self._nodata, chosen)

    def masked_by(self, place: int) -> "ArrayRaster":
        """The same acquisition without one of its layers, which is 0 where there is nothing."""
        rest = self.select([i for i in range(self.header.count) if i != place])
        layer = self._values[..., place if self._places is None else self._places[place]] != 0
        return ArrayRaster(
            rest.header, self._values, layer if self._valid is None else layer & self._valid, self._nodata, rest._places
        )

    def read(
        self, window: Window, shape: tuple[int, int] | None = None
    ) -> tuple[Shaped[np.ndarray, "h w c"], Bool[np.ndarray, "h w c"]]:
        """Numbers and where they are valid; shrinks by taking every n-th pixel."""
        cut = pick(window, shape)
        values = np.asarray(self._values[cut])
        values = values if self._places is None else values[..., list(self._places)]
        valid = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, bool)
        if self._valid is not None:
            valid &= self._valid[cut][..., None]
        if self._nodata is not None:
            valid &= values != np.asarray(self._nodata).astype(values.dtype)
        return values, valid

    def cloudy(self, window: Window, shape: tuple[int, int] | None = None) -> Bool[np.ndarray, "h w"] | None:
        """Arrays come without cloud layers."""
        return None


def select_header(header: Header, places: Sequence[int]) -> Header:
    """The header of some of the bands, in this order."""
    of_bands = ("descriptions", "scales", "offsets", "wavelengths_um", "widths_um", "usable")
    chosen: dict[str, Any] = {
        name: tuple(getattr(header, name)[i] for i in places) for name in of_bands if getattr(header, name)
    }
    return dataclasses.replace(header, count=len(places), **chosen)


def pick(window: Window, shape: tuple[int, int] | None) -> tuple[np.ndarray, np.ndarray] | tuple[slice, slice]:
    """Indices of a window's pixels, of the nearest ones where it is shrunk to `shape`."""
    row, column, height, width = window
    if shape is None or shape == (height, width):
        return slice(row, row + height), slice(column, column + width)
    rows, columns = row + nearest_pixels(height, shape[0]), column + nearest_pixels(width, shape[1])
    return np.ix_(rows, columns)  # type: ignore[return-value]


def product_name(path: Path) -> str:
    """Names of the file and of the three folders above it, or of all inside a .SAFE: they say product, level and date."""
    parts: Sequence[str] = path.absolute().parts
    safe = [i for i, part in enumerate(parts) if part.upper().endswith(".SAFE")]
    return "/".join(part for part in parts[safe[-1] if safe else -4 :] if part != "/")


def sample_pixels(raster: Raster, indexes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and validity (n c) of a few windows, the last corner among them; of more until one is valid."""
    header = raster.header

    def starts(length: int) -> list[int]:
        return sorted({0, max(0, (length - _SAMPLE) // 2), max(0, length - _SAMPLE)})

    rows, columns = starts(header.height), starts(header.width)
    places = list(itertools.product(rows, columns))
    if header.coarse_blocks:
        places = [(rows[0], columns[0]), (rows[len(rows) // 2], columns[len(columns) // 2]), (rows[-1], columns[-1])]
    numbers, valid = zip(*(_read_flat(raster, indexes, row, column, _SAMPLE) for row, column in places), strict=True)
    if any(part.any() for part in valid):
        return np.concatenate(numbers), np.concatenate(valid)
    for row, column in itertools.product(range(0, header.height, _SCAN), range(0, header.width, _SCAN)):
        block = _read_flat(raster, indexes, row, column, _SCAN)
        if block[1].any():
            return block
    return np.concatenate(numbers), np.concatenate(valid)


def _read_flat(
    raster: Raster, indexes: tuple[int, ...], row: int, column: int, edge: int
) -> tuple[np.ndarray, np.ndarray]:
    window = (row, column, min(edge, raster.header.height - row), min(edge, raster.header.width - column))
    numbers, valid = raster.read(window)
    return numbers[..., indexes].reshape(-1, len(indexes)), valid[..., indexes].reshape(-1, len(indexes))
