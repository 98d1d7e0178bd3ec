"""EMIT imaging spectrometer on the International Space Station, 285 bands."""

from rsfm.sensors.spectrometer import bands, interpolate
from rsfm.types import Sensor

_CENTERS = interpolate(
    [
        (0, 381.006),
        (20, 529.533),
        (40, 678.554),
        (80, 976.988),
        (120, 1275.339),
        (160, 1573.319),
        (200, 1870.733),
        (240, 2167.467),
        (284, 2492.924),
    ]
)

EMIT = Sensor(
    name="emit",
    title="EMIT L2A, surface reflectance",
    family="hyperspectral",
    bands=bands(_CENTERS, [8.5] * len(_CENTERS), gsd_m=60.0, unit="reflectance"),
    source="NASA EMIT L2A RFL band parameters, 381-2493 nm, centres interpolated between every 20th to 40th band "
    "within 1 nm; width 8.5 nm is the mean of the published ones",
    products=(r"EMIT",),
    assumed=("float",),
    fill=(-9999,),
)
