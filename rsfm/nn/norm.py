"""Normalisation in float32 whatever the compute type.   d width"""

import functools
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Float


class RMSNorm(nnx.Module):
    """x / rms(x) * scale; with `offset=1` the stored scale is added to one, as Gemma stores it.  arXiv:1910.07467"""

    def __init__(self, width: int, *, epsilon: float = 1e-6, offset: float = 0.0):
        self.scale = nnx.Param(jnp.full((width,), 1.0 - offset), out_sharding=(None,))
        self.epsilon, self.offset = epsilon, offset

    def __call__(self, x: Float[Array, "*n d"]) -> Float[Array, "*n d"]:
        y = x.astype(jnp.float32)
        y = y * lax.rsqrt(jnp.mean(y * y, axis=-1, keepdims=True) + self.epsilon)
        return (y * (self.scale[...] + self.offset)).astype(x.dtype)


class LayerNorm(nnx.Module):
    """(x - mean) / std * scale + bias.  arXiv:1607.06450"""

    def __init__(self, width: int, *, epsilon: float = 1e-6):
        self.scale = nnx.Param(jnp.ones((width,)), out_sharding=(None,))
        self.bias = nnx.Param(jnp.zeros((width,)), out_sharding=(None,))
        self.epsilon = epsilon

    def __call__(self, x: Float[Array, "*n d"]) -> Float[Array, "*n d"]:
        y = x.astype(jnp.float32)
        y = y - jnp.mean(y, axis=-1, keepdims=True)
        y = y * lax.rsqrt(jnp.mean(y * y, axis=-1, keepdims=True) + self.epsilon)
        return (y * self.scale[...] + self.bias[...]).astype(x.dtype)


NORMS: dict[str, Any] = {"rms": RMSNorm, "layer": LayerNorm, "rms_offset": functools.partial(RMSNorm, offset=1.0)}
