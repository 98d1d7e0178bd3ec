"""Pixel table of Digital Earth Africa's half-yearly Sentinel-2 geomedians with NDVI, rain and slope."""

from rsfm.sensors.sentinel2 import BANDS as SENTINEL2_BANDS
from rsfm.types import Band, Sensor

_NAMES = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B11", "B12")

GEOMEDIAN_TABLE = Sensor(
    name="geomedian_table",
    title="Pixel table: Sentinel-2 geomedian, NDVI, rain, slope, by half-year",
    family="mixed",
    bands=(
        *(band for band in SENTINEL2_BANDS if band.name in _NAMES),
        Band(name="ndvi", gsd_m=10.0, unit="1", code="ndvi"),
        Band(name="rain", gsd_m=5000.0, unit="m", code="precipitation"),
        Band(name="slope", gsd_m=30.0, unit="degree", code="slope"),
    ),
    source="digitalearthafrica/crop-mask, feature columns (GeoMAD of Sentinel-2, CHIRPS rain on a 0.05 degree grid, SRTM)",
)
