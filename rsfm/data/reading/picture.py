"""PNG and JPEG pictures, with the georeference that lies beside them.  h w pixels · c bands"""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from rsfm.data.reading.opening import open_image
from rsfm.data.reading.raster import ArrayRaster, Header, product_name
from rsfm.data.reading.sidecars import beside
from rsfm.errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg")


def open_picture(path: Path) -> ArrayRaster:
    """Reads a picture: RGB as it is, grey as three equal bands, transparency as not valid.

    Args:
        path: a PNG or JPEG file.
    """
    try:
        with warnings.catch_warnings(), open_image(path) as picture:
            warnings.simplefilter("ignore")  # of odd transparency chunks
            values, valid, notes = picture_pixels(picture)
    except UnidentifiedImageError as error:
        raise UserError(f"{path}: not an image that can be read. Expected a PNG or JPEG picture.") from error
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: damaged or cut short ({error}). Fetch or write the file again.") from error
    place = beside(path)
    if place.files:
        notes = (*notes, f"georeference from {' and '.join(place.files)}")
    if place.points:
        notes = (*notes, f"{len(place.points)} ground control points beside it are not used: warp it first, gdalwarp")
    header = Header(
        path=path,
        crs=place.crs,
        transform=place.transform,
        height=values.shape[0],
        width=values.shape[1],
        count=values.shape[2],
        dtype=values.dtype,
        descriptions=("red", "green", "blue"),
        product=product_name(path),
        notes=notes,
    )
    return ArrayRaster(header, values, valid)


def picture_pixels(picture: Image.Image) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """Numbers, where they are valid (None for everywhere), and notes of an opened picture."""
    if picture.mode.startswith("I") or picture.mode == "F":
        grey = np.asarray(picture)
        top = max(int(grey.max()), 1)
        scaled = (grey.astype(np.float32) * (255 / top)).clip(0, 255).astype(np.uint8)
        return (
            np.repeat(scaled[..., None], 3, -1),
            None,
            ("grey picture of more than 8 bits: brightest pixel taken as 1",),
        )
    if "A" in picture.getbands() or "transparency" in picture.info:
        rgba = np.asarray(picture.convert("RGBA"))
        return rgba[..., :3], rgba[..., 3] > 0, ()
    notes = ("grey picture: its one band is used as red, green and blue",) if picture.mode in ("L", "1") else ()
    return np.asarray(picture.convert("RGB")), None, notes
