"""One transformer over the tokens of all streams, on a fixed token budget.

b batch · n tokens · m budget · k taps · d width
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int

from rsfm.errors import UserError
from rsfm.nn.rope import days_since_first, ground_angles
from rsfm.nn.transformer import Transformer, TransformerConfig
from rsfm.pytree import pytree_dataclass, replace
from rsfm.types import Tokens


@pytree_dataclass
class TappedTokens(Tokens):
    """Encoded tokens that carry what earlier layers made of them."""

    taps: Float[Array, "*b n k d"]


def keep_order(tokens: Tokens, budget: int, lengths: tuple[int, ...]) -> Int[Array, "b m"]:
    """Indices of `budget` tokens, in order: clouds, missing dates and absent streams cost nothing.

    Where more are valid, every stream keeps about the same share of its own, at least one, spread evenly over its places and
    dates: the n-th valid token of a stream is ranked by the fractional part of n times the golden ratio.

    Args:
        tokens: of all streams in a row.
        budget: how many are kept.
        lengths: tokens of each stream.
    """
    parts = jnp.split(tokens.mask, np.cumsum(lengths)[:-1], axis=1)
    number = jnp.concatenate([jnp.cumsum(part, axis=1) - 1 for part in parts], axis=1)
    rank = number.astype(jnp.uint32) * np.uint32(2654435769) >> 1  # 2^32 divided by the golden ratio
    order = jnp.argsort(jnp.where(tokens.mask, rank, np.uint32(2**32 - 1)), axis=1, stable=True)
    return jnp.sort(order[:, :budget], axis=1)


def gather(tokens: Tokens, index: Int[Array, "b m"]) -> Tokens:
    """The tokens at `index`."""
    take = jax.vmap(lambda x, i: x[i])
    return Tokens(
        embeddings=take(tokens.embeddings, index), mask=take(tokens.mask, index), position=take(tokens.position, index)
    )


class Encoder(nnx.Module):
    """Bidirectional attention with rotary position in (day, metre, metre).

    With `taps` (layers by number, 0 = its input) it returns TappedTokens.
    """

    def __init__(self, config: TransformerConfig, *, budget: int, taps: tuple[int, ...] = (), rngs: nnx.Rngs):
        if any(not 0 <= tap < config.depth for tap in taps):
            raise UserError(
                f"connector.taps {taps}: expected layers 0 to {config.depth - 1} of the encoder's {config.depth}; "
                "the last one is always read."
            )
        self.transformer = Transformer(config, rngs=rngs)
        self.head_dim = config.head_dim or config.width // config.heads
        self.budget, self.taps = budget, taps

    def __call__(self, tokens: Tokens, lengths: tuple[int, ...] = ()) -> tuple[Tokens, dict[str, Array]]:
        """Encoded tokens in their old places; those over the budget or masked keep a zero embedding and mask False.

        Args:
            tokens: of all streams in a row.
            lengths: tokens of each stream, which share the budget; () = they are of one.

        Returns:
            The tokens, and scalars; with a budget "budget_dropped" is the share of the valid tokens that were cut.
        """
        total = tokens.mask.shape[1]
        if not self.budget or total <= self.budget:
            x, taps, aux = self._encode(tokens)
            return _encoded(tokens, x * tokens.mask[..., None], taps), aux
        index = keep_order(tokens, self.budget, lengths or (total,))
        kept = gather(tokens, index)
        x, taps, aux = self._encode(kept)
        aux["budget_dropped"] = 1 - kept.mask.sum() / jnp.maximum(tokens.mask.sum(), 1)
        put = jax.vmap(lambda i, new: jnp.zeros((total, *new.shape[1:]), new.dtype).at[i].set(new))
        back = replace(tokens, mask=put(index, kept.mask))
        return _encoded(back, put(index, x * kept.mask[..., None]), None if taps is None else put(index, taps)), aux

    def _encode(self, tokens: Tokens) -> tuple[Float[Array, "b m d"], Float[Array, "b m k d"] | None, dict[str, Array]]:
        # Days count from the first dated one: float32 keeps no hours of a date 9,000 days after the epoch.
        since = days_since_first(tokens.position[..., 0], tokens.mask)
        position = jnp.concatenate([since[..., None], tokens.position[..., 1:]], axis=-1)
        angle = ground_angles(position, self.head_dim)
        mask, valid = tokens.mask[:, None], tokens.mask
        if not self.taps:
            x, _, aux = self.transformer(tokens.embeddings, mask, valid=valid, angle=angle)
            return x, None, aux
        x, _, aux = self.transformer(tokens.embeddings, mask, valid=valid, angle=angle, taps=self.taps)
        return x, jnp.moveaxis(aux.pop("taps"), 0, 2), aux


def _encoded(tokens: Tokens, x: Float[Array, "b n d"], taps: Float[Array, "b n k d"] | None) -> Tokens:
    if taps is None:
        return replace(tokens, embeddings=x)
    return TappedTokens(embeddings=x, mask=tokens.mask, position=tokens.position, grid=tokens.grid, taps=taps)
