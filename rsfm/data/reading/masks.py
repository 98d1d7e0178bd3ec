"""Mask and class layers that a file keeps among its bands without saying so: they are no near infrared.  n pixels · c bands"""

import numpy as np

from rsfm.data.reading.geotiff import GeoRaster
from rsfm.data.reading.raster import ArrayRaster, Raster, sample_pixels

MOST_BANDS = 16  # of files that are looked at: cubes have no such layers
_FULL = (1, 255, 65535)
_CLASSES = 16  # so many different numbers are classes where ...
_MEASURED = 64  # ... the other bands have so many


def without_mask_layer(raster: Raster) -> tuple[Raster, str | None]:
    """The file without an unnamed last layer that is a mask (then used as one) or a class map, and a note."""
    header = raster.header
    named = len(header.descriptions) == header.count and header.descriptions[-1]
    if not 2 <= header.count <= MOST_BANDS or named or not isinstance(raster, GeoRaster | ArrayRaster):
        return raster, None
    numbers, _ = sample_pixels(raster, tuple(range(header.count)))
    last, others = np.unique(numbers[:, -1]), [len(np.unique(band)) for band in numbers[:, :-1].T]
    bands, place = list(range(header.count - 1)), header.count - 1
    full = last[-1]
    if full in _FULL and set(last) <= {0, full} and max(others) > 2:
        return raster.masked_by(
            place
        ), f"{header.path.name}: layer {header.count} holds only 0 and {full:g}: used as a mask"
    if header.dtype.kind in "iu" and len(last) <= _CLASSES and full <= 255 and np.median(others) > _MEASURED:
        note = f"{header.path.name}: layer {header.count} holds {len(last)} different numbers up to {full:g}: left out"
        return raster.select(bands), f"{note}, as it is no measurement"
    return raster, None
