"""AVIRIS as flown on 12 June 1992 over Indian Pines: the 200 channels left of 220 when the water bands are dropped."""

import numpy as np

from rsfm.sensors.spectrometer import bands
from rsfm.types import Sensor

# Per spectrometer: channels, then centre and width in nm as constant, linear and square term of the channel number.
_SPECTROMETERS = (
    (31, (400.0204, 9.795127, 2.916e-3), (9.7805, 4.0014e-2, -1.444e-3)),
    (63, (686.9105, 9.641913, -5.61e-4), (8.8690, 3.802e-3, -3.0e-5)),
    (63, (1272.9970, 9.966234, -6.81e-4), (9.1814, 2.0529e-2, -1.39e-4)),
    (63, (1883.2369, 10.012785, -1.319e-3), (13.7717, 3.4733e-2, -3.36e-4)),
)
_WATER = {*range(104, 109), *range(150, 164), 220}  # one-based channels left out of the corrected cube


def _column(which: int) -> np.ndarray:
    parts = [np.polynomial.polynomial.polyval(np.arange(row[0]), row[which]) for row in _SPECTROMETERS]
    kept = [channel not in _WATER for channel in range(1, 221)]
    return np.concatenate(parts)[kept]


AVIRIS_INDIAN_PINES = Sensor(
    name="aviris_indian_pines",
    title="AVIRIS 1992, Indian Pines, 200 corrected channels, radiance over 100 W/(m2 um sr)",
    family="hyperspectral",
    bands=bands(_column(1), _column(2), gsd_m=20.0, unit="1"),
    scale=1 / 5000,  # (number - 1000) / 50 = W per m2, um and sr; told as a share of 100 of those
    offset=-0.2,
    source="JPL spectral calibration of 1992 (92AV3C), as square polynomials per spectrometer within 0.01 nm; the four "
    "spectrometers overlap, so centres step back three times; water bands 104-108, 150-163, 220 dropped; gain from the "
    "data set's documentation (Purdue)",
    products=(r"INDIAN[-_ ]?PINES", r"92AV3C"),
    assumed=("integer", "float"),
)
