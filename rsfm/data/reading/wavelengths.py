"""Wavelengths and widths of bands as files and users write them: in headers, tags and tables, in nanometres or micrometres.

c bands
"""

import csv
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rsfm.errors import UserError

_NANOMETRES = 100.0  # no band of an optical sensor is at 100 um: larger numbers without a unit are nanometres
_CENTRE = (
    "central_wavelength_um",
    "wavelength_um",
    "wavelength_nm",
    "wavelength",
    "central_wavelength",
    "center_wavelength",
)
_WIDTH = ("fwhm_um", "fwhm_nm", "fwhm", "bandwidth", "width_um", "width_nm", "width")
_UNIT = ("wavelength_units", "wavelength_unit", "units_wavelength")
MOST_BYTES = 1 << 18  # of a file of wavelengths: the lines of ten thousand bands
Spectrum = tuple[tuple[float, ...], tuple[float, ...]]  # centres and widths in micrometres, both empty where unknown


def micrometres(numbers: Sequence[float], unit: str = "") -> tuple[float, ...]:
    """Wavelengths in micrometres; without a unit they are nanometres where the largest is over 100."""
    known = unit.strip().lower()
    if re.match(r"(nm|nano)", known):
        factor = 1e-3
    elif re.match(r"(um|µm|μm|micro|micron)", known):
        factor = 1.0
    else:
        factor = 1e-3 if max(numbers, default=0.0) > _NANOMETRES else 1.0
    return tuple(round(float(number) * factor, 7) for number in numbers)


def spectrum(centers: Sequence[float], widths: Sequence[float] = (), unit: str = "") -> Spectrum:
    """Centres and widths of as many bands in micrometres; widths not given are 0 and numbers that are none empty both."""
    if not centers or not all(math.isfinite(x) and x >= 0 for x in centers) or not any(centers):
        return (), ()
    centers_um = micrometres(centers, unit)
    if len(widths) != len(centers) or not all(math.isfinite(x) and x >= 0 for x in widths):
        return centers_um, (0.0,) * len(centers)
    scale = max(centers_um) / max(centers)
    return centers_um, tuple(round(float(width) * scale, 7) for width in widths)


def wavelengths_of_tags(tags: Sequence[Mapping[str, str]]) -> Spectrum:
    """What each band's own tags say (GDAL's IMAGERY domain, ENVI's, rioxarray's); empty where a band says nothing."""
    lowered = [{key.lower(): value for key, value in each.items()} for each in tags]
    centers = [_number(each, _CENTRE) for each in lowered]
    if not lowered or any(center is None for center in centers):
        return (), ()
    widths = [_number(each, _WIDTH) or 0.0 for each in lowered]
    unit = next((each[key] for each in lowered for key in _UNIT if key in each), "")
    unit = "um" if _CENTRE[0] in lowered[0] or _CENTRE[1] in lowered[0] else unit
    return spectrum([center for center in centers if center is not None], widths, unit)


def fill_widths(centers_um: Sequence[float], widths_um: Sequence[float]) -> tuple[float, ...]:
    """Widths, where they are 0 the distance to the nearest other centre, at most a tenth of the wavelength."""
    places = np.unique(np.asarray(centers_um, np.float64))
    gaps = np.pad(np.diff(places), 1, constant_values=np.inf)
    nearest = dict(zip(places.tolist(), np.minimum(gaps[:-1], gaps[1:]).tolist(), strict=True))
    return tuple(
        width or min(nearest[center], 0.1 * center) for center, width in zip(centers_um, widths_um, strict=True)
    )


def read_wavelengths(path: str | Path) -> Spectrum:
    """Centres and widths from a text, CSV or JSON file: one band a line (centre, then width if known), or lists.

    JSON holds a list of centres, or {"wavelengths": [...], "fwhm": [...], "units": "nm"}.
    """
    path = Path(path)
    if path.exists() and not (path.is_file() and path.stat().st_size <= MOST_BYTES):
        raise UserError(
            f"{path}: expected a text of one wavelength a band, found a folder, a device or more than 256 kB."
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: wavelengths cannot be read ({error}). Expected a text, CSV or JSON file.") from error
    try:
        found = _from_json(json.loads(text)) if path.suffix.lower() == ".json" else _from_lines(text)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{path}: expected one band a line, centre and width in nm or um, found something else ({error})."
        ) from error
    if not found[0]:
        raise UserError(f"{path}: expected wavelengths of one band a line, in nm or um, all positive; found none.")
    return found


def _from_json(content: object) -> Spectrum:
    if isinstance(content, list):
        return spectrum([float(x) for x in content])
    table = {str(key).lower(): value for key, value in content.items()}  # type: ignore[attr-defined]
    centers: list[float] = next(
        (table[key] for key in ("wavelengths", "wavelengths_um", "wavelengths_nm", "wavelength") if key in table), []
    )
    unit = "um" if "wavelengths_um" in table else "nm" if "wavelengths_nm" in table else str(table.get("units", ""))
    return spectrum([float(x) for x in centers], [float(x) for x in table.get("fwhm", ())], unit)


def _from_lines(text: str) -> Spectrum:
    rows = [row for row in csv.reader(re.sub(r"[;\t]| +", ",", line.strip()) for line in text.splitlines()) if row]
    rows = [[cell for cell in row if cell] for row in rows]
    head = [row for row in rows[:1] if not _is_number(row[0])]
    names = " ".join(head[0]).lower() if head else ""
    numbers = [[float(cell) for cell in row] for row in rows[len(head) :] if row]
    if len(numbers) == 1 and len(numbers[0]) > 2:  # all in one line
        return spectrum(numbers[0])
    if len({len(row) for row in numbers}) > 1:
        raise ValueError("lines of different lengths")
    column = (
        1 if numbers and len(numbers[0]) > 2 or "band" in names and len(numbers[0]) > 1 else 0
    )  # a running number first
    widths = [row[column + 1] for row in numbers] if numbers and len(numbers[0]) > column + 1 else []
    unit = "nm" if "nm" in names or "nano" in names else "um" if "um" in names or "micro" in names else ""
    return spectrum([row[column] for row in numbers], widths, unit)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(tags: Mapping[str, str], keys: Sequence[str]) -> float | None:
    for key in keys:
        found = re.match(r"\s*([0-9]*\.?[0-9]+(?:[eE][-+]?\d+)?)", str(tags.get(key, "")))
        if found:
            return float(found[1])
    return None
