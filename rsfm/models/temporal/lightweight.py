"""Lightweight temporal attention: one learned query a channel group picks the dates that group looks at.

b batch · t acquisitions · s places · d width · h heads (channel groups) · k key width · g = d / h
Garnot & Landrieu 2020, arXiv:2007.00586.
"""

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Bool, Float

from rsfm.errors import UserError
from rsfm.models.temporal.places import TemporalConfig, by_date, pooled
from rsfm.nn.linear import Linear
from rsfm.nn.mlp import MLP
from rsfm.nn.norm import RMSNorm
from rsfm.types import Tokens

DAYS_PER_YEAR = 365.2425
HARMONICS = 12  # of the year: the shortest has a period of a month
SLOW_YEARS = (3.0, 10.0, 30.0)  # periods that tell years apart


class LightweightTime(nnx.Module):
    """concat_h softmax_t(q_h K_h(e_t)) e_t[group h], then an MLP: cost grows linearly with the dates.

    The paper adds sines of the days since a fixed start. Here they are harmonics of the year, so that a season looks
    alike in every year and place of the series, and slow waves for the date itself.
    """

    def __init__(self, config: TemporalConfig, width: int, *, rngs: nnx.Rngs):
        heads, keys = config.heads, config.key_width
        if width % heads:
            raise UserError(f"temporal encoder ltae: {heads} heads do not divide a width of {width}. Change `heads`.")
        self.heads = heads
        self.norm = RMSNorm(width)
        self.date = Linear(2 * (HARMONICS + len(SLOW_YEARS)), width, axes=(None, "embed"), scale=0.5, rngs=rngs)
        self.key = Linear(width, heads * keys, axes=("embed", None), bias=True, rngs=rngs)
        self.query = nnx.Param(jax.random.normal(rngs.params(), (heads, keys)), out_sharding=(None, None))
        self.mlp_norm = RMSNorm(width)
        self.mlp = MLP(width, 2 * width, gated=False, activation="gelu_tanh", rngs=rngs)

    def __call__(self, tokens: Tokens) -> Tokens:
        x, mask, position = by_date(tokens)
        x = self.norm(x) + self.date(date_waves(position[..., 0])).astype(x.dtype)
        weight = self.attention(x, mask).astype(x.dtype)
        groups = rearrange(x, "b t s (h g) -> b t s h g", h=self.heads)
        picked = rearrange(jnp.einsum("btsh,btshg->bshg", weight, groups), "b s h g -> b s (h g)")
        return pooled(picked + self.mlp(self.mlp_norm(picked)), mask, position, tokens)

    def attention(self, x: Float[Array, "b t s d"], mask: Bool[Array, "b t s"]) -> Float[Array, "b t s h"]:
        """How much each group looks at each date, float32; zero at masked dates."""
        keys = rearrange(self.key(x), "b t s (h k) -> b t s h k", h=self.heads).astype(jnp.float32)
        score = jnp.einsum("btshk,hk->btsh", keys, self.query[...]) / np.sqrt(keys.shape[-1])
        score = jnp.where(mask[..., None], score, -1e9)
        return jnp.where(mask[..., None], jax.nn.softmax(score, axis=1), 0.0)


def date_waves(day: Float[Array, "*n"]) -> Float[Array, "*n f"]:
    """Sine and cosine of the day's place in the year, down to a month, and of the date in slow waves; zeros without a date."""
    years = np.concatenate([1 / np.arange(1, HARMONICS + 1), SLOW_YEARS]).astype(np.float32)
    turn = day[..., None].astype(jnp.float32) * (2 * np.pi / (DAYS_PER_YEAR * years))
    return jnp.nan_to_num(jnp.concatenate([jnp.sin(turn), jnp.cos(turn)], axis=-1))
