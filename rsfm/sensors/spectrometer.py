"""Band tables of imaging spectrometers, from the anchors their makers publish.

The wavelength of a channel is a smooth function of its number, so a few (channel, nanometre) anchors and straight lines
between them carry a table of hundreds of rows; each instrument's `source` says how far that is from the published one.
"""

from collections.abc import Sequence

import numpy as np

from rsfm.types import Band

Anchors = Sequence[tuple[int, float]]  # (channel number inside one detector, nanometres)


def interpolate(anchors: Anchors) -> np.ndarray:
    """Nanometres of channels 0 .. last anchor."""
    channel, nanometre = np.array(anchors).T
    return np.interp(np.arange(int(channel[-1]) + 1), channel, nanometre)


def bands(
    centers_nm: Sequence[float] | np.ndarray, widths_nm: Sequence[float] | np.ndarray, *, gsd_m: float, unit: str
) -> tuple[Band, ...]:
    """Bands B001, B002, ... with centre and width given in nanometres."""
    return tuple(
        Band(
            name=f"B{i:03d}",
            center_um=round(float(center) / 1000, 6),
            width_um=round(float(width) / 1000, 6),
            gsd_m=gsd_m,
            unit=unit,
        )
        for i, (center, width) in enumerate(zip(centers_nm, widths_nm, strict=True), start=1)
    )
