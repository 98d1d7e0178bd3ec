"""Stored numbers -> physical units, and a guard against values that cannot be the unit they are said to be.

n pixels · c bands
"""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Shaped

from rsfm.data.reading.baseline import later_offset, stated_offset
from rsfm.errors import UserError, unknown
from rsfm.types import Band, Sensor

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
_LEAST = {"reflectance": 2e-3, "display": 2e-3, "K": 100.0}  # medians below are no ground that anybody looks at


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
        with np.errstate(all="ignore"):  # what is no number, or grows beyond all, is no data to the reader
            return (numbers * self.scale + self.offset).astype(np.float32)


def units_of(sensor: Sensor) -> tuple[str, ...]:
    """What `unit` may say for this sensor."""
    own = tuple(dict.fromkeys(band.unit for band in sensor.bands))
    sar = ("linear", "amplitude") if sensor.family == "sar" else ()
    offset = ("dn_offset", "dn_no_offset") if sensor.later_offset else ()
    return ("dn", *offset, "physical", *own, *sar)


def calibrate(
    sensor: Sensor,
    bands: Sequence[Band],
    *,
    where: str,
    dtype: np.dtype,
    unit: str | None,
    scale: float | None = None,
    offset: float | None = None,
    scales: Sequence[float] | None = None,
    offsets: Sequence[float] | None = None,
    product: str = "",
    tags: Mapping[str, str] | None = None,
    time_days: float = float("nan"),
    sample: Shaped[np.ndarray, "n c"] | None = None,
) -> Calibration:
    """Decides how the numbers of a file are to be read: scale and offset are applied once, or the file is refused.

    Args:
        sensor: the instrument.
        bands: its bands in the file, in the file's order.
        where: the file, for errors.
        dtype: of the stored numbers.
        unit: None (integers are digital numbers, floats are physical), "dn", "physical", the band's unit, for SAR
            "linear" (power) or "amplitude", for Sentinel-2 "dn_offset" or "dn_no_offset" (with or without the +1000).
        scale, offset: the user's: physical = number * scale + offset.
        scales: scale of each band as the file itself says, if it does.
        offsets: like scales.
        product: names of the file and of the folders it is in.
        tags: the metadata of the file and of its product.
        time_days: acquisition, days since 2000.
        sample: some stored numbers, NaN where there is nothing, for what neither name nor tag tells.
    """
    if unit is not None and unit not in units_of(sensor):
        raise unknown(f"unit of {sensor.name}", unit, units_of(sensor))
    c = len(bands)
    one, zero = np.ones(c, np.float32), np.zeros(c, np.float32)
    if scale is not None or offset is not None:
        return _by_user(where, unit, c, scale, offset)
    if unit in ("linear", "amplitude"):
        return Calibration(scale=one, offset=zero, log_factor=10.0 if unit == "linear" else 20.0)
    if unit not in (None, "dn", "dn_offset", "dn_no_offset"):
        return Calibration(scale=one, offset=zero)
    lowered = {key.lower(): str(value) for key, value in (tags or {}).items()}
    own = np.array(scales or [1.0] * c, np.float32), np.array(offsets or [0.0] * c, np.float32)
    if ((own[0] != 1).any() or (own[1] != 0).any()) and unit in (None, "dn"):
        if not (np.isfinite(own[0]).all() and np.isfinite(own[1]).all() and own[0].all()):
            raise UserError(
                f"{where}: the file's own scale is {own[0][0]:g}, its offset {own[1][0]:g}. Set --scale and --offset."
            )
        _check_own(sensor, where, own[1], product, lowered)
        _check_not_applied(where, bands, own, sample)
        note = f"scale {own[0][0]:g}, offset {own[1][0]:g}: as the file says"
        return Calibration(scale=own[0], offset=own[1], notes=(note,))
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
    return _by_product(sensor, bands, where, unit, product, lowered, time_days, sample)


def _by_user(where: str, unit: str | None, c: int, scale: float | None, offset: float | None) -> Calibration:
    """The scale and offset that the user names, which come before all else."""
    if unit is not None:
        raise UserError(f"{where}: both a unit ({unit}) and a scale or offset are given. Give one of them.")
    factor, shift = 1.0 if scale is None else scale, 0.0 if offset is None else offset
    if not (math.isfinite(factor) and factor != 0 and math.isfinite(shift)):
        raise UserError(
            f"{where}: scale {factor:g}, offset {shift:g}: expected finite numbers and a scale other than 0."
        )
    ones = np.ones(c, np.float32)
    return Calibration(scale=ones * np.float32(factor), offset=ones * np.float32(shift))


