"""Instruments that users bring: from wavelengths alone, or from a TOML or JSON file. They join SENSORS while the program runs."""

import dataclasses
import json
import re
import tomllib
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rsfm.errors import UserError, lookup
from rsfm.sensors import SENSORS
from rsfm.sensors.names import band_name
from rsfm.types import BAND_CODES, Band, Sensor

SUFFIXES = (".toml", ".json")
FAMILIES = ("optical", "hyperspectral", "sar", "elevation", "weather", "mixed")
UNITS = ("reflectance", "dB", "K", "m", "degree", "display", "1")
HYPERSPECTRAL = 32  # bands from which an unnamed instrument counts as an imaging spectrometer
_SHORTEST_UM, _LONGEST_UM = 0.2, 20.0
_FIELDS = {
    "name",
    "title",
    "family",
    "bands",
    "scale",
    "offset",
    "source",
    "fill",
    "gsd_m",
    "unit",
    "products",
    "layouts",
}
_BAND_FIELDS = {"name", "center_um", "center_nm", "width_um", "width_nm", "gsd_m", "unit", "code", "aliases"}


def find_sensor(name: str) -> Sensor:
    """A sensor by its name in SENSORS, or from a .toml or .json file."""
    if name.lower().endswith(SUFFIXES) and name not in SENSORS:
        return join(load_sensor(Path(name)))
    return lookup(SENSORS, "sensor", name)


def join(sensor: Sensor) -> Sensor:
    """Adds a sensor to the table; one of the same name and other bands is refused."""
    known = SENSORS.get(sensor.name)
    if known is not None and known != sensor:
        raise UserError(
            f"Sensor '{sensor.name}' is in the table already, with other bands or scale. Give it another name."
        )
    SENSORS[sensor.name] = sensor
    return sensor


def spectral_sensor(
    wavelengths_um: Sequence[float],
    widths_um: Sequence[float],
    *,
    names: Sequence[str | None] = (),
    gsd_m: float = 30.0,
) -> Sensor:
    """An instrument of which nothing is known but its bands: its name is made of their number and wavelengths.

    Args:
        wavelengths_um: centres.
        widths_um: full widths at half maximum.
        names: of the bands where the file has some, all different; else B001, B002, ...
        gsd_m: taken where the file has no georeference.
    """
    outside = [x for x in wavelengths_um if not _SHORTEST_UM <= x <= _LONGEST_UM]
    if outside:
        raise UserError(
            f"A wavelength of {outside[0]:g} um: expected {_SHORTEST_UM:g} to {_LONGEST_UM:g} um. Give nanometres or "
            "micrometres, one for each band."
        )
    named = [str(name).strip() for name in names if name and str(name).strip()]
    if len(set(named)) != len(wavelengths_um):
        named = [f"B{i:03d}" for i in range(1, len(wavelengths_um) + 1)]
    bands = tuple(
        Band(name=name, center_um=float(center), width_um=float(width), gsd_m=gsd_m)
        for name, center, width in zip(named, wavelengths_um, widths_um, strict=True)
    )
    digest = zlib.crc32(json.dumps([[b.name, round(b.center_um, 5), round(b.width_um, 5)] for b in bands]).encode())
    return join(
        Sensor(
            name=f"spectrum_{len(bands)}_{digest:08x}",
            title=f"{len(bands)} bands of {min(wavelengths_um):g} to {max(wavelengths_um):g} um",
            family="hyperspectral" if len(bands) >= HYPERSPECTRAL else "optical",
            bands=bands,
            source="wavelengths of the file or of the user",
        )
    )


def bands_of_sensor(name: str, bands: Sequence[str]) -> tuple[Band, ...]:
    """Bands of a sensor by any of their names."""
    sensor = find_sensor(name)
    table = {band.name: band for band in sensor.bands}
    return tuple(lookup(table, f"{sensor.name} band", band_name(sensor, text) or text) for text in bands)


