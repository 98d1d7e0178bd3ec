"""CORINE land-cover names as BigEarthNet uses them: 43 classes, and the 19 its results are published in."""

ARABLE = "Arable land"
URBAN = "Urban fabric"
INDUSTRIAL = "Industrial or commercial units"
PERMANENT = "Permanent crops"
COMPLEX = "Complex cultivation patterns"
MIXED_FARMING = "Land principally occupied by agriculture, with significant areas of natural vegetation"
GRASS = "Natural grassland and sparsely vegetated areas"
HEATH = "Moors, heathland and sclerophyllous vegetation"
TRANSITIONAL = "Transitional woodland, shrub"
BEACH = "Beaches, dunes, sands"
INLAND_WETLAND, COASTAL_WETLAND = "Inland wetlands", "Coastal wetlands"
INLAND_WATER, MARINE_WATER = "Inland waters", "Marine waters"

# Table of Sumbul et al. 2021 (BigEarthNet-MM): 43 -> 19; None where the class was dropped as not seen by the sensors.
FROM_43: dict[str, str | None] = {
    "Continuous urban fabric": URBAN,
    "Discontinuous urban fabric": URBAN,
    "Industrial or commercial units": INDUSTRIAL,
    "Road and rail networks and associated land": None,
    "Port areas": None,
    "Airports": None,
    "Mineral extraction sites": None,
    "Dump sites": None,
    "Construction sites": None,
    "Green urban areas": None,
    "Sport and leisure facilities": None,
    "Non-irrigated arable land": ARABLE,
    "Permanently irrigated land": ARABLE,
    "Rice fields": ARABLE,
    "Vineyards": PERMANENT,
    "Fruit trees and berry plantations": PERMANENT,
    "Olive groves": PERMANENT,
    "Pastures": "Pastures",
    "Annual crops associated with permanent crops": PERMANENT,
    "Complex cultivation patterns": COMPLEX,
    "Land principally occupied by agriculture, with significant areas of natural vegetation": MIXED_FARMING,
    "Agro-forestry areas": "Agro-forestry areas",
    "Broad-leaved forest": "Broad-leaved forest",
    "Coniferous forest": "Coniferous forest",
    "Mixed forest": "Mixed forest",
    "Natural grassland": GRASS,
    "Moors and heathland": HEATH,
    "Sclerophyllous vegetation": HEATH,
    "Transitional woodland/shrub": TRANSITIONAL,
    "Beaches, dunes, sands": BEACH,
    "Bare rock": None,
    "Sparsely vegetated areas": GRASS,
    "Burnt areas": None,
    "Inland marshes": INLAND_WETLAND,
    "Peatbogs": INLAND_WETLAND,
    "Salt marshes": COASTAL_WETLAND,
    "Salines": COASTAL_WETLAND,
    "Intertidal flats": None,
    "Water courses": INLAND_WATER,
    "Water bodies": INLAND_WATER,
    "Coastal lagoons": MARINE_WATER,
    "Estuaries": MARINE_WATER,
    "Sea and ocean": MARINE_WATER,
}
NAMES_19: tuple[str, ...] = tuple(sorted({name for name in FROM_43.values() if name is not None}))


def to_19_classes(labels: tuple[str, ...]) -> tuple[str, ...]:
    """The 19-class names of CORINE labels, each once, in their order; dropped classes vanish, 19-class names stay."""
    names = [FROM_43.get(name, name if name in NAMES_19 else None) for name in labels]
    return tuple(dict.fromkeys(name for name in names if name is not None))
