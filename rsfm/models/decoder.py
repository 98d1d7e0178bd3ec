"""Causal language model with a bidirectional prefix of observation tokens.

b batch · q prefix tokens · s text tokens · n cache slots · d width · v vocabulary
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from rsfm.nn.attention import KVCache
from rsfm.nn.rope import text_angles
from rsfm.nn.transformer import Transformer, TransformerConfig
from rsfm.types import Tokens


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """Attributes:
    transformer: shape of the blocks; Llama's kin load into it.
    vocabulary: rows of the embedding table.
    rope_theta: base of the rotary angles.
    end_id, pad_id: tokens that end an answer and that fill up after it.
    """

    transformer: TransformerConfig
    vocabulary: int
    rope_theta: float = 10_000.0
    end_id: int = 2
    pad_id: int = 0


class Decoder(nnx.Module):
    """The prefix sees itself; text sees the prefix and the text before it."""

    def __init__(self, config: DecoderConfig, *, rngs: nnx.Rngs):
        self.config = config
        width = config.transformer.width
        table = 0.02 * jax.random.normal(rngs.params(), (config.vocabulary, width))
        self.embedding = nnx.Param(table, out_sharding=("vocab", "embed"))
        self.transformer = Transformer(config.transformer, rngs=rngs)

    def __call__(
        self, prefix: Tokens, text_ids: Int[Array, "b s"], text_valid: Bool[Array, "b s"]
    ) -> tuple[Float[Array, "b s d"], dict[str, Array]]:
        """Hidden state of every text token."""
        x, mask, position = self._inputs(prefix, text_ids, text_valid)
        valid = jnp.concatenate([prefix.mask, text_valid], axis=1)
        x, _, aux = self.transformer(x, mask, valid=valid, angle=self._angle(position))
        return x[:, prefix.mask.shape[1] :], aux

    def prefill(
        self, prefix: Tokens, text_ids: Int[Array, "b s"], text_valid: Bool[Array, "b s"], extra: int
    ) -> tuple[Float[Array, "b s d"], KVCache]:
        """Like a call, and fills a cache that has room for `extra` more tokens."""
        x, mask, position = self._inputs(prefix, text_ids, text_valid)
        batch, length = x.shape[:2]
        cache = self.transformer.empty_cache(batch, length + extra, x.dtype)
        mask = jnp.pad(mask, ((0, 0), (0, 0), (0, extra)))
        start = jnp.zeros((batch,), jnp.int32)
        x, filled, _ = self.transformer(x, mask, angle=self._angle(position), cache=cache, start=start)
        assert filled is not None
        return x[:, prefix.mask.shape[1] :], filled

    def step(
        self, token: Int[Array, " b"], at: Int[Array, " b"], seen: Bool[Array, "b n"], cache: KVCache
    ) -> tuple[Float[Array, "b d"], KVCache]:
        """One more token per row, written into slot `at`, which is also its position; `seen` marks the slots to look at."""
        x = self.embed(token[:, None])
        x, cache_out, _ = self.transformer(x, seen[:, None], angle=self._angle(at[:, None]), cache=cache, start=at)
        assert cache_out is not None
        return x[:, 0], cache_out

    def embed(self, ids: Int[Array, "b s"]) -> Float[Array, "b s d"]:
        """Rows of the embedding table."""
        return self.embedding[...][ids]

    def _inputs(self, prefix: Tokens, text_ids: Array, text_valid: Array) -> tuple[Array, Array, Array]:
        text = self.embed(text_ids).astype(prefix.embeddings.dtype)
        x = jnp.concatenate([prefix.embeddings, text], axis=1)
        q, total = prefix.mask.shape[1], x.shape[1]
        place = jnp.arange(total)
        before = (place[None, :] <= place[:, None]) | (place[None, :] < q)
        before = before & ((place[:, None] >= q) | (place[None, :] < q))
        valid = jnp.concatenate([prefix.mask, text_valid], axis=1)
        position = jnp.broadcast_to(place, x.shape[:2])
        return x, before[None] & valid[:, None], position

    def _angle(self, position: Array) -> Array:
        head_dim = self.transformer.blocks.attention.head_dim
        return text_angles(position, head_dim, self.config.rope_theta)
