"""Rotary position: along a text, and over (day, metre, metre) for observation tokens.

b batch · n tokens · h heads · k head width     Su et al. 2021, arXiv:2104.09864
"""

import dataclasses
import math
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num

from rsfm.errors import lookup

# Wavelengths of the rotations, shortest and longest: a day to thirty years; five metres to a hundred kilometres.
DAY_RANGE = (2.0, 11_000.0)
METRE_RANGE = (5.0, 100_000.0)


def rotate(x: Float[Array, "b n h k"], angle: Float[Array, "b n r"]) -> Float[Array, "b n h k"]:
    """Rotates pair (i, i + k/2) of every head by angle i, as Llama does; r = k // 2. Done in float32."""
    first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    cos, sin = jnp.cos(angle)[:, :, None], jnp.sin(angle)[:, :, None]
    turned = jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
    return turned.astype(x.dtype)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RopeScaling:
    """How rotations are slowed so that a context longer than the trained one meets known angles.

    Attributes:
        kind: "linear": all slower by `factor` (arXiv:2306.15595). "llama3": the long waves slower by `factor`, the short
            ones kept, a ramp between (the Llama 3 herd of models, arXiv:2407.21783).
        factor: how much slower.
        low_frequency_factor: waves longer than `trained_length` / this are slowed wholly.
        high_frequency_factor: waves shorter than `trained_length` / this are kept.
        trained_length: context in tokens before the stretch.
    """

    kind: str = "llama3"
    factor: float = 8.0
    low_frequency_factor: float = 1.0
    high_frequency_factor: float = 4.0
    trained_length: int = 8192


def text_angles(
    position: Num[Array, "b n"], head_dim: int, theta: float, scaling: RopeScaling | None = None
) -> Float[Array, "b n r"]:
    """Angles of a token's place in a text: position / theta^(2 i / head_dim), slowed as `scaling` says."""
    frequency = theta ** (-np.arange(0, head_dim, 2, dtype=np.float32) / head_dim)
    if scaling is not None:
        frequency = frequency * lookup(SLOWED, "rope scaling", scaling.kind)(frequency, scaling)
    return position.astype(jnp.float32)[..., None] * frequency


def llama3_share(frequency: np.ndarray, scaling: RopeScaling) -> np.ndarray:
    """1 for waves that fit many times into the trained length, 1 / factor for those that do not fit."""
    low, high = scaling.low_frequency_factor, scaling.high_frequency_factor
    turns = scaling.trained_length * frequency / (2 * math.pi)  # over the trained length
    kept = np.clip((turns - low) / (high - low), 0, 1)
    return (kept + (1 - kept) / scaling.factor).astype(np.float32)


SLOWED: dict[str, Callable[[np.ndarray, RopeScaling], np.ndarray]] = {
    "llama3": llama3_share,
    "linear": lambda frequency, scaling: np.full_like(frequency, 1 / scaling.factor),
}


def days_since_first(day: Float[Array, "b n"], seen: Bool[Array, "b n"]) -> Float[Array, "b n"]:
    """Days since the first dated token of each row that is seen; 0 where a token has no date, so that it turns nothing."""
    first = jnp.min(jnp.where(seen & jnp.isfinite(day), day, jnp.inf), axis=1, keepdims=True)
    return jnp.where(jnp.isfinite(day), day - jnp.where(jnp.isfinite(first), first, 0.0), 0.0)


def ground_angles(position: Float[Array, "b n 3"], head_dim: int) -> Float[Array, "b n r"]:
    """Angles of a token's place on the ground: a quarter of the pairs for the day, the rest shared by the two metres."""
    pairs = head_dim // 2
    days = pairs // 4
    rows = (pairs - days) // 2
    shares = ((days, DAY_RANGE), (rows, METRE_RANGE), (pairs - days - rows, METRE_RANGE))
    parts = []
    for axis, (count, (shortest, longest)) in enumerate(shares):
        wavelength = np.geomspace(shortest, longest, count).astype(np.float32)
        parts.append(position[..., axis, None] * (2 * np.pi / wavelength))
    return jnp.concatenate(parts, axis=-1)
