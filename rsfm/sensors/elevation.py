"""Terrain: height and slope. A file of one band is taken as height alone."""

from rsfm.types import Band, Sensor

ELEVATION = Sensor(
    name="elevation",
    title="Elevation model: height and slope",
    family="elevation",
    bands=(
        Band(name="elevation", gsd_m=30.0, unit="m", code="elevation", aliases=("dem", "height", "dtm", "srtm")),
        Band(name="slope", gsd_m=30.0, unit="degree", code="slope", aliases=("slope_deg",)),
    ),
    source="Copernicus DEM GLO-30 product handbook: metres above EGM2008, 30 m; slope as derived from it",
    products=(r"(^|[^A-Z])(C?DEM|DTM|SRTM|GLO-?30|ELEVATION)([^A-Z]|$)",),
    layouts=(("elevation",),),
    fill=(-9999, -32768, -32767),
)
