"""ERA5 monthly means: air temperature and precipitation."""

from rsfm.types import Band, Sensor

ERA5_MONTHLY = Sensor(
    name="era5_monthly",
    title="ERA5 monthly means: 2 m temperature, total precipitation",
    family="weather",
    bands=(
        Band(name="temperature_2m", gsd_m=27830.0, unit="K", code="temperature"),
        Band(name="total_precipitation", gsd_m=27830.0, unit="m", code="precipitation"),
    ),
    source="ECMWF ERA5 parameter database (2t in K, tp in m), 0.25 degree grid: 27.83 km at the equator",
)
