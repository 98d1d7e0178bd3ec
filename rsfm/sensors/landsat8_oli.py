"""Landsat 8 and 9 Operational Land Imager, Collection 2 Level 2 surface reflectance."""

from rsfm.sensors.landsat import LANDSAT_PROCESSINGS
from rsfm.types import Band, Sensor

LANDSAT8_OLI = Sensor(
    name="landsat8_oli",
    title="Landsat 8-9 OLI, surface reflectance",
    family="optical",
    bands=(
        Band(name="B1", center_um=0.4430, width_um=0.0160, gsd_m=30.0, aliases=("coastal", "coastal_aerosol")),
        Band(name="B2", center_um=0.4820, width_um=0.0600, gsd_m=30.0, aliases=("blue",)),
        Band(name="B3", center_um=0.5614, width_um=0.0573, gsd_m=30.0, aliases=("green",)),
        Band(name="B4", center_um=0.6546, width_um=0.0375, gsd_m=30.0, aliases=("red",)),
        Band(name="B5", center_um=0.8647, width_um=0.0283, gsd_m=30.0, aliases=("nir", "nir08")),
        Band(name="B6", center_um=1.6089, width_um=0.0847, gsd_m=30.0, aliases=("swir16", "swir1")),
        Band(name="B7", center_um=2.2007, width_um=0.1867, gsd_m=30.0, aliases=("swir22", "swir2")),
    ),
    scale=2.75e-5,
    offset=-0.2,
    source="Barsi et al. 2014 (Remote Sensing 6), OLI band-average responses; USGS Collection 2 scale factors",
    products=(r"L[CO]0[89]_", r"L[CO]8\d{13}", r"LANDSAT[-_ ]?[89]"),
    layouts=(("B2", "B3", "B4", "B5", "B6", "B7"),),
    fill=(0, 65535, -9999),
    processings=LANDSAT_PROCESSINGS,
)
