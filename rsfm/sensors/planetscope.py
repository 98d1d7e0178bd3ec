"""PlanetScope SuperDove, eight-band surface reflectance."""

from rsfm.types import Band, Sensor

# name, first nm, last nm, other names
_RANGES = (
    ("coastal_blue", 431, 452, "coastal"),
    ("blue", 465, 515),
    ("green_i", 513, 549, "green_1"),
    ("green", 547, 583),
    ("yellow", 600, 620),
    ("red", 650, 680),
    ("rededge", 697, 713, "red_edge_1"),
    ("nir", 845, 885, "near_infrared"),
)

PLANETSCOPE = Sensor(
    name="planetscope",
    title="PlanetScope SuperDove (PSB.SD), surface reflectance",
    family="optical",
    bands=tuple(
        Band(name=name, center_um=(low + high) / 2000, width_um=(high - low) / 1000, gsd_m=3.0, aliases=tuple(aliases))
        for name, low, high, *aliases in _RANGES
    ),
    scale=1e-4,
    source="Planet Imagery Product Specifications, 8-band asset: band order and wavelength ranges",
    products=(r"PSSCENE", r"_PSB", r"PLANETSCOPE", r"ANALYTICMS_SR", r"_8B_ANALYTICMS"),
    layouts=(("blue", "green", "red", "nir"),),
    fill=(0,),
)
