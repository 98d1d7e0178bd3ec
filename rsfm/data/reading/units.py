"""Stored numbers -> physical units, and a guard against values that cannot be the unit they are said to be.

n pixels · c bands
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Shaped

from rsfm.errors import UserError, unknown
from rsfm.sensors.observe import days_since_2000
from rsfm.types import Band, Sensor

# Sentinel-2 products processed with baseline 04.00 or later store reflectance x 10000 + 1000.
BASELINE_OFFSET = -0.1
BASELINE_START_DAYS = days_since_2000("2022-01-25")
_OFFSET_SENSORS = ("sentinel2_l1c", "sentinel2_l2a")

# unit -> lowest and highest median, and what the message calls the span.
_MEDIAN: dict[str, tuple[float, float]] = {
    "reflectance": (-0.1, 1.6),
    "display": (0.0, 1.0),
    "K": (150.0, 350.0),
    "degree": (0.0, 90.0),
    "1": (-1.05, 1.05),
    "m": (-11000.0, 9000.0),
}
_DECIBEL = (-60.0, 30.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calibration:
    """How stored numbers become physical: numbers * scale + offset, or log_factor * log10(numbers) + offset.

    Attributes:
        scale: per band.
        offset: per band.
        log_factor: 10 for power, 20 for amplitude, 0 for none.
        notes: what was assumed.
    """

    scale: Float[np.ndarray, " c"]
    offset: Float[np.ndarray, " c"]
    log_factor: float = 0.0
    notes: tuple[str, ...] = ()

    def apply(self, numbers: Shaped[np.ndarray, "*n c"]) -> Float[np.ndarray, "*n c"]:
        """Physical values, float32. Power of zero or less becomes NaN."""
        numbers = numbers.astype(np.float32)
        if self.log_factor:
            numbers = self.log_factor * np.log10(np.where(numbers > 0, numbers, np.nan))
        return (numbers * self.scale + self.offset).astype(np.float32)


def units_of(sensor: Sensor) -> tuple[str, ...]:
    """What `unit` may say for this sensor."""
    own = tuple(dict.fromkeys(band.unit for band in sensor.bands))
    sar = ("linear", "amplitude") if sensor.family == "sar" else ()
    offset = ("dn_offset", "dn_no_offset") if sensor.name in _OFFSET_SENSORS else ()
    return ("dn", *offset, "physical", *own, *sar)


def calibrate(
    sensor: Sensor,
    bands: Sequence[Band],
    *,
    where: str,
    dtype: np.dtype,
    unit: str | None,
    scales: Sequence[float] | None = None,
    offsets: Sequence[float] | None = None,
    product: str = "",
    tags: Mapping[str, str] | None = None,
    time_days: float = float("nan"),
    sample: Shaped[np.ndarray, "n c"] | None = None,
) -> Calibration:
    """Decides how the numbers of a file are to be read.

    Args:
        sensor: the instrument.
        bands: its bands in the file, in the file's order.
        where: the file, for errors.
        dtype: of the stored numbers.
        unit: None (integers are digital numbers, floats are physical), "dn", "physical", the band's unit, for SAR
            "linear" (power) or "amplitude", for Sentinel-2 "dn_offset" or "dn_no_offset" (with or without the +1000).
        scales: scale of each band as the file itself says, if it does.
        offsets: like scales.
        product: names of the file and of the folders it is in.
        tags: the file's metadata.
        time_days: acquisition, days since 2000.
        sample: some valid stored numbers, for what neither name nor tag tells.
    """
    if unit is not None and unit not in units_of(sensor):
        raise unknown(f"unit of {sensor.name}", unit, units_of(sensor))
    c = len(bands)
    one, zero = np.ones(c, np.float32), np.zeros(c, np.float32)
    if unit in ("linear", "amplitude"):
        return Calibration(scale=one, offset=zero, log_factor=10.0 if unit == "linear" else 20.0)
    if unit not in (None, "dn", "dn_offset", "dn_no_offset"):
        return Calibration(scale=one, offset=zero)
    own = np.array(scales or [1.0] * c, np.float32), np.array(offsets or [0.0] * c, np.float32)
    if (own[0] != 1).any() or (own[1] != 0).any():
        return Calibration(
            scale=own[0], offset=own[1], notes=(f"scale {own[0][0]:g}, offset {own[1][0]:g}: as the file says",)
        )
    if unit is None and dtype.kind == "f":
        return Calibration(scale=one, offset=zero)
    if sensor.family == "sar":
        return _sar_numbers(sensor, where, c)
    if bands[0].unit == "display":
        top = np.iinfo(dtype).max if dtype.kind in "iu" else 255
        return Calibration(scale=one / np.float32(top), offset=zero)
    if dtype == np.uint8 and bands[0].unit == "reflectance":
        note = f"{sensor.name}: 8-bit counts are read as 0..1 brightness; they are not calibrated reflectance"
        return Calibration(scale=one / np.float32(255), offset=zero, notes=(note,))
    offset, notes = sensor.offset, tuple[str, ...]()
    if sensor.name in _OFFSET_SENSORS:
        offset, notes = _baseline_offset(unit, product, tags or {}, time_days, sample, [band.name for band in bands])
    return Calibration(scale=one * np.float32(sensor.scale), offset=zero + np.float32(offset), notes=notes)


def _sar_numbers(sensor: Sensor, where: str, c: int) -> Calibration:
    if not sensor.offset:
        raise UserError(
            f"{where}: integers of {sensor.name} are uncalibrated amplitudes; expected backscatter in dB. "
            'Calibrate the product first (its own table is needed), or set unit="dB" if the integers are dB.'
        )
    offset = np.full(c, sensor.offset, np.float32)
    note = f"{sensor.name}: dB = 20 log10(number) {sensor.offset:+g}"
    return Calibration(scale=np.ones(c, np.float32), offset=offset, log_factor=20.0, notes=(note,))


def _baseline_offset(
    unit: str | None,
    product: str,
    tags: Mapping[str, str],
    time_days: float,
    sample: np.ndarray | None,
    names: Sequence[str],
) -> tuple[float, tuple[str, ...]]:
    """Whether Sentinel-2 numbers carry +1000: by `unit`, by tags, by the product's name, else by date and numbers."""
    if unit in ("dn_offset", "dn_no_offset"):
        return (BASELINE_OFFSET if unit == "dn_offset" else 0.0), ()
    told = _told_baseline(product, {key.lower(): str(value) for key, value in tags.items()})
    if told is not None:
        with_offset, source = told
        note = f"Sentinel-2 offset of {BASELINE_OFFSET:g} {'applied' if with_offset else 'not applied'}: {source}"
        return (BASELINE_OFFSET if with_offset else 0.0), (note,)
    if sample is None or not len(sample):
        return 0.0, ()
    low = np.percentile(sample, 1, axis=0)
    cirrus = low[list(names).index("B10")] if "B10" in names else None
    # Cirrus reflectance is next to nothing without cirrus, so 1000 there is the offset; else dark ground decides.
    carries = cirrus >= 900 if cirrus is not None else bool(low.min() >= 700 and time_days >= BASELINE_START_DAYS)
    if not carries and not (time_days >= BASELINE_START_DAYS or low.min() >= 900):
        return 0.0, ()
    note = (
        f"Sentinel-2 offset of {BASELINE_OFFSET:g} {'applied' if carries else 'not applied'}, judged by the numbers "
        f'(darkest {low.min():.0f}); unit="{"dn_no_offset" if carries else "dn_offset"}" says otherwise'
    )
    return (BASELINE_OFFSET if carries else 0.0), (note,)


