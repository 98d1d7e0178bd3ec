"""Cubert UHD 285, a snapshot spectrometer for the field: 125 bands from 450 to 950 nm."""

import numpy as np

from rsfm.sensors.spectrometer import bands
from rsfm.types import Sensor

_CENTERS_NM = np.arange(454.0, 951.0, 4.0)
# Full width at half maximum: 8 nm at 532 nm by the maker, growing to 25 nm at 850 nm.
_WIDTHS_NM = np.interp(_CENTERS_NM, (532.0, 850.0), (8.0, 25.0))

CUBERT_UHD285 = Sensor(
    name="cubert_uhd285",
    title="Cubert UHD 285 field spectrometer, reflectance",
    family="hyperspectral",
    bands=bands(_CENTERS_NM, _WIDTHS_NM, gsd_m=0.01, unit="reflectance"),
    source="Cubert UHD 285 data sheet: 450-950 nm sampled every 4 nm, 8 nm at 532 nm and 25 nm at 850 nm",
)
