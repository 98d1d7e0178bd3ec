"""Convolutions of pictures on a few lines of XLA.   b batch · h w pixels · k kernel · f o features in and out"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float


class Convolution(nnx.Module):
    """k x k convolution with bias and TensorFlow's SAME padding."""

    def __init__(self, kernel: int, inputs: int, outputs: int, *, stride: int = 1, rngs: nnx.Rngs):
        self.kernel = nnx.Param(
            he_normal(rngs, (kernel, kernel, inputs, outputs), kernel**2 * inputs), out_sharding=(None,) * 4
        )
        self.bias = nnx.Param(jnp.zeros((outputs,)), out_sharding=(None,))
        self.stride = stride

    def __call__(self, x: Float[Array, "b h w f"]) -> Float[Array, "b i j o"]:
        kernel = self.kernel[...].astype(x.dtype)
        if kernel.shape[0] == 1:
            return x @ kernel[0, 0] + self.bias[...].astype(x.dtype)
        y = jax.lax.conv_general_dilated(
            x, kernel, (self.stride, self.stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return y + self.bias[...].astype(x.dtype)


def depthwise(x: Float[Array, "b h w f"], kernel: Float[Array, "k k f"], stride: int) -> Float[Array, "b i j f"]:
    """Depthwise convolution as k * k shifted products: on CPUs 5-10 times faster than a grouped convolution, and XLA fuses it."""
    size = kernel.shape[0]
    height, width = x.shape[1:3]
    rows, columns = -(-height // stride), -(-width // stride)
    pad_h = max((rows - 1) * stride + size - height, 0)
    pad_w = max((columns - 1) * stride + size - width, 0)
    x = jnp.pad(x, ((0, 0), (pad_h // 2, pad_h - pad_h // 2), (pad_w // 2, pad_w - pad_w // 2), (0, 0)))
    kernel = kernel.astype(x.dtype)
    total = jnp.zeros((x.shape[0], rows, columns, x.shape[-1]), x.dtype)
    for i in range(size):
        for j in range(size):
            rows_at, columns_at = (
                slice(i, i + (rows - 1) * stride + 1, stride),
                slice(j, j + (columns - 1) * stride + 1, stride),
            )
            total = total + x[:, rows_at, columns_at] * kernel[i, j]
    return total


def he_normal(rngs: nnx.Rngs, shape: tuple[int, ...], fan_in: int) -> Array:
    """Random weights that keep the variance through a ReLU.  arXiv:1502.01852"""
    return jax.random.normal(rngs.params(), shape) * (2.0 / fan_in) ** 0.5
