"""Closed lists of class names: what a record of such a list does not name is not there, so "is there ...?" has a no."""

from collections.abc import Iterable

from rsfm.tasks.dialogue import plain

SCENES_AID = (
    "airport", "bare land", "baseball field", "beach", "bridge", "center", "church", "commercial",
    "dense residential", "desert", "farmland", "forest", "industrial", "meadow", "medium residential",
    "mountain", "park", "parking", "playground", "pond", "port", "railway station", "resort", "river", "school",
    "sparse residential", "square", "stadium", "storage tanks", "viaduct",
)  # fmt: skip

OBJECTS_DOTA = (
    "plane", "ship", "storage tank", "baseball diamond", "tennis court", "basketball court",
    "ground track field", "harbor", "bridge", "large vehicle", "small vehicle", "helicopter", "roundabout",
    "soccer ball field", "swimming pool",
)  # fmt: skip

# CORINE land cover, level 3, without glaciers: the 43 classes of BigEarthNet.
COVER_CORINE = (
    "continuous urban fabric", "discontinuous urban fabric", "industrial or commercial units",
    "road and rail networks and associated land", "port areas", "airports", "mineral extraction sites",
    "dump sites", "construction sites", "green urban areas", "sport and leisure facilities",
    "non-irrigated arable land", "permanently irrigated land", "rice fields", "vineyards",
    "fruit trees and berry plantations", "olive groves", "pastures",
    "annual crops associated with permanent crops", "complex cultivation patterns",
    "land principally occupied by agriculture, with significant areas of natural vegetation",
    "agro-forestry areas", "broad-leaved forest", "coniferous forest", "mixed forest", "natural grassland",
    "moors and heathland", "sclerophyllous vegetation", "transitional woodland/shrub", "beaches, dunes, sands",
    "bare rock", "sparsely vegetated areas", "burnt areas", "inland marshes", "peatbogs", "salt marshes",
    "salines", "intertidal flats", "water courses", "water bodies", "coastal lagoons", "estuaries",
    "sea and ocean",
)  # fmt: skip

# The 19 classes of the later BigEarthNet nomenclature.
COVER_BIGEARTHNET = (
    "urban fabric", "industrial or commercial units", "arable land", "permanent crops", "pastures",
    "complex cultivation patterns",
    "land principally occupied by agriculture, with significant areas of natural vegetation",
    "agro-forestry areas", "broad-leaved forest", "coniferous forest", "mixed forest",
    "natural grassland and sparsely vegetated areas", "moors, heathland and sclerophyllous vegetation",
    "transitional woodland, shrub", "beaches, dunes, sands", "inland wetlands", "coastal wetlands",
    "inland waters", "marine waters",
)  # fmt: skip

# Names of any of several classes, in legends that have no such class. Esri's rangeland is open ground with grass or scattered
# bushes (Karra et al. 2021).
UNIONS: dict[str, tuple[str, ...]] = {"rangeland": ("grass", "shrub")}

# The 19 classes before the 43: where tags fit both, the absence of a class that only the 43 know is not known.
VOCABULARIES = (SCENES_AID, OBJECTS_DOTA, COVER_BIGEARTHNET, COVER_CORINE)


def absent(labels: Iterable[str]) -> list[str]:
    """Classes that are surely not there: the rest of the first list that holds all the labels; none without a list."""
    known = {plain(label) for label in labels}
    for vocabulary in VOCABULARIES:
        if known and known <= set(vocabulary):
            return [name for name in vocabulary if name not in known]
    return []
