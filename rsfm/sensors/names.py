"""Bands by the names that files give them: "SR_B4", "b08", "Band 4 - Red", "nir" are looked up in a sensor's table."""

import re

from rsfm.types import Band, Sensor

_PREFIX = re.compile(r"^(SURREFL|SR|BOA|TOA|REFL?|RRS|REFLECTANCE|BAND)(?=B?\d|B?8A|[A-Z]{3})")
_PLACE = re.compile(r"^(BAND|LAYER|CHANNEL)?[ _-]?0*(\d+)$")  # "Band 3": a place in the file and nothing more


def band_name(sensor: Sensor, text: str, product: str = "", *, own: bool = False) -> str | None:
    """The sensor's own name of a band that a file calls `text`, None where it has no such band.

    Args:
        sensor: whose table to look in.
        text: a name from a file, such as "SR_B4", "b08", "nir", "B4 (red)".
        product: the product's name, where variants of one product name their bands differently.
        own: leaves out the common names ("blue", "nir") that many instruments share.
    """
    for part in (text, *re.split(r"\s+-\s+|[,:;()\[\]]", text)):
        if key := _key(part):
            found = _variant(sensor, key, product) or _of_table(sensor, key, own)
            if found:
                return found
    return None


def only_places(names: tuple[str | None, ...]) -> bool:
    """Whether names are nothing but numbers from one on, which say no more than the bands' places."""
    found = [_PLACE.match(name.strip().upper()) if name else None for name in names]
    return all(match and int(match[2]) == i for i, match in enumerate(found, start=1))


def _of_table(sensor: Sensor, key: str, own: bool) -> str | None:
    for band in sensor.bands:
        if _key(band.name) == key:
            return band.name
    if own:
        return None
    return next((band.name for band in sensor.bands if key in _aliases(band)), None)


def _aliases(band: Band) -> set[str]:
    return {_key(alias) for alias in band.aliases}


def _variant(sensor: Sensor, key: str, product: str) -> str | None:
    for fragment, table in sensor.variants.items():
        if fragment in product.upper():
            return table.get(key)
    return None


def _key(text: str) -> str:
    """Upper case without blanks, signs, prefixes and leading zeros: "sr_b04" and "4" are "B4"."""
    plain = re.sub(r"[^A-Z0-9]", "", text.upper())
    plain = _PREFIX.sub("", plain)
    plain = f"B{plain}" if re.fullmatch(r"\d{1,3}A?", plain) else plain
    return re.sub(r"^B0*(?=\d)", "B", plain)
