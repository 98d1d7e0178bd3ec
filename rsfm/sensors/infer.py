"""Which instrument took a file: from what its name and bands say, never by a guess that could be two things."""

import re
from collections.abc import Sequence

import numpy as np

from rsfm.errors import UserError
from rsfm.sensors import SHIPPED
from rsfm.sensors.names import band_name
from rsfm.types import Sensor

_ENOUGH = 4  # bands known by their names, from which others may be none of the instrument's


def infer_sensor(
    where: str, *, count: int, dtype: np.dtype, descriptions: Sequence[str | None] = (), product: str = ""
) -> tuple[Sensor, str]:
    """The instrument a file is from and a note that says how it is known.

    Args:
        where: the file, for the error.
        count: number of bands, alpha not counted.
        dtype: of the stored numbers.
        descriptions: the file's names of its bands.
        product: names of the file and the folders it is in.

    Raises:
        UserError: two instruments are possible, or none; lists the choices.
    """
    whole = [sensor for sensor in SHIPPED if _named(sensor, descriptions, product) == _all(sensor)]
    if len(whole) == 1 and (whole[0].assumed != ("picture",) or _kind(dtype) == "picture"):
        return whole[0], f"sensor {whole[0].name}: known by the names of the bands"
    for part in reversed(product.upper().split("/")):
        for sensor in SHIPPED:
            match = product_match(sensor, part) if _can_hold(sensor, count, descriptions, product) else None
            if match:
                return sensor, f"sensor {sensor.name}: known by '{match.strip('/._- ')}' in the path"
    whole = [sensor for sensor in whole if _kind(dtype) in sensor.assumed or sensor.assumed != ("picture",)]
    if whole:
        others = f"; {whole[1].name} has the same" if len(whole) > 1 else ""
        return whole[0], f"sensor {whole[0].name}: assumed from the bands' names{others}"
    if some := _by_some_names(descriptions, dtype):
        return some, f"sensor {some.name}: assumed from the bands' names; name the sensor if it is another"
    usual = usual_sensor(count, dtype)
    if usual:
        return usual, f"sensor {usual.name}: assumed from {count} bands of {dtype}; name the sensor if it is another"
    same = sorted(sensor.name for sensor in SHIPPED if len(sensor.bands) == count)
    choices = f"With {count} bands there are {', '.join(same)}. " if same else ""
    raise UserError(
        f"{where}: the sensor cannot be told from {count} band{'s' * (count != 1)} of {dtype}. Name it with sensor, or "
        f"give the bands' wavelengths. {choices}Known: {', '.join(sorted(s.name for s in SHIPPED))}."
    )


def product_match(sensor: Sensor, name: str) -> str | None:
    """What in a product's name says that it is of this sensor."""
    found = (re.search(pattern, name.upper()) for pattern in sensor.products)
    return next((match[0] for match in found if match), None)


def usual_sensor(count: int, dtype: np.dtype) -> Sensor | None:
    """The instrument that files of as many unnamed bands of such numbers are usually from."""
    return next((s for s in SHIPPED if _kind(dtype) in s.assumed and len(s.bands) == count), None)


def _all(sensor: Sensor) -> list[str]:
    return [band.name for band in sensor.bands]


def _named(sensor: Sensor, descriptions: Sequence[str | None], product: str) -> list[str | None]:
    return [band_name(sensor, text, product, own=True) if text else None for text in descriptions]


def _can_hold(sensor: Sensor, count: int, descriptions: Sequence[str | None], product: str) -> bool:
    if count == len(sensor.bands) or any(len(layout) == count for layout in sensor.layouts):
        return True
    return any(band_name(sensor, text, product) for text in descriptions if text)


def _by_some_names(descriptions: Sequence[str | None], dtype: np.dtype) -> Sensor | None:
    """The instrument that most of the bands' names lead to; products of one instrument count as one.

    Names written as in the table ("B02") come before those that are but alike ("B2"); of several instruments that are left,
    the one that files of such numbers are usually from.
    """
    names = [text for text in descriptions if text]
    found = {sensor.name: (sensor, *_hits(sensor, names)) for sensor in SHIPPED}
    most = max((exact, len(bands)) for _, bands, exact in found.values())
    best = {name: hit for name, hit in found.items() if (hit[2], len(hit[1])) == most}
    if most[1] < 2 or most[1] < min(len(names), _ENOUGH):
        return None
    at = {
        name: [(band.center_um, band.code) for band in hit[0].bands if band.name in hit[1]]
        for name, hit in best.items()
    }
    if len({tuple(places) for places in at.values()}) > 1:
        best = {name: hit for name, hit in best.items() if _kind(dtype) in hit[0].assumed}
        if len({tuple(at[name]) for name in best}) != 1:
            return None
    return min((hit[0] for hit in best.values()), key=lambda sensor: len(sensor.bands))


def _hits(sensor: Sensor, names: Sequence[str]) -> tuple[set[str], int]:
    """Bands that the names lead to, and how many of these are written as in the table."""
    bands = {name for text in names if (name := band_name(sensor, text, own=True))}
    return bands, sum(any(text.strip().endswith(name) for text in names) for name in bands)


def _kind(dtype: np.dtype) -> str:
    return "picture" if dtype == np.uint8 else "integer" if dtype.kind in "iu" else "float"
