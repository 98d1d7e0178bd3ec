"""The class of each pixel out of a mask file: class numbers in any type, colours, alpha.   h w pixels · c bands"""

from pathlib import Path

import numpy as np
import rasterio.errors
from jaxtyping import Int, Shaped
from rasterio.enums import ColorInterp

from rsfm.data.datasets.base import read_error
from rsfm.data.datasets.legends import Legend
from rsfm.data.reading.labels import Label, read_label
from rsfm.errors import UserError
from rsfm.types import GeoGrid

LOSSY = (".jpg", ".jpeg")
WHOLE = 0.99  # share of the finite numbers that have to be whole


def read_mask(
    path: Path, legend: Legend, classes: tuple[str, ...], grid: GeoGrid
) -> tuple[Int[np.ndarray, "h w"], tuple[str, ...]]:
    """Index into `classes` of each pixel of the image, -1 where unlabelled; and what the reader should know of it.

    A declared nodata number needs no look: where the legend lacks it, it is no class; where the legend has it, it is one.

    Args:
        path: of one band of class numbers, or of colours, with or without alpha.
        legend: what its numbers or colours mean.
        classes: of all masks of the table; names of `legend` among them.
        grid: of the image, in whose pixels it is read (rsfm.data.reading.labels).

    Raises:
        UserError: not readable, other ground, bands that are no colours of a legend, numbers that are no classes.
    """
    if path.suffix.lower() in LOSSY:
        raise UserError(f"{path.name}: JPEG blurs class numbers. Save the mask as PNG or GeoTIFF.")
    try:
        label = read_label(path, grid)
    except rasterio.errors.RasterioIOError as error:
        raise read_error("mask", path, error) from error
    alpha = [i for i, kind in enumerate(label.kinds) if kind == ColorInterp.alpha]
    seen = label.inside & np.all(label.bands[alpha] > 0, axis=0)
    bands = np.delete(label.bands, alpha, axis=0)
    numbers = _coloured(path, _painted(bands, label)) if legend.coloured else _plain(path, bands)[0]
    place = {name.lower(): i for i, name in enumerate(classes)}
    out = np.full(numbers.shape, -1, np.int64)
    for number, name in legend.names.items():
        out[seen & (numbers == number)] = place[name.lower()]
    unknown = "" if legend.coloured else _unknown(path, numbers[seen & (out < 0)], numbers, label.nodata, legend)
    return out, tuple(note for note in (label.note, unknown) if note)


def _unknown(
    path: Path,
    left: Shaped[np.ndarray, " n"],
    numbers: Shaped[np.ndarray, "h w"],
    nodata: float | None,
    legend: Legend,
) -> str:
    """A note of a number, no nodata, that the legend lacks and that holds over half of the mask; and of 255 in place of 1."""
    left = left[np.isfinite(left)] if left.dtype.kind == "f" else left
    found, counts = np.unique(left, return_counts=True)
    shares = {int(n): c / numbers.size for n, c in zip(found, counts, strict=True) if n != nodata}
    white = set(shares) == {255} and 1 in legend.names and not (numbers == 1).any()
    if not white and sum(shares.values()) <= 0.5:
        return ""
    number = max(shares, key=lambda n: shares[n])
    return (
        f"{path.name}: {shares[number]:.0%} of the mask is {number}, which the legend lacks: these pixels count as "
        f"unlabelled. Write {number}=<class> into the legend if it is one."
    )


def _painted(bands: Shaped[np.ndarray, "c h w"], label: Label) -> Shaped[np.ndarray, "k h w"]:
    """The colours that a palette gives to numbers; bands of colours as they are."""
    if not label.palette:
        return bands
    table = np.zeros((256, 3), np.int64)
    for index, colour in label.palette.items():
        table[index] = colour[:3]
    return np.moveaxis(table[bands[0]], -1, 0)


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
