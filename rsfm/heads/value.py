"""A number with its spread at each <value> token: an MLP-mixer over the token's hidden state and pooled visual tokens.

b batch · v values · n tokens · k pooled tokens · d text width · c token width · x mixer width
Hybrid hidden and visual tokens as in REO-VLM (arXiv:2412.16583); mixer: Tolstikhin et al. 2021, arXiv:2105.01601.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from rsfm.nn.linear import Linear
from rsfm.nn.mlp import MLP
from rsfm.nn.norm import RMSNorm
from rsfm.types import Tokens


@dataclasses.dataclass(frozen=True, kw_only=True)
class ValueConfig:
    """Attributes:
    pooled: visual tokens the mixer sees beside the hidden state.
    width: of the mixer.
    hidden: of its channel MLPs.
    depth: mixer blocks.
    min_scale: floor of the predicted spread, in standard deviations of the training values.
    """

    pooled: int = 8
    width: int = 96
    hidden: int = 192
    depth: int = 2
    min_scale: float = 1e-3


class ValueHead(nnx.Module):
    """`head(spans, tokens) -> (mean, scale)` in standardized units; at birth near mean 0, scale 1."""

    config_type = ValueConfig

    def __init__(self, config: ValueConfig, width: int, token_width: int, *, rngs: nnx.Rngs):
        self.config = config
        self.from_span = Linear(width, config.width, rngs=rngs)
        self.from_token = Linear(token_width, config.width, rngs=rngs)
        self.pool = Linear(token_width, config.pooled, axes=("embed", None), rngs=rngs)  # one learned query a column
        self.blocks = nnx.List([MixerBlock(config, rngs=rngs) for _ in range(config.depth)])
        self.norm = RMSNorm(config.width)
        self.out = Linear(config.width, 2, axes=("embed", None), bias=True, scale=0.1, rngs=rngs)

    def __call__(self, spans: Float[Array, "b v d"], tokens: Tokens) -> tuple[Float[Array, "b v"], Float[Array, "b v"]]:
        """Mean and standard deviation of each value, float32."""
        seen = self.from_token(self._pooled(tokens).astype(spans.dtype))
        seen = jnp.broadcast_to(seen[:, None], (*spans.shape[:2], *seen.shape[1:]))
        x = jnp.concatenate([self.from_span(spans)[:, :, None], seen], axis=2)  # b v (1 + k) x
        for block in self.blocks:
            x = block(x)
        mean, raw = jnp.moveaxis(self.out(self.norm(x[:, :, 0])).astype(jnp.float32), -1, 0)
        # softplus(0 + log(e - 1)) = 1: the spread of standardized values
        return mean, jax.nn.softplus(raw + math.log(math.e - 1)) + self.config.min_scale

    def _pooled(self, tokens: Tokens) -> Float[Array, "b k c"]:
        """k weighted means of the valid tokens; zeros where there is none."""
        x = jnp.where(tokens.mask[..., None], tokens.embeddings, 0)
        scores = jnp.where(tokens.mask[..., None], self.pool(x).astype(jnp.float32), -1e9)
        weight = jnp.where(tokens.mask[..., None], jax.nn.softmax(scores, axis=1), 0)
        return jnp.einsum("bnk,bnc->bkc", weight.astype(x.dtype), x)


class MixerBlock(nnx.Module):
    """x + mlp over the 1 + k places, then x + mlp over the channels."""

    def __init__(self, config: ValueConfig, *, rngs: nnx.Rngs):
        places = 1 + config.pooled
        self.place_norm, self.channel_norm = RMSNorm(config.width), RMSNorm(config.width)
        # Without logical axes: a few numbers, not worth cutting.
        self.enter = Linear(places, 2 * places, axes=(None, None), rngs=rngs)
        self.leave = Linear(2 * places, places, axes=(None, None), rngs=rngs)
        self.channels = MLP(config.width, config.hidden, gated=False, activation="gelu_tanh", rngs=rngs)

    def __call__(self, x: Float[Array, "b v k x"]) -> Float[Array, "b v k x"]:
        y = jnp.swapaxes(self.place_norm(x), -1, -2)
        x = x + jnp.swapaxes(self.leave(jax.nn.gelu(self.enter(y))), -1, -2)
        return x + self.channels(self.channel_norm(x))
