"""Next-token logits from hidden states.   s text · d width"""

import dataclasses

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from rsfm.nn.linear import Linear, by_rows


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextConfig:
    """Attributes:
    vocabulary: tokens; needed for a matrix of the head's own, 0 = the embedding table is given at each call.
    soft_cap: logits are bent into -soft_cap..soft_cap by a tanh (Gemma 2, arXiv:2408.00118); 0 = left alone.
    """

    vocabulary: int = 0
    soft_cap: float = 0.0


class TextHead(nnx.Module):
    """hidden @ matrix, summed in float32; the matrix is the head's own, or the embedding table handed in."""

    config_type = TextConfig

    def __init__(self, config: TextConfig | None = None, width: int = 0, *, rngs: nnx.Rngs | None = None):
        self.config = config or TextConfig()
        vocabulary = self.config.vocabulary
        assert not vocabulary or (width and rngs is not None), "a matrix of its own needs width and rngs"
        self.output = Linear(width, vocabulary, axes=("embed", "vocab"), rngs=rngs) if vocabulary and rngs else None
        self.blocks = 1  # of a table handed in, see rsfm.models.decoding

    def __call__(
        self, hidden: Float[Array, "*b s d"], embedding: Float[Array, "vocab d"] | None = None
    ) -> Float[Array, "*b s vocab"]:
        """Float32 logits. `embedding`: the decoder's table, for a head without a matrix of its own."""
        if embedding is not None and self.output is None and self.blocks > 1:
            return self._bent(
                by_rows(hidden.astype(jnp.float32), embedding.reshape(self.blocks, -1, embedding.shape[1]))
            )
        kernel = embedding.T if embedding is not None else self.output.kernel[...] if self.output is not None else None
        one = (embedding is None) != (self.output is None)
        assert kernel is not None and one, "give the embedding table, or a vocabulary in TextConfig"
        logits = jnp.matmul(hidden, kernel.astype(hidden.dtype), preferred_element_type=jnp.float32)
        return self._bent(logits)

    def _bent(self, logits: Float[Array, "*b s vocab"]) -> Float[Array, "*b s vocab"]:
        cap = self.config.soft_cap
        return cap * jnp.tanh(logits / cap) if cap else logits
