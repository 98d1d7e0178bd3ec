"""Sentinel-2 MSI: top of atmosphere (L1C, 13 bands) and surface (L2A, 12 bands, no cirrus band)."""

from rsfm.types import Band, Sensor

_SOURCE = "ESA Sentinel-2 MSI spectral response functions (COPE-GSEG-EOPG-TN-15-0007), S2A centres and bandwidths"

# name, centre nm, full width nm, metres
_TABLE = (
    ("B01", 442.7, 21, 60),
    ("B02", 492.4, 66, 10),
    ("B03", 559.8, 36, 10),
    ("B04", 664.6, 31, 10),
    ("B05", 704.1, 15, 20),
    ("B06", 740.5, 15, 20),
    ("B07", 782.8, 20, 20),
    ("B08", 832.8, 106, 10),
    ("B8A", 864.7, 21, 20),
    ("B09", 945.1, 20, 60),
    ("B10", 1373.5, 31, 60),
    ("B11", 1613.7, 91, 20),
    ("B12", 2202.4, 175, 20),
)
BANDS = tuple(
    Band(name=name, center_um=round(center / 1000, 4), width_um=round(width / 1000, 4), gsd_m=gsd)
    for name, center, width, gsd in _TABLE
)

# Products of processing baseline 04.00 and later carry +1000 in their numbers: rsfm/data/units.py takes it off.
SENTINEL2_L1C = Sensor(
    name="sentinel2_l1c",
    title="Sentinel-2 MSI L1C, top-of-atmosphere reflectance",
    family="optical",
    bands=BANDS,
    scale=1e-4,
    source=_SOURCE,
)
SENTINEL2_L2A = Sensor(
    name="sentinel2_l2a",
    title="Sentinel-2 MSI L2A, surface reflectance",
    family="optical",
    bands=tuple(band for band in BANDS if band.name != "B10"),
    scale=1e-4,
    source=_SOURCE,
)
