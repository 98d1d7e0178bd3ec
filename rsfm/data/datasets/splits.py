"""Names of splits made of two parts: what is labelled, and which places: "flood_" and "fold0_train"."""

from collections.abc import Mapping


def crossed(kinds: Mapping[str, str], parts: Mapping[str, str]) -> dict[str, str]:
    """Every kind of label with every part of the places, for DatasetInfo.splits.

    Args:
        kinds: prefix of the split's name ("" or "flood_") -> what its records hold.
        parts: rest of the name ("train") -> which places.

    >>> crossed({"": "land cover", "flood_": "water"}, {"train": "half of the places"})
    {'train': 'land cover, half of the places', 'flood_train': 'water, half of the places'}
    """
    return {kind + part: f"{held}, {places}" for kind, held in kinds.items() for part, places in parts.items()}


def parted(split: str, kinds: Mapping[str, str]) -> tuple[str, str]:
    """The kind and the part that a name made by `crossed` stands for; the longest prefix that fits."""
    kind = max((kind for kind in kinds if split.startswith(kind)), key=len)
    return kind, split.removeprefix(kind)
