"""Physical units to the model's numbers: by unit, or by a sensor's fitted band statistics.   c bands"""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Float

from rsfm.errors import UserError, lookup
from rsfm.sensors.named import sensor_of
from rsfm.types import BAND_CODES, Observation, Record, Sensor, base_name

# unit -> (centre, scale): normalized = (physical - centre) / scale. They hold for any instrument, so a new sensor needs no
# statistics. Backscatter's are those the SAR tokenizer inverts (rsfm.tokenizers.sar).
UNITS: dict[str, tuple[float, float]] = {
    "reflectance": (0.2, 0.15),
    "display": (0.385, 0.19),
    "dB": (-15.0, 10.0),
    "K": (285.0, 15.0),
    "m": (500.0, 500.0),
    "degree": (10.0, 10.0),
    "1": (0.3, 0.3),
}
PRECIPITATION_M = (0.05, 0.05)  # a month's rain, in metres, is no elevation
CLIP = 12.0  # normalized values beyond are clipped: a hot pixel must not own a patch


@dataclasses.dataclass(frozen=True, kw_only=True)
class BandStatistics:
    """Mean and standard deviation of each band of a sensor's table, in physical units, over the named split.

    Attributes:
        relative: a pixel's values are first divided by its brightness, the mean over its bands of value / `mean`, so that
            sun, slope and shadow are taken out and the spectrum's shape stays; `std` is that of the shapes.
    """

    source: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    relative: bool = False


def unit_constants(sensor: Sensor) -> tuple[Float[np.ndarray, " c"], Float[np.ndarray, " c"]]:
    """Centre and scale of each band by its unit."""
    pairs = [PRECIPITATION_M if b.code == "precipitation" else lookup(UNITS, "unit", b.unit) for b in sensor.bands]
    center, scale = np.asarray(pairs, np.float32).reshape(-1, 2).T
    return center, scale


def band_places(sensor: Sensor, observation: Observation) -> np.ndarray:
    """Index into the sensor's table of each band of an observation, by code and nearest wavelength."""
    code = np.asarray([BAND_CODES[band.code] for band in sensor.bands])
    center = np.asarray([band.center_um for band in sensor.bands])
    distance = np.abs(np.asarray(observation.wavelength_um)[:, None] - center)
    distance = distance + 1e9 * (np.asarray(observation.band_code)[:, None] != code)
    return distance.argmin(1)


def normalize(
    name: str, observation: Observation, statistics: dict[str, BandStatistics]
) -> Float[np.ndarray, "t h w c"]:
    """Normalized values of one sensor's observation; zeros where invalid, NaN where one band of a valid pixel is missing."""
    sensor, name = sensor_of(name), base_name(name)
    center, scale = unit_constants(sensor)
    if name in statistics:
        center = np.asarray(statistics[name].mean, np.float32)
        scale = np.maximum(np.asarray(statistics[name].std, np.float32), 1e-6)
    at = band_places(sensor, observation)
    kept = np.asarray(observation.cells)
    seen = np.asarray(observation.valid)[..., None] & np.asarray(observation.band_valid)[:, None, None]
    values = np.asarray(observation.values, np.float32)
    if name in statistics and statistics[name].relative:
        values = values / brightness(values, kept, center[at])
    values = (values - center[at]) / scale[at]
    if name in statistics:
        _check_fit(name, statistics[name], values[kept], np.asarray(observation.values)[kept])
    missing = np.where(seen, np.float32(np.nan), np.float32(0))
    return np.where(kept, np.clip(np.nan_to_num(values), -CLIP, CLIP), missing).astype(np.float32)


def brightness(
    values: Float[np.ndarray, "*p c"], kept: Bool[np.ndarray, "*p c"], typical: Float[np.ndarray, " c"]
) -> Float[np.ndarray, "*p 1"]:
    """Each pixel's mean over its valid bands of value / typical value: 1 on average, whatever bands are there."""
    share = np.where(kept, values / typical, 0.0).sum(-1, keepdims=True) / np.maximum(kept.sum(-1, keepdims=True), 1)
    return np.maximum(share, 1e-3)


def _check_fit(name: str, fitted: BandStatistics, normalized: np.ndarray, physical: np.ndarray) -> None:
    """Refuses values of another unit than the statistics were fitted on: a model would see them all clipped."""
    if normalized.size and np.mean(np.abs(normalized) > CLIP) > 0.5:
        raise UserError(
            f"{name}: most values lie over {CLIP:g} standard deviations from those the checkpoint knows ({fitted.source}): "
            f"expected about {np.median(fitted.mean):.3g}, found {np.median(physical):.3g}. Check unit, scale and offset."
        )


def fit_statistics(name: str, records: Sequence[Record], *, source: str, relative: bool = False) -> BandStatistics:
    """Mean and deviation of a sensor's bands over the valid pixels of some records; over labelled pixels where there is a mask."""
    mean, deviation = _moments(_pixels(name, record) for record in records)
    if relative:
        shapes = (
            pixels / brightness(pixels, np.isfinite(pixels), mean) for pixels in (_pixels(name, r) for r in records)
        )
        deviation = _moments(shapes)[1]
    return BandStatistics(
        source=source, mean=tuple(map(float, mean)), std=tuple(map(float, deviation)), relative=relative
    )


def _pixels(name: str, record: Record) -> Float[np.ndarray, "n c"]:
    """Valid pixels of all dates; NaN where a band is missing."""
    observation = record.observations[name]
    pixels = np.asarray(observation.valid)
    if record.mask is not None and record.mask.class_index.shape == pixels.shape[1:]:
        pixels = pixels & (record.mask.class_index != -1)
    values = np.where(np.asarray(observation.band_valid)[:, None, None], observation.values, np.nan)
    return values.astype(np.float64)[pixels]


def _moments(parts: Iterable[Float[np.ndarray, "n c"]]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column over the rows that have it: it is NaN in the others."""
    count, total, square = np.zeros(1), np.zeros(1), np.zeros(1)
    for values in parts:
        there = np.isfinite(values)
        values = np.where(there, values, 0.0)
        count, total, square = count + there.sum(0), total + values.sum(0), square + (values**2).sum(0)
    mean = total / np.maximum(count, 1)
    return mean, np.sqrt(np.maximum(square / np.maximum(count, 1) - mean**2, 0.0))
