"""Sentinel-2 MSI: top of atmosphere (L1C, 13 bands) and surface (L2A, 12 bands, no cirrus band)."""

from rsfm.types import Band, Sensor

_SOURCE = "ESA Sentinel-2 MSI spectral response functions (COPE-GSEG-EOPG-TN-15-0007), S2A centres and bandwidths"

# name, centre nm, full width nm, metres
_TABLE = (
    ("B01", 442.7, 21.0, 60.0),
    ("B02", 492.4, 66.0, 10.0),
    ("B03", 559.8, 36.0, 10.0),
    ("B04", 664.6, 31.0, 10.0),
    ("B05", 704.1, 15.0, 20.0),
    ("B06", 740.5, 15.0, 20.0),
    ("B07", 782.8, 20.0, 20.0),
    ("B08", 832.8, 106.0, 10.0),
    ("B8A", 864.7, 21.0, 20.0),
    ("B09", 945.1, 20.0, 60.0),
    ("B10", 1373.5, 31.0, 60.0),
    ("B11", 1613.7, 91.0, 20.0),
    ("B12", 2202.4, 175.0, 20.0),
)
BANDS = tuple(
    Band(name=name, center_um=round(center / 1000, 4), width_um=round(width / 1000, 4), gsd_m=gsd)
    for name, center, width, gsd in _TABLE
)

# Products of processing baseline 04.00 and later carry +1000 in their numbers: rsfm/data/reading/units.py takes it off.
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
