"""One transformer over the tokens of all streams, on a fixed token budget.   b batch · n tokens · m budget · d width"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from rsfm.nn.rope import ground_angles
from rsfm.nn.transformer import Transformer, TransformerConfig
from rsfm.pytree import replace
from rsfm.types import Tokens


def concatenate(parts: list[Tokens]) -> Tokens:
    """Tokens of several streams in a row; the grid is lost."""
    return Tokens(
        embeddings=jnp.concatenate([p.embeddings for p in parts], axis=1),
        mask=jnp.concatenate([p.mask for p in parts], axis=1),
        position=jnp.concatenate([p.position for p in parts], axis=1),
    )


def keep_order(tokens: Tokens, budget: int) -> Int[Array, "b m"]:
    """Indices of the first `budget` valid tokens, in order: clouds, missing dates and absent streams cost nothing."""
    return jnp.argsort(~tokens.mask, axis=1, stable=True)[:, :budget]


def gather(tokens: Tokens, index: Int[Array, "b m"]) -> Tokens:
    """The tokens at `index`."""
    take = jax.vmap(lambda x, i: x[i])
    return Tokens(
        embeddings=take(tokens.embeddings, index), mask=take(tokens.mask, index), position=take(tokens.position, index)
    )


class Encoder(nnx.Module):
    """Bidirectional attention with rotary position in (day, metre, metre)."""

    def __init__(self, config: TransformerConfig, *, budget: int, rngs: nnx.Rngs):
        self.transformer = Transformer(config, rngs=rngs)
        self.budget = budget

    def __call__(self, tokens: Tokens) -> tuple[Tokens, dict[str, Array]]:
        """Encoded tokens in their old places; those over the budget or masked keep a zero embedding and mask False."""
        total = tokens.mask.shape[1]
        if not self.budget or total <= self.budget:
            x, aux = self._encode(tokens)
            return replace(tokens, embeddings=x * tokens.mask[..., None]), aux
        index = keep_order(tokens, self.budget)
        kept = gather(tokens, index)
        x, aux = self._encode(kept)
        put = jax.vmap(lambda i, new: jnp.zeros((total, *new.shape[1:]), new.dtype).at[i].set(new))
        return replace(tokens, embeddings=put(index, x * kept.mask[..., None]), mask=put(index, kept.mask)), aux

    def _encode(self, tokens: Tokens) -> tuple[Float[Array, "b m d"], dict[str, Array]]:
        # Days count from the first valid one: float32 keeps no hours of a date 9,000 days after the epoch.
        first = jnp.min(jnp.where(tokens.mask[..., None], tokens.position, jnp.inf), axis=1, keepdims=True)
        position = tokens.position - jnp.where(jnp.isfinite(first), first, 0.0)
        angle = ground_angles(position, self.transformer.blocks.attention.head_dim)
        x, _, aux = self.transformer(tokens.embeddings, tokens.mask[:, None], valid=tokens.mask, angle=angle)
        return x, aux
