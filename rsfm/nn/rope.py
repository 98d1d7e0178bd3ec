"""Rotary position: along a text, and over (day, metre, metre) for observation tokens.

b batch · n tokens · h heads · k head width     Su et al. 2021, arXiv:2104.09864
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

# Wavelengths of the rotations, shortest and longest: a day to thirty years; five metres to a hundred kilometres.
DAY_RANGE = (2.0, 11_000.0)
METRE_RANGE = (5.0, 100_000.0)


def rotate(x: Float[Array, "b n h k"], angle: Float[Array, "b n r"]) -> Float[Array, "b n h k"]:
    """Rotates pair (i, i + k/2) of every head by angle i, as Llama does; r = k // 2. Done in float32."""
    first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    cos, sin = jnp.cos(angle)[:, :, None], jnp.sin(angle)[:, :, None]
    turned = jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
    return turned.astype(x.dtype)


def text_angles(position: Num[Array, "b n"], head_dim: int, theta: float) -> Float[Array, "b n r"]:
    """Angles of a token's place in a text: position / theta^(2 i / head_dim)."""
    frequency = theta ** (-np.arange(0, head_dim, 2, dtype=np.float32) / head_dim)
    return position.astype(jnp.float32)[..., None] * frequency


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
