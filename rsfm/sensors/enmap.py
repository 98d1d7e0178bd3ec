"""EnMAP hyperspectral imager, 224 bands: 91 visible to near infrared, 133 short-wave infrared."""

import numpy as np

from rsfm.sensors.spectrometer import bands, interpolate
from rsfm.types import Sensor

_VNIR = interpolate(
    [
        (0, 418.416),
        (5, 444.699),
        (10, 468.411),
        (15, 491.78),
        (20, 515.672),
        (25, 540.463),
        (30, 566.405),
        (35, 593.773),
        (40, 622.921),
        (45, 653.841),
        (50, 686.319),
        (55, 720.501),
        (60, 756.353),
        (65, 793.639),
        (70, 832.145),
        (75, 871.683),
        (80, 911.968),
        (85, 952.608),
        (90, 993.338),
    ]
)
_SWIR = np.concatenate(
    [
        interpolate([(0, 901.961), (8, 982.523), (16, 1070.39), (24, 1163.44), (34, 1282.92), (43, 1390.48)]),
        interpolate([(0, 1461.1), (9, 1564.3), (18, 1663.87), (27, 1759.51)]),  # water vapour cut out on both sides
        interpolate([(0, 1939.14), (12, 2050.92), (24, 2156.88), (36, 2257.61), (48, 2353.64), (60, 2445.3)]),
    ]
)

ENMAP = Sensor(
    name="enmap",
    title="EnMAP L2A, surface reflectance",
    family="hyperspectral",
    bands=bands([*_VNIR, *_SWIR], [6.5] * len(_VNIR) + [10.0] * len(_SWIR), gsd_m=30.0, unit="reflectance"),
    scale=1e-4,
    source="DLR EnMAP spectral bands table (VNIR 418-993 nm, SWIR 902-2445 nm), centres interpolated between every 5th "
    "to 12th band within 1 nm; widths are the mission's means, 6.5 nm VNIR and 10 nm SWIR",
    products=(r"ENMAP",),
    assumed=("integer", "float"),
    fill=(-32768,),
)
