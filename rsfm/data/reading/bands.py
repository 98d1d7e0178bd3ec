"""Which bands each file of a scene holds, by the names in the sensor's table.

t acquisitions
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from rsfm.data.reading.raster import Raster
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.infer import band_name
from rsfm.sensors.observe import choose_bands
from rsfm.types import Sensor


def pick_bands(raster: Raster, sensor: Sensor, bands: Sequence[str] | None) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Which of the file's bands to read and what they are called in the sensor's table."""
    header, own = raster.header, tuple(band.name for band in sensor.bands)
    if bands is not None:
        chosen = choose_bands(sensor, bands)
        if len(chosen) != header.count:
            raise UserError(f"{header.path}: bands= names {len(chosen)} bands, the file has {header.count}.")
        return tuple(range(header.count)), tuple(bands)
    told = [band_name(sensor, text, header.product) if text else None for text in header.descriptions]
    named = {name: i for i, name in enumerate(told) if name is not None}
    if named and len(named) == header.count or set(named) == set(own):
        order = [name for name in own if name in named]
        return tuple(named[name] for name in order), tuple(order)
    if header.count == len(own):
        return tuple(range(header.count)), own
    if sensor.family == "elevation" and header.count == 1:
        return (0,), ("elevation",)
    same = sorted(name for name, other in SENSORS.items() if len(other.bands) == header.count)
    hint = (
        f"Sensors with {header.count} bands: {', '.join(same)}."
        if same
        else 'Name the file\'s bands with bands=("B02", ...), or in the file (band descriptions).'
    )
    raise UserError(f"{header.path}: {sensor.name} has {len(own)} bands, the file has {header.count}. {hint}")


def all_bands(sensor: Sensor, held: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The bands that any image holds, in the sensor's order."""
    known = set().union(*held)
    return tuple(band.name for band in sensor.bands if band.name in known)


def check_parts(rasters: Sequence[Raster], held: Sequence[tuple[str, ...]], time_days: Float[np.ndarray, " t"]) -> None:
    """Refuses images of unknown date without a common band: parts of one acquisition, that would be read as several."""
    unknown = [(raster, names) for raster, names, day in zip(rasters, held, time_days, strict=True) if math.isnan(day)]
    for (one, names), (other, others) in itertools.combinations(unknown, 2):
        if not set(names) & set(others):
            raise UserError(
                f"{other.header.path}: has the bands {', '.join(others)}, {one.header.path.name} has {', '.join(names)}, and "
                "no date tells them apart. Put the bands of one date into one folder, or name the date of each image."
            )
