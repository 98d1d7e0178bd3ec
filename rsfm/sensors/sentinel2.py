"""Sentinel-2 MSI: top of atmosphere (L1C, 13 bands) and surface (L2A, 12 bands, no cirrus band)."""

from rsfm.types import Band, LaterOffset, Sensor

_SOURCE = "ESA Sentinel-2 MSI spectral response functions (COPE-GSEG-EOPG-TN-15-0007), S2A centres and bandwidths"

# name, centre nm, full width nm, metres, other names
_TABLE = (
    ("B01", 442.7, 21.0, 60.0, "coastal", "coastal_aerosol", "aerosol"),
    ("B02", 492.4, 66.0, 10.0, "blue"),
    ("B03", 559.8, 36.0, 10.0, "green"),
    ("B04", 664.6, 31.0, 10.0, "red"),
    ("B05", 704.1, 15.0, 20.0, "rededge1", "red_edge_1", "veg_red_edge_1", "rededge071"),
    ("B06", 740.5, 15.0, 20.0, "rededge2", "red_edge_2", "rededge075"),
    ("B07", 782.8, 20.0, 20.0, "rededge3", "red_edge_3", "rededge078"),
    ("B08", 832.8, 106.0, 10.0, "nir", "nir_broad", "near_infrared"),
    ("B8A", 864.7, 21.0, 20.0, "nir08", "nir_narrow", "narrow_nir", "red_edge_4", "rededge4"),
    ("B09", 945.1, 20.0, 60.0, "nir09", "water_vapour", "water_vapor"),
    ("B10", 1373.5, 31.0, 60.0, "cirrus"),
    ("B11", 1613.7, 91.0, 20.0, "swir16", "swir_1", "swir1"),
    ("B12", 2202.4, 175.0, 20.0, "swir22", "swir_2", "swir2"),
)
BANDS = tuple(
    Band(
        name=name,
        center_um=round(center / 1000, 4),
        width_um=round(width / 1000, 4),
        gsd_m=gsd,
        aliases=tuple(aliases),
    )
    for name, center, width, gsd, *aliases in _TABLE
)

# DN = reflectance * 10000 + 1000 from baseline 04.00 on, and so in all of Collection 1 (05.00), whatever the day of sensing;
# 0 is "no data" always (ESA, Sentinel-2 Products Specification Document, S2-PDGS-TAS-DI-PSD).
LATER_OFFSET = LaterOffset(offset=-0.1, baseline=400, since="2022-01-25")
_TEN = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")  # bands of 10 and 20 m
_LAYOUTS = (_TEN, ("B02", "B03", "B04", "B08"))

SENTINEL2_L1C = Sensor(
    name="sentinel2_l1c",
    title="Sentinel-2 MSI L1C, top-of-atmosphere reflectance",
    family="optical",
    bands=BANDS,
    scale=1e-4,
    source=_SOURCE,
    products=(r"MSIL1C", r"S2L1C", r"(S2|SENTINEL[-_ ]?2)[^/]*L1C"),
    assumed=("integer", "float"),
    layouts=_LAYOUTS,
    fill=(0,),
    later_offset=LATER_OFFSET,
)
SENTINEL2_L2A = Sensor(
    name="sentinel2_l2a",
    title="Sentinel-2 MSI L2A, surface reflectance",
    family="optical",
    bands=tuple(band for band in BANDS if band.name != "B10"),
    scale=1e-4,
    source=_SOURCE,
    products=(r"MSIL2A", r"S2L2A", r"(S2|SENTINEL[-_ ]?2)[^/]*L2A"),
    assumed=("integer", "float"),
    layouts=_LAYOUTS,
    fill=(0,),
    later_offset=LATER_OFFSET,
)