def load_sensor(path: Path) -> Sensor:
    """A sensor from a TOML or JSON file.

    >>> load_sensor(Path("mine.toml"))  # name = "mine", scale = 1e-4, [[bands]] name = "blue", center_nm = 480, width_nm = 60
    """
    try:
        text = path.read_text(encoding="utf-8")
        table = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: not a sensor that can be read ({error}). Expected TOML or JSON with name and bands."
        ) from error
    try:
        return _sensor(table, path)
    except (TypeError, KeyError, AttributeError, OverflowError) as error:
        raise UserError(
            f"{path}: a sensor's fields are of the wrong kind ({error}). See rsfm/sensors for examples."
        ) from error


def _sensor(table: Any, path: Path) -> Sensor:
    if not isinstance(table, dict) or not isinstance(table.get("bands"), list) or not table["bands"]:
        raise UserError(f"{path}: a sensor needs bands: a list of tables with name, center_nm and width_nm.")
    _known(table, _FIELDS, f"{path}: sensor field")
    name = str(table.get("name", path.stem))
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UserError(f"{path}: name '{name}': expected lower case letters, digits and '_', such as 'my_camera'.")
    common = {"gsd_m": float(table.get("gsd_m", 30.0)), "unit": str(table.get("unit", "reflectance"))}
    bands = tuple(_band({**common, **each}, i, path) for i, each in enumerate(table["bands"], start=1))
    if len({band.name for band in bands}) < len(bands):
        raise UserError(f"{path}: two bands have one name. Give each its own.")
    family = str(table.get("family", "hyperspectral" if len(bands) >= HYPERSPECTRAL else "optical"))
    lookup(dict.fromkeys(FAMILIES), f"family in {path}:", family)
    scale, offset = float(table.get("scale", 1.0)), float(table.get("offset", 0.0))
    if not scale > 0:
        raise UserError(f"{path}: scale {scale:g}: expected a positive number, physical = number * scale + offset.")
    return Sensor(
        name=name,
        title=str(table.get("title", name)),
        family=family,
        bands=bands,
        scale=scale,
        offset=offset,
        source=str(table.get("source", f"the user's file {path.name}")),
        fill=tuple(int(x) for x in table.get("fill", ())),
        layouts=tuple(tuple(map(str, layout)) for layout in table.get("layouts", ())),
        products=tuple(map(re.escape, map(str.upper, map(str, table.get("products", ()))))),
    )


def _band(table: dict[str, Any], number: int, path: Path) -> Band:
    _known(table, _BAND_FIELDS, f"{path}: field of band {number}")
    fields = {key: table[key] for key in ("gsd_m", "unit", "code") if key in table}
    band = Band(
        name=str(table.get("name", f"B{number:03d}")),
        center_um=float(table.get("center_um", table.get("center_nm", 0.0) / 1000)),
        width_um=float(table.get("width_um", table.get("width_nm", 0.0) / 1000)),
        aliases=tuple(map(str, table.get("aliases", ()))),
        **fields,
    )
    lookup(BAND_CODES, f"code in {path}, band {band.name}:", band.code)
    lookup(dict.fromkeys(UNITS), f"unit in {path}, band {band.name}:", band.unit)
    if not band.code and not _SHORTEST_UM <= band.center_um <= _LONGEST_UM:
        raise UserError(
            f"{path}: band {band.name} is at {band.center_um:g} um; expected center_nm or center_um of {_SHORTEST_UM:g} to "
            f"{_LONGEST_UM:g} um, or a code ({', '.join(filter(None, BAND_CODES))})."
        )
    if not band.code and not 0 <= band.width_um < band.center_um:
        raise UserError(
            f"{path}: band {band.name} is {band.width_um:g} um wide at {band.center_um:g} um. Give width_nm."
        )
    return band if band.width_um or band.code else dataclasses.replace(band, width_um=band.center_um / 50)


def _known(table: dict[str, Any], fields: set[str], kind: str) -> None:
    for key in table:
        lookup(dict.fromkeys(fields), kind, key)
