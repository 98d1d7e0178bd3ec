"""What a user's file is: instrument, bands, wavelengths and dates, asked once. The rest of the house reads the answer.

t acquisitions
"""

import dataclasses
from collections.abc import Sequence

from rsfm.data.reading.bands import SKIP, Part, parts_of, with_wavelengths
from rsfm.data.reading.raster import Header
from rsfm.data.reading.wavelengths import Spectrum, fill_widths
from rsfm.errors import UserError
from rsfm.sensors import SHIPPED
from rsfm.sensors.infer import infer_sensor, product_match
from rsfm.sensors.own import spectral_sensor
from rsfm.types import Sensor

_SAME_UM = 0.002  # wavelengths that agree so well with a table of as many bands are that instrument's


@dataclasses.dataclass(frozen=True, kw_only=True)
class Product:
    """One file as it is to be read.

    Attributes:
        sensor: the instrument, its bands at the wavelengths that the file says.
        parts: its acquisitions.
        notes: what was assumed.
    """

    sensor: Sensor
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()


def identify(
    header: Header, *, sensor: Sensor | None = None, bands: Sequence[str] | None = None, spectrum: Spectrum = ((), ())
) -> Product:
    """The product that a file is.

    Args:
        header: what the file says of itself.
        sensor: the instrument, None to find it out.
        bands: the user's names of the file's layers.
        spectrum: the user's wavelengths and widths of the file's layers, which come before the file's own.
    """
    if spectrum[0]:
        header = _with_spectrum(header, spectrum)
    notes: tuple[str, ...] = ()
    parts: tuple[Part, ...]
    if sensor is None and header.wavelengths_um:
        sensor, note = _by_wavelengths(header, bands)
        notes = (note,)
    elif sensor is None:
        sensor, note = _by_names(header, bands)
        notes = (note,)
    if header.wavelengths_um and bands is None and sensor.family in ("optical", "hyperspectral"):
        fitted = with_wavelengths(header, sensor)
        if fitted is None:
            raise UserError(
                f"{header.path}: its {header.count} bands at {min(header.wavelengths_um):g} to {max(header.wavelengths_um):g} "
                f"um are not those of {sensor.name}. Leave the sensor out to read them by their wavelengths."
            )
        names = tuple(band.name for band in fitted.bands)
        sensor, parts = fitted, (Part(places=tuple(range(header.count)), bands=names),)
    else:
        parts = parts_of(header, sensor, bands)
    parts = tuple(_without_bad(header, part) for part in parts)
    return Product(sensor=sensor, parts=parts, notes=(*notes, *(note for part in parts for note in part.notes)))


def _with_spectrum(header: Header, spectrum: Spectrum) -> Header:
    if len(spectrum[0]) != header.count:
        raise UserError(
            f"{header.path}: {len(spectrum[0])} wavelengths, the file has {header.count} bands. Give one for each band."
        )
    return dataclasses.replace(header, wavelengths_um=spectrum[0], widths_um=spectrum[1])


def _by_wavelengths(header: Header, bands: Sequence[str] | None) -> tuple[Sensor, str]:
    """The instrument of the table with these wavelengths or this product name, else one made of the wavelengths alone."""
    for part in reversed(header.product.upper().split("/")):
        for sensor in SHIPPED:
            if product_match(sensor, part) and with_wavelengths(header, sensor):
                return (
                    sensor,
                    f"sensor {sensor.name}: known by '{product_match(sensor, part)}' in the path and its wavelengths",
                )
    for sensor in SHIPPED:
        centers = [band.center_um for band in sensor.bands]
        if len(centers) == header.count and max(map(_gap, centers, header.wavelengths_um)) <= _SAME_UM:
            return sensor, f"sensor {sensor.name}: known by its wavelengths"
    widths = fill_widths(header.wavelengths_um, header.widths_um or (0.0,) * header.count)
    names = bands if bands is not None and len(bands) == header.count else header.descriptions
    sensor = spectral_sensor(header.wavelengths_um, widths, names=names)
    return sensor, f"read by the wavelengths of its {header.count} bands, {sensor.title.split('of ')[-1]}"


def _by_names(header: Header, bands: Sequence[str] | None) -> tuple[Sensor, str]:
    names = header.descriptions if bands is None else [None if name == SKIP else name for name in bands]
    count = header.count if bands is None else len(bands)
    return infer_sensor(str(header.path), count=count, dtype=header.dtype, descriptions=names, product=header.product)


def _without_bad(header: Header, part: Part) -> Part:
    """The part without the bands that the file's header calls bad."""
    if not header.usable or all(header.usable[place] for place in part.places):
        return part
    good = [i for i, place in enumerate(part.places) if header.usable[place]]
    if not good:
        raise UserError(f"{header.path}: its header calls every band bad (bbl). Mend the header.")
    left_out = len(part.places) - len(good)
    note = f"{header.path.name}: left out {left_out} of {len(part.places)} bands that its header calls bad (bbl)"
    return dataclasses.replace(
        part,
        places=tuple(part.places[i] for i in good),
        bands=tuple(part.bands[i] for i in good),
        notes=(*part.notes, note),
    )


def _gap(one: float, other: float) -> float:
    return abs(one - other)
