"""The class of each pixel out of a mask file: class numbers in any type, colours, alpha.   h w pixels · c bands"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import rasterio.errors
from jaxtyping import Bool, Int, Shaped
from rasterio.enums import ColorInterp

from rsfm.data.datasets.base import read_error
from rsfm.data.datasets.legends import Legend
from rsfm.data.reading.memory import check_fits
from rsfm.data.reading.opening import gdal, open_raster
from rsfm.errors import UserError

LOSSY = (".jpg", ".jpeg")
BYTES = 8  # a pixel and band, at most
WHOLE = 0.99  # share of the finite numbers that have to be whole


def read_mask(
    path: Path, legend: Legend, classes: tuple[str, ...], *, shape: tuple[int, int]
) -> Int[np.ndarray, "h w"]:
    """Index into `classes` of each pixel, -1 where unlabelled.

    Args:
        path: of one band of class numbers, of colours, with or without alpha.
        legend: what its numbers or colours mean.
        classes: of all masks of the table; names of `legend` among them.
        shape: expected height and width.

    Raises:
        UserError: not readable, another size, bands that are no colours of a legend, numbers that are no classes.
    """
    if path.suffix.lower() in LOSSY:
        raise UserError(f"{path.name}: JPEG blurs class numbers. Save the mask as PNG or GeoTIFF.")
    numbers, seen, nodata = _numbers(path, legend, shape)
    place = {name.lower(): i for i, name in enumerate(classes)}
    out = np.full(shape, -1, np.int64)
    for number, name in legend.names.items():
        out[seen & (numbers == number)] = place[name.lower()]
    if not legend.coloured:
        _warn_of_unknown(path, numbers[seen & (out < 0)], nodata, legend, numbers.size, ones=bool((numbers == 1).any()))
    return out


def _warn_of_unknown(
    path: Path, unknown: Shaped[np.ndarray, " n"], nodata: float | None, legend: Legend, pixels: int, *, ones: bool
) -> None:
    """Tells of a number, no nodata, that the legend lacks and that holds over half of the mask; and of 255 in place of 1."""
    unknown = unknown[np.isfinite(unknown)] if unknown.dtype.kind == "f" else unknown
    found, counts = np.unique(unknown, return_counts=True)
    shares = {int(n): c / pixels for n, c in zip(found, counts, strict=True) if n != nodata}
    if sum(shares.values()) > 0.5 or (set(shares) == {255} and 1 in legend.names and not ones):
        number = max(shares, key=lambda n: shares[n])
        warnings.warn(
            f"{path.name}: {shares[number]:.0%} of the mask is {number}, which the legend lacks: these pixels count as "
            f"unlabelled. Write {number}=<class> into the legend if it is one.",
            stacklevel=2,
        )


def _numbers(
    path: Path, legend: Legend, shape: tuple[int, int]
) -> tuple[Shaped[np.ndarray, "h w"], Bool[np.ndarray, "h w"], float | None]:
    """What stands at each pixel, in the file's own type, whether the file has a pixel there, and its nodata number.

    A declared nodata number needs no look: where the legend lacks it, it is no class; where the legend has it, it is one.
    """
    try:
        with gdal(), open_raster(path) as source:
            alpha = [i for i, kind in enumerate(source.colorinterp) if kind == ColorInterp.alpha]
            if (source.height, source.width) != shape:
                raise UserError(
                    f"{path.name} is {source.height} x {source.width}, expected the image's {shape[0]} x {shape[1]} "
                    "pixels. Write it on the image's grid."
                )
            check_fits(path, (source.count, *source.shape), 2 * BYTES)
            bands, nodata = source.read(), source.nodata
            palette = _palette(source) if legend.coloured and source.colorinterp[0] == ColorInterp.palette else None
    except rasterio.errors.RasterioIOError as error:
        raise read_error("mask", path, error) from error
    seen = np.all(bands[alpha] > 0, axis=0) if alpha else np.ones(shape, bool)
    shown = np.delete(bands, alpha, axis=0)
    if palette is not None:
        shown = np.moveaxis(palette[shown[0]], -1, 0)
    if legend.coloured:
        return _coloured(path, shown), seen, nodata
    return _plain(path, shown)[0], seen, nodata


def _palette(source: Any) -> Int[np.ndarray, "_ 3"]:
    table = np.zeros((256, 3), np.int64)
    for index, colour in source.colormap(1).items():
        table[index] = colour[:3]
    return table


def _coloured(path: Path, bands: Shaped[np.ndarray, "c h w"]) -> Int[np.ndarray, "h w"]:
    """Colours as numbers, as Legend has them; a grey picture is read as one of three like bands."""
    if len(bands) == 1:
        bands = np.repeat(bands, 3, axis=0)
    if len(bands) != 3 or bands.dtype.kind not in "iu":
        raise UserError(f"{path.name}: a legend of colours is for pictures of three bands, found {len(bands)} bands.")
    red, green, blue = bands.astype(np.int64)
    return red * 65536 + green * 256 + blue


def _plain(path: Path, bands: Shaped[np.ndarray, "c h w"]) -> Shaped[np.ndarray, "1 h w"]:
    """The one band of class numbers; a grey picture saved in three like bands has one."""
    if len(bands) == 3 and np.array_equal(bands[0], bands[1]) and np.array_equal(bands[0], bands[2]):
        bands = bands[:1]
    if len(bands) != 1:
        raise UserError(
            f"{path.name} has {len(bands)} bands, expected one of class numbers. Save the class numbers in one band, "
            "or write a legend of colours: #0000ff=water;#00aa00=trees."
        )
    if bands.dtype.kind == "c":
        raise UserError(f"{path.name}: expected class numbers, found {bands.dtype}. Save whole numbers.")
    finite = bands[np.isfinite(bands)] if bands.dtype.kind == "f" else np.zeros(0)
    if finite.size and np.mean(finite == np.round(finite)) < WHOLE:
        raise UserError(
            f"{path.name}: expected class numbers, found fractions such as {finite[finite != np.round(finite)][0]:g}. "
            "Save the class of each pixel as a whole number, or give a map of numbers in a column value_map:<name>[unit]."
        )
    return bands
