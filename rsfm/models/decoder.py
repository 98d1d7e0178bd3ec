"""Causal language model with a bidirectional prefix of observation tokens.

b batch · q prefix tokens · s text tokens · n cache slots · d width · v vocabulary
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from rsfm.models.text_head import TextConfig, TextHead
from rsfm.nn.attention import KVCache
from rsfm.nn.layout import lay_out
from rsfm.nn.rope import RopeScaling, text_angles
from rsfm.nn.transformer import Transformer, TransformerConfig
from rsfm.pytree import pytree_dataclass
from rsfm.types import Tokens


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """Attributes:
    transformer: shape of the blocks; Llama's kin load into it.
    vocabulary: rows of the embedding table.
    rope_theta: base of the rotary angles.
    rope_scaling: how the angles of a longer context than trained are slowed; None = not at all.
    rope_local_theta: base in the layers with a window; 0 = that of all.
    embedding_scale: multiplies the embeddings (Gemma: the root of the width).
    final_softcap: logits are bent into -cap..cap by a tanh (Gemma 2); 0 = left alone.
    tied: the embedding table is the output matrix too.
    context: tokens it was trained on at once; 0 = unknown.
    end_id, pad_id: tokens that end an answer and that fill up after it.
    end_ids: further tokens that end one, as published chat models have them (<|eot_id|>, <end_of_turn>).
    """

    transformer: TransformerConfig
    vocabulary: int
    rope_theta: float = 10_000.0
    rope_scaling: RopeScaling | None = None
    rope_local_theta: float = 0.0
    embedding_scale: float = 1.0
    final_softcap: float = 0.0
    tied: bool = True
    context: int = 0
    end_id: int = 2
    end_ids: tuple[int, ...] = ()
    pad_id: int = 0


@pytree_dataclass
class PlacedTokens:
    """Image tokens that stand in the text.

    Attributes:
        tokens: of all images of a row.
        place: which of them stands at each place of the text, -1 = the text's own.
    """

    tokens: Tokens
    place: Int[Array, "b s"]

    def into(self, text: Float[Array, "b s d"]) -> Float[Array, "b s d"]:
        """The text's embeddings with the image tokens in their places."""
        tokens = lay_out(self.tokens.embeddings, "batch", None, None)
        picked = jnp.take_along_axis(tokens, jnp.maximum(self.place, 0)[..., None], axis=1)
        return jnp.where((self.place >= 0)[..., None], picked.astype(text.dtype), text)

    def read(self, text_valid: Bool[Array, "b s"]) -> Bool[Array, "b s"]:
        """Which places are looked at: text that is no padding, and images' tokens that are not masked."""
        seen = jnp.take_along_axis(self.tokens.mask, jnp.maximum(self.place, 0), axis=1)
        return text_valid & ((self.place < 0) | seen)


