"""Convolution and enlargement over pictures with holes: an edge and a hole are treated alike.

b batch · h w pixels · r q cells · i inputs · o outputs · k channels
Normalised convolution: Liu et al. 2018, arXiv:1804.07723.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jaxtyping import Array, Bool, Float


class MaskedConv(nnx.Module):
    """3x3 convolution over valid neighbours, scaled up by their share: an edge and a hole are treated alike."""

    def __init__(self, inputs: int, outputs: int, *, rngs: nnx.Rngs):
        init = jax.nn.initializers.variance_scaling(1.0, "fan_in", "truncated_normal")
        self.kernel = nnx.Param(init(rngs.params(), (3, 3, inputs, outputs)), out_sharding=(None, None, None, None))
        self.bias = nnx.Param(jnp.zeros((outputs,)), out_sharding=(None,))

    def __call__(self, x: Float[Array, "b h w i"], neighbours: Float[Array, "b h w 1"]) -> Float[Array, "b h w o"]:
        """`x` is zero at invalid pixels; `neighbours` as told by `neighbour_share`."""
        kernel = self.kernel[...].astype(x.dtype)
        y = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return y / neighbours + self.bias[...].astype(x.dtype)


def neighbour_share(valid: Bool[Array, "b h w"]) -> Float[Array, "b h w 1"]:
    """Share of each pixel's 3x3 neighbourhood that is valid, at least 1/9."""
    count = jnp.pad(valid.astype(jnp.float32), ((0, 0), (1, 1), (1, 1)))
    count = count[:, :-2] + count[:, 1:-1] + count[:, 2:]
    count = count[:, :, :-2] + count[:, :, 1:-1] + count[:, :, 2:]
    return jnp.maximum(count, 1.0)[..., None] / 9.0
