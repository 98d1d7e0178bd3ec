"""A dense layer whose kernel carries logical axis names for sharding.   i inputs · o outputs"""

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
