"""Landsat 7 Enhanced Thematic Mapper Plus, reflective bands, Collection 2 Level 2 surface reflectance."""

from rsfm.sensors.landsat import LANDSAT_PROCESSINGS
from rsfm.types import Band, Sensor

LANDSAT7_ETM = Sensor(
    name="landsat7_etm",
    title="Landsat 7 ETM+, surface reflectance",
    family="optical",
    bands=(
        Band(name="B1", center_um=0.483, width_um=0.062, gsd_m=30.0, aliases=("blue",)),
        Band(name="B2", center_um=0.560, width_um=0.082, gsd_m=30.0, aliases=("green",)),
        Band(name="B3", center_um=0.662, width_um=0.061, gsd_m=30.0, aliases=("red",)),
        Band(name="B4", center_um=0.835, width_um=0.126, gsd_m=30.0, aliases=("nir", "nir08")),
        Band(name="B5", center_um=1.648, width_um=0.201, gsd_m=30.0, aliases=("swir16", "swir1")),
        Band(name="B7", center_um=2.206, width_um=0.281, gsd_m=30.0, aliases=("swir22", "swir2")),
    ),
    scale=2.75e-5,
    offset=-0.2,
    source="Chander, Markham, Helder 2009 (RSE 113), table of ETM+ spectral ranges; USGS Collection 2 scale factors",
    products=(r"LE07_", r"LE7\d{13}", r"L7_?ETM", r"LANDSAT[-_ ]?7"),
    fill=(0, 65535, -9999),
    processings=LANDSAT_PROCESSINGS,
)
