"""Harmonized Landsat Sentinel-2, the seven reflective bands of its Landsat product (L30): the six of `hls` and coastal."""

from rsfm.sensors.hls import HLS
from rsfm.types import Band, Sensor

HLS_L30 = Sensor(
    name="hls_l30",
    title="Harmonized Landsat Sentinel-2 L30 with the coastal band, surface reflectance",
    family="optical",
    bands=(Band(name="coastal", center_um=0.443, width_um=0.020, gsd_m=30.0), *HLS.bands),
    scale=HLS.scale,
    source="NASA HLS v2.0 User Guide, band nomenclature: coastal aerosol 0.43-0.45 um; the others as in `hls`",
)
