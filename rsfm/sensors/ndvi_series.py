"""Vegetation index series of a field or pixel."""

from rsfm.types import Band, Sensor

NDVI_SERIES = Sensor(
    name="ndvi_series",
    title="NDVI series, 16-day composites",
    family="mixed",
    bands=(Band(name="ndvi", gsd_m=250.0, unit="1", code="ndvi"),),
    source="MODIS MOD13Q1 user guide: NDVI, -1 to 1, 250 m, 16 days (the index the CAWa crop series were built from)",
)
