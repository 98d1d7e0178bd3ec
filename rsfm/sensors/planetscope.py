"""PlanetScope SuperDove, eight-band surface reflectance."""

from rsfm.types import Band, Sensor

# name, first nm, last nm
_RANGES = (
    ("coastal_blue", 431, 452),
    ("blue", 465, 515),
    ("green_i", 513, 549),
    ("green", 547, 583),
    ("yellow", 600, 620),
    ("red", 650, 680),
    ("rededge", 697, 713),
    ("nir", 845, 885),
)

PLANETSCOPE = Sensor(
    name="planetscope",
    title="PlanetScope SuperDove (PSB.SD), surface reflectance",
    family="optical",
    bands=tuple(
        Band(name=name, center_um=(low + high) / 2000, width_um=(high - low) / 1000, gsd_m=3.0)
        for name, low, high in _RANGES
    ),
    scale=1e-4,
    source="Planet Imagery Product Specifications, 8-band asset: band order and wavelength ranges",
)
