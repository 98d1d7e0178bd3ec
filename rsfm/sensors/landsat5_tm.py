"""Landsat 5 Thematic Mapper, reflective bands, Collection 2 Level 2 surface reflectance."""

from rsfm.types import Band, Sensor

LANDSAT5_TM = Sensor(
    name="landsat5_tm",
    title="Landsat 5 TM, surface reflectance",
    family="optical",
    bands=(
        Band(name="B1", center_um=0.485, width_um=0.066, gsd_m=30.0),
        Band(name="B2", center_um=0.569, width_um=0.081, gsd_m=30.0),
        Band(name="B3", center_um=0.660, width_um=0.067, gsd_m=30.0),
        Band(name="B4", center_um=0.840, width_um=0.128, gsd_m=30.0),
        Band(name="B5", center_um=1.676, width_um=0.217, gsd_m=30.0),
        Band(name="B7", center_um=2.223, width_um=0.252, gsd_m=30.0),
    ),
    scale=2.75e-5,
    offset=-0.2,
    source="Chander, Markham, Helder 2009 (RSE 113), table of TM spectral ranges; USGS Collection 2 scale factors",
)
