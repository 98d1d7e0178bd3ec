"""What a column of a series table measures: band or code, sensor, unit, and the date where it stands in the name.   n cells"""

import dataclasses
import math
import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from rsfm.errors import UserError, lookup
from rsfm.sensors import SENSORS
from rsfm.sensors.names import band_name
from rsfm.sensors.observe import days_since_2000
from rsfm.sensors.pixel_series import PIXEL_SERIES
from rsfm.types import Band, Sensor

COLUMN = re.compile(
    r"(?:(?P<sensor>[a-z][a-z0-9_]+)(?:/(?P<label>\w+))?[:.])?(?P<name>[^\[\]]+?)\s*(?:\[\s*(?P<unit>[^\[\]]*?)\s*\])?"
)
_DATE = re.compile(r"(?<![\d-])(?P<date>(?:19|20)\d\d-\d\d-\d\d|(?:19|20)\d{6})(?!\d)")
_WAVELENGTH = re.compile(
    r"(?:(?:b|band|r|rho|refl|reflectance)[ _]*)?(\d+(?:\.\d+)?)\s*(nm|um|µm|micrometers?)", re.IGNORECASE
)
NARROW_UM = 0.01  # width of a band of which only the wavelength is given
# Other words for the bands of PIXEL_SERIES.
SAME = {
    "dem": "elevation", "altitude": "elevation", "height_above_sea": "elevation", "temperature_2m": "temperature",
    "t2m": "temperature", "air_temperature": "temperature", "total_precipitation": "precipitation", "rain": "precipitation",
    "rainfall": "precipitation", "tp": "precipitation", "red_edge": "rededge", "swir_1": "swir1", "swir_2": "swir2",
    "swir16": "swir1", "swir22": "swir2", "aerosol": "coastal",
}  # fmt: skip
# Unit of a band -> unit of a column -> factor and offset; "linear" power is brought to decibels by its logarithm.
_ONE, _TEN_THOUSANDTH, _CELSIUS = (1.0, 0.0), (1e-4, 0.0), (1.0, 273.15)
UNITS: dict[str, dict[str, tuple[float, float]]] = {
    "reflectance": dict.fromkeys(("reflectance", "1", "-"), _ONE)
    | dict.fromkeys(("%", "percent"), (0.01, 0.0))
    | dict.fromkeys(("1e-4", "0.0001", "x10000"), _TEN_THOUSANDTH),
    "display": {"display": _ONE, "1": _ONE, "dn": (1 / 255, 0.0)},
    "dB": dict.fromkeys(("dB", "decibel", "linear", "power"), _ONE),
    "K": dict.fromkeys(("K", "kelvin"), _ONE)
    | dict.fromkeys(("degC", "°C", "C", "celsius", "degree_celsius", "degrees_celsius"), _CELSIUS),
    "m": dict.fromkeys(("m", "meter", "metre", "meters", "metres"), _ONE) | {"mm": (1e-3, 0.0), "cm": (0.01, 0.0)},
    "degree": dict.fromkeys(("degree", "degrees", "deg", "°"), _ONE) | {"rad": (180 / math.pi, 0.0)},
    "1": dict.fromkeys(("1", "-", "ndvi"), _ONE) | dict.fromkeys(("1e-4", "x10000"), _TEN_THOUSANDTH),
}
LINEAR = ("linear", "power")
# What can be measured; a column that lies elsewhere is of another unit than it says.
RANGES: dict[str, tuple[float, float]] = {
    "reflectance": (-0.5, 2.0), "display": (0.0, 1.0), "dB": (-70.0, 40.0), "K": (150.0, 400.0), "degree": (0.0, 360.0),
    "1": (-1.01, 1.01), "m": (-500.0, 9000.0), "precipitation": (0.0, 5.0),
}  # fmt: skip
MOST_OUTSIDE = 0.05  # share of a column's cells that may be what no instrument measures; they are no data


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """What the cells of a column are.

    Attributes:
        column: its name.
        band: with wavelength or code and unit.
        sensor: key of SENSORS it is from, "" where none is named.
        label: tells two streams of one sensor apart.
        unit: as the column has it; "" = the band's own.
        date: days since 2000-01-01 where the name holds a date (a wide table), else None.
    """

    column: str
    band: Band
    sensor: str = ""
    label: str = ""
    unit: str = ""
    date: float | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """The same for columns of one band at other dates."""
        return self.sensor, self.label, self.band.name

    def physical(self, where: str, cells: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """The cells in the band's unit; NaN where they hold what no instrument measures.

        Raises:
            UserError: an unknown unit, or cells that are mostly outside of what the unit can be.
        """
        known = UNITS[self.band.unit] | _digital(self.sensor)
        unit = self.unit or self.band.unit
        factor, offset = lookup(known, f"unit of {where}, column '{self.column}':", _spelled(unit, known))
        if unit.lower() in LINEAR and self.band.unit == "dB":
            with np.errstate(divide="ignore", invalid="ignore"):
                values = 10 * np.log10(np.where(cells > 0, cells, np.nan))
        else:
            values = cells * factor + offset
        low, high = RANGES["precipitation" if self.band.code == "precipitation" else self.band.unit]
        there = np.isfinite(values)
        outside = there & ~((values >= low) & (values <= high))
        looks_linear = self.band.unit == "dB" and not self.unit and there.sum() > 3 and (values[there] >= 0).all()
        if outside.sum() > MOST_OUTSIDE * there.sum() or looks_linear:
            found = f"{np.min(cells[there]):.4g} to {np.max(cells[there]):.4g}"
            raise UserError(
                f"{where}, column '{self.column}': expected {self.band.unit} between {low:g} and {high:g}, found {found}. "
                f"Write the unit into the name, '{self.column.partition('[')[0].strip()} [unit]', one of {', '.join(known)}."
            )
        return np.where(outside, np.nan, values)


def measured_columns(where: str, columns: Sequence[str], sensor: str = "") -> list[Measured]:
    """The columns that are bands or measurements, in their order; others are left out.

    A band is named with its sensor ("sentinel2_l2a:B04", "sentinel1_rtc/ascending:VV"), by a common name (red, nir, VV,
    temperature, ndvi), by its wavelength ("865 nm"), or as one sensor alone spells it (B8A, B11). Behind it its unit may
    stand in brackets, and before or behind it a date, where a row holds all dates.

    Args:
        where: the file, for messages.
        columns: names.
        sensor: of bands without one; "" = what the names tell.

    Raises:
        UserError: a sensor without such a band, or names that several sensors have.
    """
    parsed = [(column, *_split(column)) for column in columns]
    bare = [found["name"] for _, found, _ in parsed if found and not found["sensor"] and _common(found["name"]) is None]
    implied = SENSORS[sensor] if sensor else _implied(where, bare)
    out = []
    for column, found, date in parsed:
        if found is None:
            continue
        named = lookup(SENSORS, f"sensor of {where}, column '{column}':", found["sensor"]) if found["sensor"] else None
        home = named or implied
        own = band_name(home, found["name"]) if home is not None else None
        if named is not None and own is None:
            known = ", ".join(band.name for band in named.bands[:12])
            raise UserError(
                f"{where}, column '{column}': {named.name} has no band '{found['name']}'. Its bands: {known}."
            )
        band = _common(found["name"]) if own is None or home is None else _of(home, own)
        if band is not None:
            of = home.name if own is not None and home is not None else ""
            label, unit = found["label"] or "", found["unit"] or ""
            out.append(Measured(column=column, band=band, sensor=of, label=label, unit=unit, date=date))
    return out


def _split(column: str) -> tuple[re.Match[str] | None, float | None]:
    """A column's name without its date, parted, and the date."""
    dated = _DATE.search(column)
    if dated:
        try:
            date = days_since_2000(dated["date"])
        except UserError:
            return COLUMN.fullmatch(column), None
        before, after = column[: dated.start()].rstrip(" _@.:-"), column[dated.end() :].lstrip(" _@.:-")
        return COLUMN.fullmatch(f"{before}{' ' if before and after else ''}{after}".strip()), date
    return COLUMN.fullmatch(column), None


def _common(name: str) -> Band | None:
    """The band that all instruments call so, or of the wavelength that the name is."""
    plain = SAME.get(name.strip().lower(), name.strip().lower())
    known = {band.name.lower(): band for band in PIXEL_SERIES.bands}
    if plain in known:
        return known[plain]
    wave = _WAVELENGTH.fullmatch(name.strip())
    if wave is None:
        return None
    um = float(wave[1]) / (1000 if wave[2].lower() == "nm" else 1)
    return Band(name=name, center_um=um, width_um=NARROW_UM, gsd_m=10.0) if 0.3 < um < 15 else None


def _of(sensor: Sensor, name: str) -> Band:
    return next(band for band in sensor.bands if band.name == name)


def _implied(where: str, names: Sequence[str]) -> Sensor | None:
    """The one sensor that has all bands named without a sensor; None where no sensor has any of them."""
    candidates = [sensor for sensor in SENSORS.values() if sensor.family not in ("mixed", "hyperspectral")]
    used = sorted({name for name in names if any(band_name(sensor, name) for sensor in candidates)})
    if not used:
        return None
    fit = [sensor for sensor in candidates if all(band_name(sensor, name) for name in used)]
    spelled = [sensor for sensor in fit if set(used) <= {band.name for band in sensor.bands}] or fit
    tables = {tuple(_of(sensor, band_name(sensor, name) or "").center_um for name in used) for sensor in spelled}
    if len(tables) != 1:
        which = f"may be of {' or '.join(sensor.name for sensor in spelled)}" if spelled else "are of no one sensor"
        raise UserError(
            f"{where}: the bands {', '.join(used)} {which}. Name each band's sensor, e.g. sentinel2_l2a:B04, or one for all "
            "in a column 'sensor'."
        )
    return next((sensor for sensor in spelled if sensor.name == "sentinel2_l2a"), spelled[0])


def _digital(sensor: str) -> dict[str, tuple[float, float]]:
    """Digital numbers as the sensor's product has them; Sentinel-2's since 2022 may lie 1000 higher, so which is said."""
    if sensor.startswith("sentinel2"):
        return {"dn-1000": (1e-4, -0.1)}
    return {"dn": (SENSORS[sensor].scale, SENSORS[sensor].offset)} if sensor and SENSORS[sensor].scale != 1.0 else {}


def _spelled(unit: str, known: dict[str, tuple[float, float]]) -> str:
    return next((name for name in known if name.lower() == unit.lower()), unit)
