"""Feed-forward layers.   n tokens · d width"""

from collections.abc import Callable

import jax
from flax import nnx
from jaxtyping import Array, Float

from rsfm.errors import lookup
from rsfm.nn.linear import Linear

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "silu": jax.nn.silu,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "gelu_tanh": lambda x: jax.nn.gelu(x, approximate=True),
    "quick_gelu": lambda x: x * jax.nn.sigmoid(1.702 * x),
}


class MLP(nnx.Module):
    """down(act(up(x))), or down(act(gate(x)) * up(x)) when gated (SwiGLU, arXiv:2002.05202)."""

    def __init__(
        self,
        width: int,
        hidden: int,
        *,
        out: int | None = None,
        gated: bool = True,
        activation: str = "silu",
        bias: bool = False,
        rngs: nnx.Rngs,
    ):
        self.gate = Linear(width, hidden, axes=("embed", "mlp"), bias=bias, rngs=rngs) if gated else None
        self.up = Linear(width, hidden, axes=("embed", "mlp"), bias=bias, rngs=rngs)
        self.down = Linear(hidden, out or width, axes=("mlp", "embed"), bias=bias, rngs=rngs)
        lookup(ACTIVATIONS, "activation", activation)
        self.activation = activation

    def __call__(self, x: Float[Array, "*n d"]) -> Float[Array, "*n o"]:
        act = ACTIVATIONS[self.activation]
        hidden = act(self.up(x)) if self.gate is None else act(self.gate(x)) * self.up(x)
        return self.down(hidden)
