"""Where and when a token is: place on the ground for rotary attention, calendar and location as features.

b batch · t acquisitions · n tokens · d width
"""

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from rsfm.nn.mlp import MLP
from rsfm.types import Observation, Tokens

DAYS_PER_YEAR = 365.2425
# Spatial frequencies of the location features, in turns of the unit sphere: from a hemisphere to about 300 km.
LOCATION_OCTAVES = 5


def calendar_features(time_days: Float[Array, "*b t"]) -> Float[Array, "*b t 6"]:
    """Season (two harmonics of the day of year), decades since 2000 and whether the date is known.

    Without a date the decades' place holds the acquisition's number in its series, in tenths, and all else is zero: two undated
    pictures have an order.
    """
    known = ~jnp.isnan(time_days)
    day = jnp.where(known, time_days, 0.0)
    turn = 2 * np.pi * day / DAYS_PER_YEAR
    index = jnp.broadcast_to(jnp.arange(time_days.shape[-1], dtype=day.dtype), day.shape)
    season = [jnp.sin(turn), jnp.cos(turn), jnp.sin(2 * turn), jnp.cos(2 * turn)]
    parts = [
        *(jnp.where(known, wave, 0.0) for wave in season),
        jnp.where(known, day / (10 * DAYS_PER_YEAR), index / 10),
        known.astype(day.dtype),
    ]
    return jnp.stack(parts, axis=-1)


def location_features(location_deg: Float[Array, "*b 2"]) -> Float[Array, "*b f"]:
    """Fourier features of the point on the unit sphere; NaN (unknown) gives zeros."""
    known = ~jnp.isnan(location_deg).any(-1, keepdims=True)
    longitude, latitude = jnp.moveaxis(jnp.deg2rad(jnp.where(known, location_deg, 0.0)), -1, 0)
    point = jnp.stack(
        [jnp.cos(latitude) * jnp.cos(longitude), jnp.cos(latitude) * jnp.sin(longitude), jnp.sin(latitude)], axis=-1
    )
    angle = point[..., None] * (np.pi * 2.0 ** np.arange(LOCATION_OCTAVES))
    waves = jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], axis=-1)
    return jnp.where(known, jnp.concatenate([point, waves.reshape(*point.shape[:-1], -1)], axis=-1), 0.0)


class LocationTokenizer(nnx.Module):
    """One token for the place on Earth; masked where the place is unknown."""

    def __init__(self, width: int, *, rngs: nnx.Rngs):
        self.mlp = MLP(3 + 6 * LOCATION_OCTAVES, 2 * width, out=width, rngs=rngs)

    def __call__(self, location_deg: Float[Array, "b 2"]) -> Tokens:
        known = ~jnp.isnan(location_deg).any(-1, keepdims=True)
        embeddings = self.mlp(location_features(location_deg))[:, None]
        nowhen = jnp.broadcast_to(jnp.array([jnp.nan, 0.0, 0.0]), (*known.shape, 3))  # a place has no day
        return Tokens(embeddings=embeddings, mask=known, position=nowhen, grid=None)


def patch_positions(
    observation: Observation, rows: int, columns: int, patch: int
) -> Float[Array, "b t rows columns 3"]:
    """(day, metre south, metre east) of each patch centre, from the window's top-left corner; the day of an unknown date is NaN."""
    metre = observation.gsd_m[:, None] * patch
    south = metre * (jnp.arange(rows) + 0.5)
    east = metre * (jnp.arange(columns) + 0.5)
    day = observation.time_days
    shape = (*day.shape, rows, columns)
    return jnp.stack(
        [
            jnp.broadcast_to(day[:, :, None, None], shape),
            jnp.broadcast_to(south[:, None, :, None], shape),
            jnp.broadcast_to(east[:, None, None, :], shape),
        ],
        axis=-1,
    )
