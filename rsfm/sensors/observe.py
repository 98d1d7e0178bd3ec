"""Values of an instrument -> Observation, with wavelengths, widths and codes from its table.

t acquisitions · h w pixels · c bands
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from jaxtyping import Int

from rsfm.errors import UserError, lookup
from rsfm.pytree import replace
from rsfm.types import BAND_CODES, Array, Band, Observation, Sensor

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def observe(
    sensor: Sensor,
    values: Array,
    *,
    valid: Array | None = None,
    time_days: Sequence[float] | Array,
    gsd_m: float,
    bands: tuple[str, ...] | None = None,
) -> Observation:
    """One instrument's acquisitions of one footprint as an Observation of numpy arrays.

    Args:
        sensor: the instrument's table.
        values: (t h w c) in physical units of the sensor's bands. A NaN or infinity costs its band at its pixel, where
            the value becomes NaN; a pixel without any band is invalid. A band that is nowhere finite at a date is missing
            at that date (`band_valid` False).
        valid: (t h w), False where nothing was seen; None = everywhere something was.
        time_days: t dates, days since 2000-01-01 UTC; NaN where unknown.
        gsd_m: ground sampling distance of these values in metres.
        bands: names of the c bands where they are not all of the sensor's in its order.

    >>> observe(SENSORS["sentinel1_rtc"], decibels[None], time_days=[days_since_2000("2021-07-21")], gsd_m=10.0)
    """
    values = np.asarray(values, np.float32)
    if values.ndim != 4:
        raise UserError(f"{sensor.name}: values must be (t, h, w, c), found shape {values.shape}.")
    chosen = choose_bands(sensor, bands)
    t, h, w, c = values.shape
    if c != len(chosen):
        fewer = "" if bands is None else f" named in bands={bands}"
        raise UserError(
            f"{sensor.name} has {len(chosen)} bands{fewer} but values has c={c}. "
            f"Pass bands=(...) to name a subset; its bands are {_shortened(chosen)}."
        )
    time = np.asarray(time_days, np.float32).reshape(-1)
    if len(time) != t:
        raise UserError(
            f"{sensor.name}: {t} acquisitions but {len(time)} dates in time_days. Give one each, NaN if unknown."
        )
    seen = np.ones((t, h, w), bool) if valid is None else np.asarray(valid, bool)
    if seen.shape != (t, h, w):
        raise UserError(f"{sensor.name}: valid must be {(t, h, w)} like values, found {seen.shape}.")
    finite = np.isfinite(values)
    present = np.logical_or.reduce(finite, (1, 2))
    seen = seen & finite.any(-1)
    missing = seen[..., None] & present[:, None, None] & ~finite
    return Observation(
        values=np.where(seen[..., None] & finite, values, np.where(missing, np.float32(np.nan), np.float32(0))),
        valid=seen,
        band_valid=present,
        wavelength_um=np.array([band.center_um for band in chosen], np.float32),
        bandwidth_um=np.array([band.width_um for band in chosen], np.float32),
        band_code=np.array([BAND_CODES[band.code] for band in chosen], np.int32),
        time_days=time,
        gsd_m=np.asarray(gsd_m, np.float32),
    )


def at_dates(observation: Observation, dates: slice | Int[np.ndarray, " d"]) -> Observation:
    """Some acquisitions of an observation without batch axis: a slice or the indices of its dates."""
    return replace(
        observation,
        values=observation.values[dates],
        valid=observation.valid[dates],
        band_valid=observation.band_valid[dates],
        time_days=observation.time_days[dates],
    )


def choose_bands(sensor: Sensor, names: Sequence[str] | None) -> tuple[Band, ...]:
    """The sensor's bands of these names, all of them for None. Raises UserError for an unknown one."""
    if names is None:
        return sensor.bands
    table = {band.name: band for band in sensor.bands}
    return tuple(lookup(table, f"{sensor.name} band", name) for name in names)


def days_since_2000(date: str | datetime) -> float:
    """Days from 2000-01-01 00:00 UTC to a date. A date without a time zone is UTC.

    Args:
        date: "2017-06-13", "20170613", "2017-06-13T10:10:31Z", "20170613T101031", "2017:06:13 10:10:31", or a datetime.
    """
    when = date if isinstance(date, datetime) else _parse(date)
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return (when - _EPOCH).total_seconds() / 86400


def _parse(text: str) -> datetime:
    tidy = re.sub(r"^(\d{4})[:/](\d\d)[:/](\d\d)", r"\1-\2-\3", text.strip())  # TIFF's DateTime has colons
    tidy = re.sub(r"(\.\d{6})\d+", r"\1", tidy)  # nanoseconds of numpy
    try:
        return datetime.fromisoformat(tidy)
    except ValueError as error:
        raise UserError(
            f"Date '{text}' cannot be read: expected YYYY-MM-DD or YYYYMMDD, with a time if known."
        ) from error


def _shortened(bands: tuple[Band, ...]) -> str:
    names = [band.name for band in bands]
    return ", ".join(names if len(names) <= 16 else [*names[:3], "...", names[-1]])
