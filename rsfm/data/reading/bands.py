"""Which bands of which dates a file holds: by the user's word, by wavelengths, by band names, or by an order that is usual.

t acquisitions
"""

import dataclasses
import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from rsfm.data.reading.dates import date_in_name
from rsfm.data.reading.raster import Header, Raster
from rsfm.errors import UserError, lookup
from rsfm.sensors import SHIPPED
from rsfm.sensors.names import band_name, only_places
from rsfm.types import Band, Sensor

SKIP = "skip"  # what `bands` calls a layer of the file that is no band of the sensor
_DATE = re.compile(
    r"(?<!\d)(?:19[7-9]\d|20[0-4]\d)[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12]\d|3[01])(?:T\d{4,6}Z?)?(?!\d)"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """One acquisition in a file.

    Attributes:
        places: of its bands in the file, from 0.
        bands: what they are called in the sensor's table.
        day: days since 2000 where the names of the bands say it, else NaN.
        notes: what was assumed.
    """

    places: tuple[int, ...]
    bands: tuple[str, ...]
    day: float = math.nan
    notes: tuple[str, ...] = ()


def parts_of(header: Header, sensor: Sensor, bands: Sequence[str] | None) -> tuple[Part, ...]:
    """The acquisitions in a file, one for each date that its bands are of.

    Args:
        header: of the file.
        sensor: the instrument.
        bands: the user's names of the file's layers in order, "skip" for one to leave out; or, of a file whose own names
            are plain, those to read.
    """
    if bands is not None:
        return _by_user(header, sensor, bands)
    names = header.descriptions if any(header.descriptions) else ()
    if names and not only_places(names):
        named = _by_names(header, sensor, names)
        if named and not _contradicts(header, sensor, named):
            return named
    return (_by_place(header, sensor),)


def _by_user(header: Header, sensor: Sensor, bands: Sequence[str]) -> tuple[Part, ...]:
    for name in bands:
        if name != SKIP and _resolve(sensor, name, header.product)[0] is None:
            lookup({band.name: band for band in sensor.bands}, f"{sensor.name} band", name)
    if len(bands) == header.count:
        return _grouped(header, sensor, list(bands), ordered=False)
    wanted = [_resolve(sensor, name, header.product)[0] for name in bands]
    own = _by_names(header, sensor, header.descriptions) if any(header.descriptions) else ()
    if own and all(set(wanted) <= set(part.bands) for part in own):
        return tuple(
            dataclasses.replace(
                part,
                places=tuple(part.places[part.bands.index(name)] for name in wanted if name),
                bands=tuple(name for name in wanted if name),
            )
            for part in own
        )
    raise UserError(
        f"{header.path}: bands= names {len(bands)} bands, the file has {header.count}. Name each of its layers in order, "
        f'"{SKIP}" for one that is no band of {sensor.name}.'
    )


def _by_names(header: Header, sensor: Sensor, names: Sequence[str | None]) -> tuple[Part, ...]:
    return _grouped(header, sensor, list(names), ordered=True)


def _grouped(header: Header, sensor: Sensor, names: list[str | None], *, ordered: bool) -> tuple[Part, ...]:
    """Layers by their names: those of one date together. Names that recur without a date are of one date each, in order.

    Args:
        header: of the file.
        sensor: the instrument.
        names: of the layers.
        ordered: bands of a date in the sensor's order; else as they come in the file.
    """
    dates: dict[float | int, dict[str, int]] = {}
    seen: Counter[tuple[str, float]] = Counter()
    lost = []
    for place, text in enumerate(names):
        name, day = _resolve(sensor, text or SKIP, header.product)
        if name is None:
            lost.append(text if text and text != SKIP else f"layer {place + 1}")
            continue
        turn = seen[name, -1.0 if math.isnan(day) else day]
        seen[name, -1.0 if math.isnan(day) else day] += 1
        if turn and not math.isnan(day):
            raise UserError(f"{header.path}: two layers are called '{text}'. Name each once, or with its date.")
        dates.setdefault(-1.0 - turn if math.isnan(day) else day, {})[name] = place
    if len({len(layers) for layers in dates.values()}) > 1 and any(key < 0 for key in dates):
        counts = ", ".join(f"{name} {sum(name in layers for layers in dates.values())} x" for name in _all(dates))
        raise UserError(
            f"{header.path}: layers of several dates, but not the same of each: {counts}. Name them with dates."
        )
    order = [band.name for band in sensor.bands]
    notes = (f"{header.path.name}: left out {', '.join(map(str, lost[:8]))}: no band of {sensor.name}",) if lost else ()
    out = []
    for key, layers in dates.items():
        chosen = sorted(layers, key=order.index) if ordered else list(layers)
        day = math.nan if key < 0 else key
        out.append(Part(places=tuple(layers[n] for n in chosen), bands=tuple(chosen), day=day, notes=notes))
    return tuple(out)


def _all(dates: dict[float | int, dict[str, int]]) -> list[str]:
    return list(dict.fromkeys(name for layers in dates.values() for name in layers))


def _resolve(sensor: Sensor, text: str, product: str) -> tuple[str | None, float]:
    """A layer's band and its day, NaN where its name holds no date."""
    day = date_in_name(text)
    if day is not None:
        text = _DATE.sub(" ", text).strip(" _-./|:")
    return band_name(sensor, text, product), math.nan if day is None else day


def _contradicts(header: Header, sensor: Sensor, named: tuple[Part, ...]) -> bool:
    """Whether a file of as many layers as the sensor has bands is better read in the table's order: few names are known,
    and those stand where the table has them."""
    own = [band.name for band in sensor.bands]
    if len(named) != 1 or header.count != len(own) or len(named[0].bands) == header.count:
        return False
    return all(own[place] == name for place, name in zip(named[0].places, named[0].bands, strict=True))


def _by_place(header: Header, sensor: Sensor) -> Part:
    own = tuple(band.name for band in sensor.bands)
    if header.count == len(own):
        return Part(places=tuple(range(header.count)), bands=own)
    for layout in sensor.layouts:
        if len(layout) == header.count:
            what = f"{header.count} unnamed band{'s' * (header.count > 1)} taken as {', '.join(layout)}"
            note = f"{header.path.name}: {what}; bands= (--bands) names others"
            return Part(places=tuple(range(header.count)), bands=layout, notes=(note,))
    raise UserError(
        f"{header.path}: {sensor.name} has {len(own)} bands, the file has {header.count}. {_advice(header, sensor)}"
    )


def _advice(header: Header, sensor: Sensor) -> str:
    own = [band.name for band in sensor.bands]
    usual = max((len(own), *map(len, sensor.layouts)), key=lambda count: header.count % count == 0)
    first, second = own[0], own[min(1, len(own) - 1)]
    if header.count > usual and header.count % usual == 0 and usual > 1:
        return (
            f"If it holds {header.count // usual} dates of {usual} bands, name its {header.count} layers in order with bands= "
            f'(--bands): "{first} {second} ... {first} {second} ..." where a date\'s bands stand together, "{first} {first} ... '
            f'{second} {second} ..." where a band\'s dates do; or in the file (band descriptions such as "{first} 2021-04-01").'
        )
    same = sorted(other.name for other in SHIPPED if len(other.bands) == header.count)
    hint = f" Sensors with {header.count} bands: {', '.join(same)}." if same else ""
    return (
        f'Name its layers in order with --bands {first} {second} ... (in Python bands=("{first}", "{second}", ...)), or in the '
        f"file (band descriptions).{hint}"
    )


def with_wavelengths(header: Header, sensor: Sensor) -> Sensor | None:
    """The sensor with the file's own wavelengths where its bands are there one for one; None where they are others."""
    table = np.array([band.center_um for band in sensor.bands])
    width = np.array([band.width_um for band in sensor.bands])
    own = np.array(header.wavelengths_um)
    if not own.size or not table.all():
        return None
    if len(own) == len(table) and np.all(np.abs(own - table) <= np.maximum(width, 0.015)):
        nearest = np.arange(len(own))
    else:
        nearest = np.abs(own[:, None] - table).argmin(1)
        if len(set(nearest)) < len(own) or (np.abs(own - table[nearest]) > np.maximum(width[nearest] / 2, 0.005)).any():
            return None
    bands = [_at(sensor.bands[i], header, place) for place, i in enumerate(nearest)]
    return dataclasses.replace(sensor, bands=tuple(bands))


def _at(band: Band, header: Header, place: int) -> Band:
    width = header.widths_um[place] if header.widths_um else 0.0
    return dataclasses.replace(band, center_um=header.wavelengths_um[place], width_um=width or band.width_um)


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