class Decoder(nnx.Module):
    """The prefix sees itself; text, and the images that stand in it, see the prefix and what stands before them."""

    def __init__(self, config: DecoderConfig, *, rngs: nnx.Rngs):
        self.config = config
        width = config.transformer.width
        table = 0.02 * jax.random.normal(rngs.params(), (config.vocabulary, width))
        self.embedding = nnx.Param(table, out_sharding=("vocab", "embed"))
        self.transformer = Transformer(config.transformer, rngs=rngs)
        head = TextConfig(vocabulary=0 if config.tied else config.vocabulary, soft_cap=config.final_softcap)
        self.text_head = TextHead(head, width, rngs=rngs)

    def __call__(
        self,
        prefix: Tokens,
        text_ids: Int[Array, "b s"],
        text_valid: Bool[Array, "b s"],
        added: Float[Array, "b s d"] | None = None,
        images: PlacedTokens | None = None,
    ) -> tuple[Float[Array, "b s d"], dict[str, Array]]:
        """Hidden state of every text token.

        Args:
            prefix: what is seen from everywhere.
            text_ids, text_valid: the text, False at its padding.
            added: to the embeddings of the text, such as those of its numbers.
            images: stand in the text in place of its embeddings.
        """
        x, mask, position, valid = self._inputs(prefix, text_ids, text_valid, added, images)
        x, _, aux = self.transformer(x, mask, valid=valid, **self._angles(position))
        return x[:, prefix.mask.shape[1] :], aux

    def prefill(
        self,
        prefix: Tokens,
        text_ids: Int[Array, "b s"],
        text_valid: Bool[Array, "b s"],
        extra: int,
        added: Float[Array, "b s d"] | None = None,
        images: PlacedTokens | None = None,
    ) -> tuple[Float[Array, "b s d"], KVCache]:
        """Like a call, and fills a cache that has room for `extra` more tokens."""
        x, mask, position, _ = self._inputs(prefix, text_ids, text_valid, added, images)
        batch, length = x.shape[:2]
        cache = self.transformer.empty_cache(batch, length + extra, x.dtype)
        mask = jnp.pad(mask, ((0, 0), (0, 0), (0, extra)))
        start = jnp.zeros((batch,), jnp.int32)
        x, filled, _ = self.transformer(x, mask, cache=cache, start=start, **self._angles(position))
        assert filled is not None
        return x[:, prefix.mask.shape[1] :], filled

    def step(
        self, token: Int[Array, " b"], at: Int[Array, " b"], seen: Bool[Array, "b n"], cache: KVCache
    ) -> tuple[Float[Array, "b d"], KVCache]:
        """One more token per row, written into slot `at`, which is also its position; `seen` marks the slots to look at."""
        x = self.embed(token[:, None])
        x, cache_out, _ = self.transformer(x, seen[:, None], cache=cache, start=at, **self._angles(at[:, None]))
        assert cache_out is not None
        return x[:, 0], cache_out

    def embed(self, ids: Int[Array, "b s"]) -> Float[Array, "b s d"]:
        """Rows of the embedding table, scaled."""
        table = lay_out(self.embedding[...], "vocab", None)  # rows whole on each device, as their gradients come in
        x, scale = lay_out(table[ids], "batch", None, None), self.config.embedding_scale
        return x if scale == 1.0 else x * scale

    def logits(self, hidden: Float[Array, "b s d"]) -> Float[Array, "b s v"]:
        """Next-token logits in float32."""
        return self.text_head(hidden, self.embedding[...] if self.config.tied else None)

    def _inputs(
        self,
        prefix: Tokens,
        text_ids: Array,
        text_valid: Array,
        added: Array | None = None,
        images: PlacedTokens | None = None,
    ) -> tuple[Array, Array, Array, Array]:
        """Embeddings, who may look at whom, positions, and which of them are no padding."""
        text = self.embed(text_ids)
        text = (text if added is None else text + added).astype(prefix.embeddings.dtype)
        if images is not None:
            text, text_valid = images.into(text), images.read(text_valid)
        x = jnp.concatenate([prefix.embeddings, text], axis=1)
        q, total = prefix.mask.shape[1], x.shape[1]
        place = jnp.arange(total)
        before = (place[None, :] <= place[:, None]) | (place[None, :] < q)
        before = before & ((place[:, None] >= q) | (place[None, :] < q))
        valid = jnp.concatenate([prefix.mask, text_valid], axis=1)
        position = jnp.broadcast_to(place, x.shape[:2])
        return x, before[None] & valid[:, None], position, valid

    def _angles(self, position: Array) -> dict[str, Any]:
        blocks, local = self.config.transformer, self.config.rope_local_theta
        head_dim = blocks.head_dim or blocks.width // blocks.heads
        angles = {"angle": text_angles(position, head_dim, self.config.rope_theta, self.config.rope_scaling)}
        return angles | ({"local_angle": text_angles(position, head_dim, local)} if local else {})
