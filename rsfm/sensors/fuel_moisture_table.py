"""The monthly pixel table of the live fuel moisture data: radar, optical, weather and terrain columns in one row."""

from rsfm.sensors.era5_monthly import ERA5_MONTHLY
from rsfm.sensors.sentinel1 import SENTINEL1_GRD
from rsfm.sensors.sentinel2 import BANDS as SENTINEL2_BANDS
from rsfm.types import Band, Sensor

_OPTICAL = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")


def _optical(name: str) -> Band:
    msi = next(band for band in SENTINEL2_BANDS if band.name.replace("B0", "B") == name)
    return Band(name=name, center_um=msi.center_um, width_um=msi.width_um, gsd_m=msi.gsd_m)


FUEL_MOISTURE_TABLE = Sensor(
    name="fuel_moisture_table",
    title="Pixel table: Sentinel-1, Sentinel-2, ERA5, terrain, NDVI, by month",
    family="mixed",
    bands=(
        *SENTINEL1_GRD.bands,
        *(_optical(name) for name in _OPTICAL),
        *ERA5_MONTHLY.bands,
        Band(name="elevation", gsd_m=30.0, unit="m", code="elevation"),
        Band(name="slope", gsd_m=30.0, unit="degree", code="slope"),
        Band(name="ndvi", gsd_m=10.0, unit="1", code="ndvi"),
    ),
    source="column order of the Presto fuel moisture export (Sentinel-1, Sentinel-2 L1C, ERA5, SRTM); bands as in "
    "their own tables",
)
