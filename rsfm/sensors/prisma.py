"""PRISMA hyperspectral camera, the 234 valid bands of L2D: 63 visible to near infrared, 171 short-wave infrared."""

import numpy as np

from rsfm.sensors.spectrometer import bands
from rsfm.types import Sensor

_VNIR = np.linspace(406.99, 977.37, 63)
_SWIR = np.linspace(943.36, 2497.12, 171)

PRISMA = Sensor(
    name="prisma",
    title="PRISMA L2D, surface reflectance",
    family="hyperspectral",
    bands=bands([*_VNIR, *_SWIR], [12.0] * (len(_VNIR) + len(_SWIR)), gsd_m=30.0, unit="reflectance"),
    scale=1 / 65535,  # of a cube whose L2ScaleMin is 0 and L2ScaleMax 1; others want reflectance given as floats
    source="ASI PRISMA products specification: first and last valid centre of each detector, equal steps between them "
    "(true steps vary by 6-11 nm), width at most 12 nm; bands in order of wavelength inside each detector",
    products=(r"PRS_L[12]", r"PRISMA"),
    assumed=("integer", "float"),
    fill=(0,),
)
