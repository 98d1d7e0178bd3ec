"""Convolution and resampling over pictures with holes: an edge and a hole are treated alike.

b batch · h w pixels · r q cells · i inputs · o outputs · k channels
Normalised convolution: Liu et al. 2018, arXiv:1804.07723.
"""

import jax
import jax.numpy as jnp
from einops import reduce
from flax import nnx
from jax import lax
from jaxtyping import Array, Bool, Float


class MaskedConv(nnx.Module):
    """3x3 convolution over valid neighbours, scaled up by their share: an edge and a hole are treated alike."""

    def __init__(self, inputs: int, outputs: int, *, rngs: nnx.Rngs):
        self.kernel = nnx.Param(_kernel(rngs, (3, 3, inputs, outputs)), out_sharding=(None, None, None, None))
        self.bias = nnx.Param(jnp.zeros((outputs,)), out_sharding=(None,))

    def __call__(self, x: Float[Array, "b h w i"], neighbours: Float[Array, "b h w 1"]) -> Float[Array, "b h w o"]:
        """`x` is zero at invalid pixels; `neighbours` as told by `neighbour_share`."""
        return _convolved(x, self.kernel[...], 1) / neighbours + self.bias[...].astype(x.dtype)


class MaskedHalving(nnx.Module):
    """2x2 convolution to half the rows and columns over the valid pixels of a cell, scaled up by their share."""

    def __init__(self, inputs: int, outputs: int, *, rngs: nnx.Rngs):
        self.kernel = nnx.Param(_kernel(rngs, (2, 2, inputs, outputs)), out_sharding=(None, None, None, None))
        self.bias = nnx.Param(jnp.zeros((outputs,)), out_sharding=(None,))

    def __call__(
        self, x: Float[Array, "b h w i"], valid: Bool[Array, "b h w"]
    ) -> tuple[Float[Array, "b r q o"], Bool[Array, "b r q"]]:
        """Cells, zero where none of their pixels is valid, and which have one.

        Args:
            x: zero at invalid pixels; rows and columns are even.
            valid: where there are data.
        """
        count = reduce(valid.astype(x.dtype), "b (r i) (q j) -> b r q 1", "sum", i=2, j=2)
        y = _convolved(x, self.kernel[...], 2) * (4 / jnp.maximum(count, 1)) + self.bias[...].astype(x.dtype)
        return jnp.where(count > 0, y, 0), count[..., 0] > 0


def neighbour_share(valid: Bool[Array, "b h w"]) -> Float[Array, "b h w 1"]:
    """Share of each pixel's 3x3 neighbourhood that is valid, at least 1/9."""
    count = jnp.pad(valid.astype(jnp.float32), ((0, 0), (1, 1), (1, 1)))
    count = count[:, :-2] + count[:, 1:-1] + count[:, 2:]
    count = count[:, :, :-2] + count[:, :, 1:-1] + count[:, :, 2:]
    return jnp.maximum(count, 1.0)[..., None] / 9.0


def doubled(x: Float[Array, "b r q k"]) -> Float[Array, "b h w k"]:
    """Each cell as 2x2 pixels of its own value."""
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)


def _kernel(rngs: nnx.Rngs, shape: tuple[int, ...]) -> Float[Array, "r q i o"]:
    return jax.nn.initializers.variance_scaling(1.0, "fan_in", "truncated_normal")(rngs.params(), shape)


def _convolved(x: Float[Array, "b h w i"], kernel: Float[Array, "r q i o"], stride: int) -> Float[Array, "b _ _ o"]:
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel.astype(x.dtype), (stride, stride), "SAME", dimension_numbers=layout)
