"""Landsat 5 Thematic Mapper, reflective bands, Collection 2 Level 2 surface reflectance."""

from rsfm.sensors.landsat import LANDSAT_PROCESSINGS
from rsfm.types import Band, Sensor

LANDSAT5_TM = Sensor(
    name="landsat5_tm",
    title="Landsat 5 TM, surface reflectance",
    family="optical",
    bands=(
        Band(name="B1", center_um=0.485, width_um=0.066, gsd_m=30.0, aliases=("blue",)),
        Band(name="B2", center_um=0.569, width_um=0.081, gsd_m=30.0, aliases=("green",)),
        Band(name="B3", center_um=0.660, width_um=0.067, gsd_m=30.0, aliases=("red",)),
        Band(name="B4", center_um=0.840, width_um=0.128, gsd_m=30.0, aliases=("nir", "nir08")),
        Band(name="B5", center_um=1.676, width_um=0.217, gsd_m=30.0, aliases=("swir16", "swir1")),
        Band(name="B7", center_um=2.223, width_um=0.252, gsd_m=30.0, aliases=("swir22", "swir2")),
    ),
    scale=2.75e-5,
    offset=-0.2,
    source="Chander, Markham, Helder 2009 (RSE 113), table of TM spectral ranges; USGS Collection 2 scale factors",
    products=(r"LT0[45]_", r"LT[45]\d{13}", r"LANDSAT[-_ ]?[45]([^0-9]|$)"),
    fill=(0, 65535, -9999),
    processings=LANDSAT_PROCESSINGS,
)