def _by_product(
    sensor: Sensor,
    bands: Sequence[Band],
    where: str,
    unit: str | None,
    product: str,
    tags: Mapping[str, str],
    time_days: float,
    sample: np.ndarray | None,
) -> Calibration:
    """The scale of the instrument's products, that of the product's metadata before it."""
    ones = np.ones(len(bands), np.float32)
    if sensor.scale == 1.0 and sensor.offset == 0.0 and bands[0].unit == "reflectance":
        raise UserError(
            f"{where}: integers, and nothing says how they become reflectance. Set --scale, and --offset if there is one "
            "(in Python scale=, offset=), such as --scale 0.0001."
        )
    listed = _listed_scale(bands, tags)
    if listed is not None:
        note = f"scale {listed[0][0]:g}, offset {listed[1][0]:g}: as the product's metadata say"
        return Calibration(scale=listed[0], offset=listed[1], notes=(note,))
    for processing in sensor.processings:
        if re.search(processing.pattern, product.upper()):
            note = f"{sensor.name}: {processing.title}, scale {processing.scale:g}, offset {processing.offset:g}, by its name"
            return Calibration(
                scale=ones * np.float32(processing.scale), offset=ones * np.float32(processing.offset), notes=(note,)
            )
    offset, notes = sensor.offset, tuple[str, ...]()
    if sensor.later_offset:
        offset, notes = later_offset(
            sensor.later_offset, where, unit, product, tags, time_days, sample, [band.name for band in bands]
        )
    scale = _quantification(tags) or sensor.scale
    return Calibration(scale=ones * np.float32(scale), offset=ones * np.float32(offset), notes=notes)


def _listed_scale(bands: Sequence[Band], tags: Mapping[str, str]) -> tuple[np.ndarray, np.ndarray] | None:
    """Scale and offset of each band as Landsat's MTL file lists them."""
    keys = [re.sub(r"^b0*", "", band.name.lower()) for band in bands]
    try:
        scale = [float(tags[f"mtl:reflectance_mult_band_{key}"]) for key in keys]
        offset = [float(tags[f"mtl:reflectance_add_band_{key}"]) for key in keys]
    except (KeyError, ValueError):
        return None
    return np.array(scale, np.float32), np.array(offset, np.float32)


def _quantification(tags: Mapping[str, str]) -> float | None:
    for key, value in tags.items():
        if key.endswith("quantification_value") and re.fullmatch(r"\d+(\.\d+)?", value) and float(value) > 0:
            return 1 / float(value)
    return None


def _sar_numbers(sensor: Sensor, where: str, c: int) -> Calibration:
    if not sensor.offset:
        raise UserError(
            f"{where}: integers of {sensor.name} are uncalibrated amplitudes; expected backscatter in dB. "
            'Calibrate the product first (its own table is needed), or set unit="dB" if the integers are dB.'
        )
    offset = np.full(c, sensor.offset, np.float32)
    note = f"{sensor.name}: dB = 20 log10(number) {sensor.offset:+g}"
    return Calibration(scale=np.ones(c, np.float32), offset=offset, log_factor=20.0, notes=(note,))


def _check_own(sensor: Sensor, where: str, offsets: np.ndarray, product: str, tags: Mapping[str, str]) -> None:
    """Refuses a file whose own offset and whose product's processing contradict each other."""
    rule = sensor.later_offset
    said = stated_offset(rule, product, tags, where) if rule else None
    if rule is None or said is None or said[0] == bool((offsets != 0).all()):
        return
    raise UserError(
        f"{where}: the file's own offset is {offsets[0]:g}, but {said[1]}, by which it is "
        f'{rule.offset if said[0] else 0:g}. Set unit="dn_offset" (offset {rule.offset:g}) or '
        'unit="dn_no_offset" (--unit), whichever is true.'
    )


def _check_not_applied(
    where: str, bands: Sequence[Band], own: tuple[np.ndarray, np.ndarray], sample: np.ndarray | None
) -> None:
    """Refuses a file whose own scale was applied when it was written: its numbers are the unit, and scaled they are next to nothing."""
    least = _LEAST.get(bands[0].unit)
    if sample is None or least is None or not np.isfinite(sample).any():
        return
    stored = float(np.nanmedian(np.abs(sample)))
    scaled = float(np.nanmedian(np.abs(sample * own[0] + own[1])))
    if scaled < least <= stored <= _MEDIAN[bands[0].unit][1]:
        raise UserError(
            f"{where}: the file's own scale is {own[0][0]:g}, by which its numbers of {stored:.3g} become {scaled:.2g}: it seems to be "
            f"applied already. Set --scale 1 (in Python scale=1) if so, or --scale {own[0][0]:g}."
        )


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
