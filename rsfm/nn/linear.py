"""A dense layer whose kernel carries logical axis names for sharding.   i inputs · o outputs · s blocks of outputs"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

Axis = str | None


class Linear(nnx.Module):
    """x @ kernel + bias: parameters in float32, the product in the type of x."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        axes: tuple[Axis, Axis] = ("embed", None),
        bias: bool = False,
        scale: float = 1.0,
        rngs: nnx.Rngs,
    ):
        init = (
            jax.nn.initializers.variance_scaling(scale**2, "fan_in", "truncated_normal")
            if scale
            else nnx.initializers.zeros
        )
        self.kernel = nnx.Param(init(rngs.params(), (inputs, outputs)), out_sharding=axes)
        self.bias = nnx.Param(jnp.zeros((outputs,)), out_sharding=(axes[1],)) if bias else None

    def __call__(self, x: Float[Array, "*n i"]) -> Float[Array, "*n o"]:
        y = x @ self.kernel[...].astype(x.dtype)
        return y if self.bias is None else y + self.bias[...].astype(x.dtype)


class RowLinear(nnx.Module):
    """The same layer for products of a few rows on a CPU; see rsfm.models.decoding."""

    def __init__(self, linear: Linear, *, blocks: int):
        """Takes the parameters of a layer; `blocks` divides its outputs."""
        inputs = linear.kernel.shape[0]
        self.kernel = nnx.Param(linear.kernel[...].T.reshape(blocks, -1, inputs))
        self.bias = linear.bias

    def __call__(self, x: Float[Array, "*n i"]) -> Float[Array, "*n o"]:
        y = by_rows(x, self.kernel[...].astype(x.dtype))
        return y if self.bias is None else y + self.bias[...].astype(x.dtype)


def by_rows(x: Float[Array, "*n i"], kernel: Float[Array, "s r i"]) -> Float[Array, "*n o"]:
    """x @ kernel.T for a kernel of outputs in s blocks of r, summed in float32 or wider."""
    rows = x.reshape(-1, x.shape[-1])
    y = jnp.einsum("ni,sri->snr", rows, kernel, preferred_element_type=jnp.promote_types(x.dtype, jnp.float32))
    return y.transpose(1, 0, 2).reshape(*x.shape[:-1], -1).astype(x.dtype)
