"""Instruments as data: SENSORS is the table, one file an instrument. To add one: a file here and a line below."""

from rsfm.sensors.aerial_rgb import AERIAL_RGB
from rsfm.sensors.aviris_indian_pines import AVIRIS_INDIAN_PINES
from rsfm.sensors.cbers4_awfi import CBERS4_AWFI
from rsfm.sensors.cubert_uhd285 import CUBERT_UHD285
from rsfm.sensors.elevation import ELEVATION
from rsfm.sensors.emit import EMIT
from rsfm.sensors.enmap import ENMAP
from rsfm.sensors.era5_monthly import ERA5_MONTHLY
from rsfm.sensors.fuel_moisture_table import FUEL_MOISTURE_TABLE
from rsfm.sensors.geomedian_table import GEOMEDIAN_TABLE
from rsfm.sensors.hls import HLS
from rsfm.sensors.hls_l30 import HLS_L30
from rsfm.sensors.landsat5_tm import LANDSAT5_TM
from rsfm.sensors.landsat7_etm import LANDSAT7_ETM
from rsfm.sensors.landsat8_oli import LANDSAT8_OLI
from rsfm.sensors.modis import MODIS
from rsfm.sensors.naip import NAIP
from rsfm.sensors.ndvi_series import NDVI_SERIES
from rsfm.sensors.palsar2 import PALSAR2
from rsfm.sensors.pixel_series import PIXEL_SERIES
from rsfm.sensors.planetscope import PLANETSCOPE
from rsfm.sensors.prisma import PRISMA
from rsfm.sensors.radarsat2_picture import RADARSAT2_PICTURE
from rsfm.sensors.sentinel1 import SENTINEL1_GRD, SENTINEL1_RTC
from rsfm.sensors.sentinel2 import SENTINEL2_L1C, SENTINEL2_L2A
from rsfm.sensors.worldview3 import WORLDVIEW3, WORLDVIEW3_SWIR
from rsfm.sensors.xband_sar import XBAND_SAR
from rsfm.types import Sensor

SENSORS: dict[str, Sensor] = {
    "sentinel1_grd": SENTINEL1_GRD,
    "sentinel1_rtc": SENTINEL1_RTC,
    "sentinel2_l1c": SENTINEL2_L1C,
    "sentinel2_l2a": SENTINEL2_L2A,
    "landsat5_tm": LANDSAT5_TM,
    "landsat7_etm": LANDSAT7_ETM,
    "landsat8_oli": LANDSAT8_OLI,
    "hls": HLS,
    "hls_l30": HLS_L30,
    "modis": MODIS,
    "naip": NAIP,
    "aerial_rgb": AERIAL_RGB,
    "planetscope": PLANETSCOPE,
    "worldview3": WORLDVIEW3,
    "worldview3_swir": WORLDVIEW3_SWIR,
    "aviris_indian_pines": AVIRIS_INDIAN_PINES,
    "enmap": ENMAP,
    "prisma": PRISMA,
    "emit": EMIT,
    "palsar2": PALSAR2,
    "elevation": ELEVATION,
    "era5_monthly": ERA5_MONTHLY,
    "fuel_moisture_table": FUEL_MOISTURE_TABLE,
    "ndvi_series": NDVI_SERIES,
    "pixel_series": PIXEL_SERIES,
    "cbers4_awfi": CBERS4_AWFI,
    "cubert_uhd285": CUBERT_UHD285,
    "geomedian_table": GEOMEDIAN_TABLE,
    "radarsat2_picture": RADARSAT2_PICTURE,
    "xband_sar": XBAND_SAR,
}
SHIPPED = tuple(
    SENSORS.values()
)  # what files are looked up in; instruments of a user's own join SENSORS (rsfm.sensors.own)
