"""Which part of an observation is hidden from a model that is to predict it: places, dates, bands, single pixels.

b batch · t acquisitions · h w pixels · i j places · c bands
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from rsfm.pytree import replace
from rsfm.types import Observation


@dataclasses.dataclass(frozen=True, kw_only=True)
class HidingConfig:
    """Attributes:
    places: share of the places of every date that are hidden.
    edge: edge of a place in pixels; a multiple of the stream's patch, or the stream's window if that is smaller.
    tubes: a place is hidden at all dates or at none; else each date has places of its own.
    dates: share of the dates of a series that are hidden whole.
    bands: share of the bands that are hidden whole.
    pixels: share of the pixels of a hidden place that are; under 1 its token is seen in part (RingMo's patch-incomplete
        masking, Sun et al. 2022, doi:10.1109/TGRS.2022.3194732).
    """

    places: float = 0.75
    edge: int = 16
    tubes: bool = False
    dates: float = 0.0
    bands: float = 0.0
    pixels: float = 1.0


def hide(observation: Observation, config: HidingConfig, key: Array) -> tuple[Observation, Bool[Array, "b t h w"]]:
    """The observation with a part not valid, and where that part is; what was not valid before is in no part."""
    b, t, h, w = observation.valid.shape
    for_places, for_dates, for_bands, for_pixels = jax.random.split(key, 4)
    edge = min(config.edge, h, w)
    hidden = jax.random.bernoulli(
        for_places, config.places, (b, 1 if config.tubes else t, -(-h // edge), -(-w // edge))
    )
    hidden = jnp.repeat(jnp.repeat(hidden, edge, axis=2), edge, axis=3)[:, :, :h, :w]
    hidden = jnp.broadcast_to(hidden, (b, t, h, w))
    if config.pixels < 1:
        hidden &= jax.random.bernoulli(for_pixels, config.pixels, (b, t, h, w))
    if config.dates and t > 1:
        hidden |= jax.random.bernoulli(for_dates, config.dates, (b, t))[..., None, None]
    hidden &= observation.valid
    band_valid = observation.band_valid
    if config.bands:
        kept = jax.random.uniform(for_bands, (b, 1, band_valid.shape[-1])) >= config.bands
        kept |= jnp.arange(band_valid.shape[-1]) == jnp.argmax(band_valid, axis=-1)[..., None]  # the first stays
        band_valid = band_valid & kept
    seen = replace(observation, valid=observation.valid & ~hidden, band_valid=band_valid)
    return seen, hidden
