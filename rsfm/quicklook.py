"""A picture for the eye out of any sensor's observation: colour, radar composite or grey.  h w pixels · c bands"""

import numpy as np
from jaxtyping import Float

from rsfm.types import BAND_CODES, Observation, Record

RGB_UM = (0.665, 0.56, 0.49)
NEAR_UM = 0.04  # a band this close to red, green or blue is shown as it


def quicklook(record: Record) -> Float[np.ndarray, "h w 3"]:
    """The record's most readable observation: colour before radar before anything else. NaN where there is no data."""
    return picture(min(record.observations.values(), key=_rank))


def picture(observation: Observation) -> Float[np.ndarray, "h w 3"]:
    """The latest of the clearest acquisitions. Colour keeps physical values; other channels are stretched to 0..1."""
    shares = np.asarray(observation.valid).mean(axis=(-2, -1))
    best = int(np.flatnonzero(shares >= shares.max() - 0.01)[-1])
    values, valid = np.asarray(observation.values[best], np.float32), np.asarray(observation.valid[best])
    if _is_colour(observation):
        wavelength = np.where(np.asarray(observation.band_code) == 0, np.asarray(observation.wavelength_um), np.inf)
        channels = values[..., [int(np.abs(wavelength - um).argmin()) for um in RGB_UM]]
    else:
        channels = _stretched(_false_colour(observation, values), valid)
    return np.where(valid[..., None], channels, np.float32("nan"))


def _rank(observation: Observation) -> int:
    return 0 if _is_colour(observation) else 1 if (np.asarray(observation.band_code) == BAND_CODES["VV"]).any() else 2


def _is_colour(observation: Observation) -> bool:
    told = np.asarray(observation.band_code) == 0
    return all(bool((told & (np.abs(np.asarray(observation.wavelength_um) - um) < NEAR_UM)).any()) for um in RGB_UM)


def _false_colour(observation: Observation, values: Float[np.ndarray, "h w c"]) -> Float[np.ndarray, "h w 3"]:
    """Two polarizations and their ratio, else the first band in grey."""
    codes = np.asarray(observation.band_code)
    places = [np.flatnonzero(codes == BAND_CODES[name]) for name in ("VV", "HH", "VH", "HV")]
    pair = [int(place[0]) for place in places if len(place)]
    if len(pair) < 2:
        return np.repeat(values[..., :1], 3, axis=-1)
    first, second = values[..., pair[0]], values[..., pair[1]]
    return np.stack([first, second, first - second], axis=-1)  # dB: the ratio is a difference


def _stretched(channels: Float[np.ndarray, "h w 3"], valid: np.ndarray) -> Float[np.ndarray, "h w 3"]:
    if not valid.any():
        return channels
    low, high = np.percentile(channels[valid], (2, 98), axis=0)
    return (0.02 + 0.98 * np.clip((channels - low) / np.maximum(high - low, 1e-6), 0, 1)).astype(np.float32)
