"""One land-cover vocabulary for all data sets: which class of a legend may be which class of the common one.

The common legend is Dynamic World's, in the words of TerraMesh's maps. A class of a legend that may be one of several is a
partial label: training is content with any of them (`Mask.either`). A name that is not in the common legend (clouds, burnt
areas) has no label there.

>>> Source(dataset="terramesh", rename=COMMON_NAMES["terramesh"], legend=COVER, batch_size=16)
"""

from rsfm.data.datasets.corine import (
    ARABLE,
    BEACH,
    COASTAL_WETLAND,
    COMPLEX,
    FROM_43,
    GRASS,
    HEATH,
    INDUSTRIAL,
    INLAND_WATER,
    INLAND_WETLAND,
    MARINE_WATER,
    MIXED_FARMING,
    PERMANENT,
    TRANSITIONAL,
    URBAN,
)

COVER = (
    "water",
    "trees",
    "grass",
    "flooded vegetation",
    "crops",
    "shrub",
    "built area",
    "bare ground",
    "snow and ice",
)
Names = dict[str, tuple[str, ...]]

# Brown et al. 2022, table 2: the common legend's own definitions.
DYNAMIC_WORLD: Names = {
    "water": ("water",),
    "trees": ("trees",),
    "grass": ("grass",),
    "flooded vegetation": ("flooded vegetation",),
    "crops": ("crops",),
    "shrub and scrub": ("shrub",),
    "built": ("built area",),
    "bare": ("bare ground",),
    "snow and ice": ("snow and ice",),
}
# ESA WorldCover Product User Manual v2.0, table 4. Its wetland may be dry, its tundra is nobody else's class.
WORLDCOVER: Names = {
    "tree cover": ("trees",),
    "shrubland": ("shrub",),
    "grassland": ("grass",),
    "cropland": ("crops",),
    "built-up": ("built area",),
    "bare / sparse vegetation": ("bare ground",),
    "snow and ice": ("snow and ice",),
    "permanent water bodies": ("water",),
    "herbaceous wetland": ("flooded vegetation", "grass"),
    "mangroves": ("flooded vegetation", "trees"),
    "moss and lichen": ("grass", "shrub", "bare ground"),
}
# Esri 10 m land cover (Karra et al. 2021): rangeland is open ground with grass or scattered bushes, crops are all that is
# planted and not high, sown grass included.
ESRI: Names = {
    "water": ("water",),
    "trees": ("trees",),
    "flooded vegetation": ("flooded vegetation",),
    "crops": ("crops",),
    "built area": ("built area",),
    "bare ground": ("bare ground",),
    "snow and ice": ("snow and ice",),
    "clouds": ("clouds",),
    "rangeland": ("grass", "shrub"),
}
# The Slovenian land-use map as eo-learn groups it: orchards and vineyards are cultivated, mown meadows grassland.
EOLEARN: Names = {
    "cultivated land": ("crops",),
    "forest": ("trees",),
    "grassland": ("grass", "crops"),
    "shrubland": ("shrub", "trees"),
    "artificial surface": ("built area",),
}
# CORINE's classes are of at least 25 ha: small other covers lie in each, so only what fills it is named.
CORINE_19: Names = {
    URBAN: ("built area",),
    INDUSTRIAL: ("built area",),
    ARABLE: ("crops",),
    PERMANENT: ("crops", "trees", "shrub"),
    "Pastures": ("grass", "crops"),
    COMPLEX: ("crops", "grass", "trees"),
    MIXED_FARMING: ("crops", "grass", "trees", "shrub"),
    "Agro-forestry areas": ("trees", "crops", "grass"),
    "Broad-leaved forest": ("trees",),
    "Coniferous forest": ("trees",),
    "Mixed forest": ("trees",),
    GRASS: ("grass", "bare ground", "shrub"),
    HEATH: ("shrub", "grass"),
    TRANSITIONAL: ("shrub", "trees"),
    BEACH: ("bare ground",),
    INLAND_WETLAND: ("flooded vegetation", "grass"),
    COASTAL_WETLAND: ("flooded vegetation", "grass", "bare ground"),
    INLAND_WATER: ("water",),
    MARINE_WATER: ("water",),
}
CORINE_43: Names = {name: CORINE_19[coarse] for name, coarse in FROM_43.items() if coarse is not None} | {
    "Road and rail networks and associated land": ("built area",),
    "Port areas": ("built area", "water"),
    "Airports": ("built area", "grass"),
    "Mineral extraction sites": ("bare ground", "built area"),
    "Dump sites": ("bare ground", "built area"),
    "Construction sites": ("bare ground", "built area"),
    "Green urban areas": ("grass", "trees"),
    "Sport and leisure facilities": ("grass", "built area", "trees"),
    "Bare rock": ("bare ground",),
    "Burnt areas": ("burnt areas",),
    "Intertidal flats": ("bare ground", "water", "flooded vegetation"),
}
WATER_OR_NOT: Names = {
    "water": ("water",),
    "land": tuple(name for name in COVER if name != "water"),
}
COMMON_NAMES: dict[str, Names] = {
    "terramesh": ESRI,
    "hls_worldcover306": WORLDCOVER | WATER_OR_NOT,
    "satclip_s2_global": DYNAMIC_WORLD,
    "eolearn": EOLEARN,
    "bigearthnet": CORINE_43 | CORINE_19,
}
