"""A picture for the eye out of any sensor's observation: colour, radar composite or grey.  h w pixels · c bands"""

import numpy as np
from jaxtyping import Float

from rsfm.sensors.display import colour_bands
from rsfm.types import BAND_CODES, Observation, Record


def quicklook(record: Record) -> Float[np.ndarray, "h w 3"]:
    """The record's most readable observation: colour before radar before anything else. NaN where there is no data."""
    return picture(min(record.observations.values(), key=_rank))


def picture(observation: Observation) -> Float[np.ndarray, "h w 3"]:
    """The latest of the clearest acquisitions with the bands. Colour keeps physical values; other channels are stretched to
    0..1."""
    bands, colour = _shown(observation), _is_colour(observation)
    there = np.logical_and.reduce(np.asarray(observation.band_valid)[:, bands], -1)
    seen = np.asarray(observation.valid) & there[:, None, None]
    seen = seen & np.logical_and.reduce(np.isfinite(np.asarray(observation.values)[..., bands]), -1)
    shares = seen.mean(axis=(-2, -1))
    best = int(np.flatnonzero(shares >= shares.max() - 0.01)[-1])
    values, valid = np.asarray(observation.values[best], np.float32)[..., bands], seen[best]
    channels = values if colour else _stretched(_false_colour(values), valid)
    return np.where(valid[..., None], channels, np.float32("nan"))


def _rank(observation: Observation) -> int:
    return 0 if _is_colour(observation) else 1 if (np.asarray(observation.band_code) == BAND_CODES["VV"]).any() else 2


def _is_colour(observation: Observation) -> bool:
    return colour_bands(_wavelengths(observation)) is not None


def _wavelengths(observation: Observation) -> Float[np.ndarray, " c"]:
    """Micrometres; infinite where the band is told otherwise, or missing at all dates."""
    told = (np.asarray(observation.band_code) == 0) & np.asarray(observation.band_valid).any(0)
    return np.where(told, np.asarray(observation.wavelength_um), np.inf)


def _shown(observation: Observation) -> list[int]:
    """The bands a picture is made of: red, green and blue, else two polarizations, else the first."""
    colours = colour_bands(_wavelengths(observation))
    if colours is not None:
        return colours
    there = np.asarray(observation.band_valid).any(0)
    codes = np.where(there, np.asarray(observation.band_code), -1)
    places = [np.flatnonzero(codes == BAND_CODES[name]) for name in ("VV", "HH", "VH", "HV")]
    pair = [int(place[0]) for place in places if len(place)]
    return pair[:2] if len(pair) > 1 else [int(there.argmax())]


def _false_colour(values: Float[np.ndarray, "h w c"]) -> Float[np.ndarray, "h w 3"]:
    """Two polarizations and their ratio, or one band in grey."""
    if values.shape[-1] == 1:
        return np.repeat(values, 3, axis=-1)
    first, second = np.moveaxis(values, -1, 0)
    return np.stack([first, second, first - second], axis=-1)  # dB: the ratio is a difference


def _stretched(channels: Float[np.ndarray, "h w 3"], valid: np.ndarray) -> Float[np.ndarray, "h w 3"]:
    if not valid.any():
        return channels
    low, high = np.percentile(channels[valid], (2, 98), axis=0)
    return (0.02 + 0.98 * np.clip((channels - low) / np.maximum(high - low, 1e-6), 0, 1)).astype(np.float32)
