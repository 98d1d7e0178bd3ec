"""Harmonized Landsat Sentinel-2, the six bands that its L30 and S30 products share."""

from rsfm.types import Band, Sensor

HLS = Sensor(
    name="hls",
    title="Harmonized Landsat Sentinel-2 (L30, S30), surface reflectance",
    family="optical",
    bands=(
        Band(name="blue", center_um=0.480, width_um=0.060, gsd_m=30.0),
        Band(name="green", center_um=0.560, width_um=0.060, gsd_m=30.0),
        Band(name="red", center_um=0.655, width_um=0.030, gsd_m=30.0),
        Band(name="nir_narrow", center_um=0.865, width_um=0.030, gsd_m=30.0, aliases=("nir08", "nir_narrow", "nir")),
        Band(name="swir_1", center_um=1.610, width_um=0.080, gsd_m=30.0, aliases=("swir16", "swir1")),
        Band(name="swir_2", center_um=2.200, width_um=0.180, gsd_m=30.0, aliases=("swir22", "swir2")),
    ),
    scale=1e-4,
    source="NASA HLS v2.0 User Guide, band nomenclature: 0.45-0.51, 0.53-0.59, 0.64-0.67, 0.85-0.88, 1.57-1.65, "
    "2.11-2.29 um",
    products=(r"HLS[._-]?[LS]30", r"(^|[^A-Z])HLS([^A-Z]|$)"),
    variants={
        "L30": {"B2": "blue", "B3": "green", "B4": "red", "B5": "nir_narrow", "B6": "swir_1", "B7": "swir_2"},
        "": {"B2": "blue", "B3": "green", "B4": "red", "B8A": "nir_narrow", "B11": "swir_1", "B12": "swir_2"},
    },
    fill=(-9999,),
)
