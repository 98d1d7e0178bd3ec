"""From observation tokens to the decoder's prefix.   b batch · n tokens · q queries · d encoder width · e decoder width"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from rsfm.nn.attention import Attention
from rsfm.nn.mlp import MLP
from rsfm.nn.norm import RMSNorm
from rsfm.types import Tokens


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConnectorConfig:
    """Attributes:
    kind: a key of CONNECTORS.
    queries: tokens handed to the decoder by the perceiver; the mlp hands over all.
    depth: perceiver layers.
    """

    kind: str = "perceiver"
    queries: int = 32
    depth: int = 1
    heads: int = 6


class MLPConnector(nnx.Module):
    """Every token through a two-layer network (LLaVA-1.5, arXiv:2310.03744)."""

    def __init__(self, config: ConnectorConfig, width: int, out: int, *, rngs: nnx.Rngs):
        self.mlp = MLP(width, 2 * out, out=out, gated=False, activation="gelu", bias=True, rngs=rngs)

    def __call__(self, tokens: Tokens) -> Tokens:
        return Tokens(embeddings=self.mlp(tokens.embeddings), mask=tokens.mask, position=tokens.position)


class PerceiverLayer(nnx.Module):
    """Queries look at the tokens, then think alone."""

    def __init__(self, config: ConnectorConfig, width: int, *, rngs: nnx.Rngs):
        self.query_norm, self.memory_norm, self.mlp_norm = RMSNorm(width), RMSNorm(width), RMSNorm(width)
        self.attention = Attention(width, config.heads, rngs=rngs)
        self.mlp = MLP(width, 2 * width, rngs=rngs)

    def __call__(self, queries: Float[Array, "b q d"], tokens: Tokens) -> Float[Array, "b q d"]:
        memory = self.memory_norm(tokens.embeddings)
        looked, _ = self.attention(self.query_norm(queries), tokens.mask[:, None], memory=memory)
        queries = queries + looked
        return queries + self.mlp(self.mlp_norm(queries))


class PerceiverConnector(nnx.Module):
    """A fixed number of learned queries, whatever the number of tokens (Perceiver resampler, arXiv:2204.14198)."""

    def __init__(self, config: ConnectorConfig, width: int, out: int, *, rngs: nnx.Rngs):
        self.queries = nnx.Param(
            0.5 * jax.random.normal(rngs.params(), (config.queries, width)), out_sharding=(None, "embed")
        )
        self.layers = nnx.List([PerceiverLayer(config, width, rngs=rngs) for _ in range(config.depth)])
        self.out = MLP(width, 2 * width, out=out, gated=False, activation="gelu", rngs=rngs)

    def __call__(self, tokens: Tokens) -> Tokens:
        batch = tokens.embeddings.shape[0]
        queries = self.queries[...].astype(tokens.embeddings.dtype)
        x = jnp.broadcast_to(queries, (batch, *queries.shape))
        for layer in self.layers:
            x = layer(x, tokens)
        mask = jnp.broadcast_to(tokens.mask.any(-1, keepdims=True), x.shape[:2])
        return Tokens(embeddings=self.out(x), mask=mask, position=jnp.zeros((*mask.shape, 3)))


CONNECTORS: dict[str, Any] = {"mlp": MLPConnector, "perceiver": PerceiverConnector}
