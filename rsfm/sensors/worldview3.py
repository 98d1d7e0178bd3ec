"""WorldView-3: eight multispectral bands, and apart the eight short-wave infrared ones, files of their own."""

from rsfm.types import Band, Sensor

# name, first nm, last nm
_MULTISPECTRAL = (
    ("coastal", 400, 450),
    ("blue", 450, 510),
    ("green", 510, 580),
    ("yellow", 585, 625),
    ("red", 630, 690),
    ("red_edge", 705, 745),
    ("nir1", 770, 895),
    ("nir2", 860, 1040),
)
_SHORTWAVE = (
    ("swir1", 1195, 1225),
    ("swir2", 1550, 1590),
    ("swir3", 1640, 1680),
    ("swir4", 1710, 1750),
    ("swir5", 2145, 2185),
    ("swir6", 2185, 2225),
    ("swir7", 2235, 2285),
    ("swir8", 2295, 2365),
)
_SOURCE = "WorldView-3 data sheet, spectral bands; scale is that of atmospherically compensated reflectance x 10000"


def _bands(table: tuple[tuple[str, int, int], ...], gsd_m: float) -> tuple[Band, ...]:
    return tuple(
        Band(name=name, center_um=(low + high) / 2000, width_um=(high - low) / 1000, gsd_m=gsd_m)
        for name, low, high in table
    )


WORLDVIEW3 = Sensor(
    name="worldview3",
    title="WorldView-3 multispectral, surface reflectance",
    family="optical",
    bands=_bands(_MULTISPECTRAL, 1.24),
    scale=1e-4,
    source=_SOURCE,
    fill=(0,),
)
WORLDVIEW3_SWIR = Sensor(
    name="worldview3_swir",
    title="WorldView-3 short-wave infrared, surface reflectance",
    family="optical",
    bands=_bands(_SHORTWAVE, 3.7),
    scale=1e-4,
    source=_SOURCE,
    fill=(0,),
)