def _told_baseline(product: str, tags: Mapping[str, str]) -> tuple[bool, str] | None:
    for key, value in tags.items():
        if key.endswith(("boa_add_offset", "radio_add_offset")):
            return float(value) != 0, f"tag {key}={value}"
        if key.endswith("boa_offset_applied"):
            return value.lower() not in ("true", "1", "yes"), f"tag {key}={value}"
    if "harmonized" in product.lower() or "harmonised" in product.lower():
        return False, "the name says harmonized"
    for key, value in tags.items():
        if key.endswith("processing_baseline") and re.match(r"N?\d\d\.?\d\d", value):
            digits = re.sub(r"\D", "", value)
            return int(digits[:4]) >= 400, f"tag {key}={value}"
    named = re.search(r"_N(\d{4})_R\d{3}_", product)
    return (int(named[1]) >= 400, f"processing baseline {named[1]} in the name") if named else None


def check_range(where: str, bands: Sequence[Band], values: Float[np.ndarray, "n c"], *, converted: bool) -> None:
    """Refuses values that cannot be the bands' unit.

    Args:
        where: the file.
        bands: the c bands.
        values: valid pixels in what is said to be the bands' unit; NaN is left out.
        converted: whether they were made from digital numbers, which changes what the user should do.
    """
    for unit in dict.fromkeys(band.unit for band in bands):
        column = values[:, [i for i, band in enumerate(bands) if band.unit == unit]]
        column = column[np.isfinite(column)]
        if column.size and unit == "dB":
            _check_decibel(where, column)
        elif column.size and unit in _MEDIAN:
            _check_median(where, unit, column, converted)


def _check_decibel(where: str, column: np.ndarray) -> None:
    low, high = (float(x) for x in np.percentile(column, (1, 99)))
    if low < _DECIBEL[0] or high > _DECIBEL[1]:
        hint = 'Set unit="linear" for power or unit="amplitude" for amplitudes.' if low >= 0 else "Is nodata declared?"
        raise UserError(
            f"{where}: values from {low:.4g} to {high:.4g} cannot be dB ({_DECIBEL[0]:g} to {_DECIBEL[1]:g}). {hint}"
        )
    if column.min() >= 0 and np.median(column) < 2:
        raise UserError(
            f"{where}: values from {low:.4g} to {high:.4g}, none negative, look like linear power, not dB. "
            'Set unit="linear", or unit="dB" is right only for the brightest of scenes.'
        )


def _check_median(where: str, unit: str, column: np.ndarray, converted: bool) -> None:
    low, high = _MEDIAN[unit]
    median = float(np.median(column))
    if low <= median <= high and not (unit == "display" and column.max() > 1.001):
        return
    span = f"{low:g} to {high:g}"
    found = f"median {median:.4g}, largest {column.max():.4g}"
    if converted:
        todo = 'The sensor or its scale is another: name the right sensor, or convert the file and set unit="physical".'
    else:
        todo = 'If they are digital numbers, set unit="dn".'
    raise UserError(f"{where}: values cannot be {unit}: expected a median of {span}, found {found}. {todo}")
