"""Which instrument took a file: from what its name and bands say, never by a guess that could be two things."""

import re
from collections.abc import Sequence

import numpy as np

from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.names import band_name
from rsfm.types import Sensor


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
    whole = [sensor for sensor in SENSORS.values() if _named(sensor, descriptions, product) == _all(sensor)]
    if len(whole) == 1:
        return whole[0], f"sensor {whole[0].name}: known by the names of the bands"
    for part in reversed(product.upper().split("/")):
        for sensor in SENSORS.values():
            match = product_match(sensor, part) if _can_hold(sensor, count, descriptions, product) else None
            if match:
                return sensor, f"sensor {sensor.name}: known by '{match.strip('/._- ')}' in the path"
    if whole:
        return whole[0], f"sensor {whole[0].name}: assumed from the bands' names; {whole[1].name} has the same"
    if some := _by_some_names(descriptions):
        return some, f"sensor {some.name}: assumed from the bands' names; name the sensor if it is another"
    usual = usual_sensor(count, dtype)
    if usual:
        return usual, f"sensor {usual.name}: assumed from {count} bands of {dtype}; name the sensor if it is another"
    same = sorted(name for name, sensor in SENSORS.items() if len(sensor.bands) == count)
    choices = f"With {count} bands there are {', '.join(same)}. " if same else ""
    raise UserError(
        f"{where}: the sensor cannot be told from {count} band{'s' * (count != 1)} of {dtype}. Name it with sensor, or "
        f"give the bands' wavelengths. {choices}Known: {', '.join(sorted(SENSORS))}."
    )


def product_match(sensor: Sensor, name: str) -> str | None:
    """What in a product's name says that it is of this sensor."""
    found = (re.search(pattern, name.upper()) for pattern in sensor.products)
    return next((match[0] for match in found if match), None)


def usual_sensor(count: int, dtype: np.dtype) -> Sensor | None:
    """The instrument that files of as many unnamed bands of such numbers are usually from."""
    kind = "picture" if dtype == np.uint8 else "integer" if dtype.kind in "iu" else "float"
    return next((s for s in SENSORS.values() if kind in s.assumed and len(s.bands) == count), None)


def _all(sensor: Sensor) -> list[str]:
    return [band.name for band in sensor.bands]


def _named(sensor: Sensor, descriptions: Sequence[str | None], product: str) -> list[str | None]:
    return [band_name(sensor, text, product, own=True) if text else None for text in descriptions]


def _can_hold(sensor: Sensor, count: int, descriptions: Sequence[str | None], product: str) -> bool:
    if count == len(sensor.bands) or any(len(layout) == count for layout in sensor.layouts):
        return True
    return any(band_name(sensor, text, product) for text in descriptions if text)


def _by_some_names(descriptions: Sequence[str | None]) -> Sensor | None:
    """The instrument to whose table alone the names of several bands lead; products of one instrument count as one."""
    names = [text for text in descriptions if text]
    fits = {}
    for sensor in SENSORS.values():
        bands = [band_name(sensor, text, own=True) for text in names]
        if len(names) > 1 and all(bands) and len(set(bands)) == len(bands):
            at = {band.name: (band.center_um, band.code) for band in sensor.bands}
            fits[sensor.name] = (tuple(at[name] for name in bands if name), sensor)
    if not fits or len({wavelengths for wavelengths, _ in fits.values()}) > 1:
        return None
    return min((sensor for _, sensor in fits.values()), key=lambda sensor: len(sensor.bands))
