"""A number with its distribution at each <value> token: the token's hidden state mixed with pooled visual tokens.

b batch · v values · n tokens · k pooled tokens · d text width · c token width · x mixer width · o outputs
Hybrid hidden and visual tokens as in REO-VLM (arXiv:2412.16583); mixer: Tolstikhin et al. 2021, arXiv:2105.01601;
mixture density: Bishop 1994 (NCRG/94/004); quantiles: Koenker & Bassett 1978; all in standard deviations of the quantity.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.scipy.special import ndtri
from jaxtyping import Array, Float

from rsfm.errors import lookup
from rsfm.nn.distributions import Distribution, Mixture, Normal, from_bins, from_quantiles
from rsfm.nn.linear import Linear
from rsfm.nn.mlp import MLP
from rsfm.nn.norm import RMSNorm
from rsfm.types import Tokens

LEVELS = (0.01, 0.05, *(round(0.1 + 0.05 * i, 2) for i in range(17)), 0.95, 0.99)
ONE = math.log(math.e - 1)  # softplus(ONE) = 1: the spread of standardized values


@dataclasses.dataclass(frozen=True, kw_only=True)
class ValueConfig:
    """Attributes:
    kind: a key of VALUE_HEADS: what stands for the number.
    pooled: visual tokens the mixer sees beside the hidden state.
    width: of the mixer.
    hidden: of its channel MLPs.
    depth: mixer blocks.
    min_scale: floor of the predicted spread, in standard deviations of the training values.
    components: of "mixture".
    levels: of "quantiles", rising, 0.05, 0.5 and 0.95 among them.
    bins: of "bins", finest at the middle of the training values.
    reach: where the outer bins end, in standard deviations.
    """

    kind: str = "mixer"
    pooled: int = 8
    width: int = 96
    hidden: int = 192
    depth: int = 2
    min_scale: float = 1e-3
    components: int = 4
    levels: tuple[float, ...] = LEVELS
    bins: int = 48
    reach: float = 8.0


class ValueHead(nnx.Module):
    """`head(spans, tokens) -> outputs`: mean and standard deviation, at birth near 0 and 1. Other kinds inherit the mixer."""

    config_type = ValueConfig

    def __init__(self, config: ValueConfig, width: int, token_width: int, *, rngs: nnx.Rngs):
        self.config = config
        self.from_span = Linear(width, config.width, rngs=rngs)
        self.from_token = Linear(token_width, config.width, rngs=rngs)
        self.pool = Linear(token_width, config.pooled, axes=("embed", None), rngs=rngs)  # one learned query a column
        self.blocks = nnx.List([MixerBlock(config, rngs=rngs) for _ in range(config.depth)])
        self.norm = RMSNorm(config.width)
        self.out = Linear(config.width, self.outputs(config), axes=("embed", None), bias=True, scale=0.1, rngs=rngs)

    def __call__(self, spans: Float[Array, "b v d"], tokens: Tokens) -> dict[str, Array]:
        """What `distribution` reads, float32: "value_mean" (b v) and what the kind adds."""
        return self.read(self.mixed(spans, tokens))

    def mixed(self, spans: Float[Array, "b v d"], tokens: Tokens) -> Float[Array, "b v o"]:
        """The raw outputs, float32."""
        seen = self.from_token(self._pooled(tokens).astype(spans.dtype))
        seen = jnp.broadcast_to(seen[:, None], (*spans.shape[:2], *seen.shape[1:]))
        x = jnp.concatenate([self.from_span(spans)[:, :, None], seen], axis=2)  # b v (1 + k) x
        for block in self.blocks:
            x = block(x)
        return self.out(self.norm(x[:, :, 0])).astype(jnp.float32)

    @staticmethod
    def outputs(config: ValueConfig) -> int:
        """How many raw outputs the kind has."""
        return 2

    def read(self, raw: Float[Array, "b v o"]) -> dict[str, Array]:
        """Raw outputs -> what `distribution` reads."""
        mean, spread = jnp.moveaxis(raw, -1, 0)
        return {"value_mean": mean, "value_scale": jax.nn.softplus(spread + ONE) + self.config.min_scale}

    def _pooled(self, tokens: Tokens) -> Float[Array, "b k c"]:
        """k weighted means of the valid tokens; zeros where there is none."""
        x = jnp.where(tokens.mask[..., None], tokens.embeddings, 0)
        scores = jnp.where(tokens.mask[..., None], self.pool(x).astype(jnp.float32), -1e9)
        weight = jnp.where(tokens.mask[..., None], jax.nn.softmax(scores, axis=1), 0)
        return jnp.einsum("bnk,bnc->bkc", weight.astype(x.dtype), x)


class MixtureHead(ValueHead):
    """Several normals: for a number that may be one of two things."""

    @staticmethod
    def outputs(config: ValueConfig) -> int:
        return 3 * config.components

    def read(self, raw: Float[Array, "b v o"]) -> dict[str, Array]:
        weight, center, width = jnp.split(raw, 3, axis=-1)
        # Apart at birth: equal parts would get equal gradients for good.
        center = center + jnp.linspace(-1.0, 1.0, self.config.components)
        width = jax.nn.softplus(width + ONE) + self.config.min_scale
        parts = {"value_weight": jax.nn.softmax(weight), "value_center": center, "value_width": width}
        return parts | {"value_mean": distribution(parts).mean()}


class QuantileHead(ValueHead):
    """The quantiles at fixed levels; rising by construction, so that none cross."""

    @staticmethod
    def outputs(config: ValueConfig) -> int:
        return len(config.levels)

    def read(self, raw: Float[Array, "b v o"]) -> dict[str, Array]:
        levels = jnp.asarray(self.config.levels, jnp.float32)
        gaps = jnp.diff(ndtri(levels))  # at birth those of a standard normal
        values = raw[..., :1] + ndtri(levels[0])
        rises = jnp.cumsum(jax.nn.softplus(raw[..., 1:] + jnp.log(jnp.expm1(gaps))), axis=-1)
        values = jnp.concatenate([values, values + rises], axis=-1)
        parts = {"value_levels": jnp.broadcast_to(levels, values.shape), "value_quantiles": values}
        return parts | {"value_mean": distribution(parts).mean()}


class BinHead(ValueHead):
    """A class for each of many bins: any shape of distribution, no notion of near and far."""

    @staticmethod
    def outputs(config: ValueConfig) -> int:
        return config.bins

    def read(self, raw: Float[Array, "b v o"]) -> dict[str, Array]:
        at = jnp.linspace(-3.0, 3.0, self.config.bins + 1)
        edges = self.config.reach * jnp.sinh(at) / math.sinh(3.0)
        edges = jnp.broadcast_to(edges, (*raw.shape[:-1], edges.shape[0]))
        parts = {"value_edges": edges, "value_probability": jax.nn.softmax(raw)}
        return parts | {"value_mean": distribution(parts).mean()}


class PlainHead(nnx.Module):
    """One number off the hidden state, as most language models do it: no visual tokens, no spread of its own."""

    config_type = ValueConfig

    def __init__(self, config: ValueConfig, width: int, token_width: int, *, rngs: nnx.Rngs):
        self.norm = RMSNorm(width)
        self.out = Linear(width, 1, axes=("embed", None), bias=True, scale=0.1, rngs=rngs)

    def __call__(self, spans: Float[Array, "b v d"], tokens: Tokens) -> dict[str, Array]:
        """ "value_mean" alone."""
        return {"value_mean": self.out(self.norm(spans))[..., 0].astype(jnp.float32)}


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


VALUE_HEADS: dict[str, type[ValueHead] | type[PlainHead]] = {
    "mixer": ValueHead,
    "mixture": MixtureHead,
    "quantiles": QuantileHead,
    "bins": BinHead,
    "plain": PlainHead,
}


def make_value_head(config: ValueConfig, width: int, token_width: int, *, rngs: nnx.Rngs) -> ValueHead | PlainHead:
    """The head of the config's kind; UserError where there is none of that name."""
    return lookup(VALUE_HEADS, "value head", config.kind)(config, width, token_width, rngs=rngs)


def value_band(
    edges: tuple[float, ...], probability: Float[np.ndarray, "m h w"], *, stretch: float = 1.0
) -> Float[np.ndarray, "h w 3"]:
    """Mean and 90 % interval of each pixel from the probabilities of m classes between rising edges, in their unit.

    Args:
        edges: m + 1.
        probability: of the classes; what a pixel gives to none of them is shared out. NaN comes of no probability at all.
        stretch: factor on the interval's arms, from calibration.
    """
    mean, low, middle, high = np.moveaxis(value_quantiles(edges, probability), -1, 0)
    return np.stack([mean, middle - stretch * (middle - low), middle + stretch * (high - middle)], axis=-1)


def value_quantiles(edges: tuple[float, ...], probability: Float[np.ndarray, "m h w"]) -> Float[np.ndarray, "h w 4"]:
    """Mean and 5, 50 and 95 % quantiles of each pixel; see `value_band`."""
    total = probability.sum(0)
    share = np.moveaxis(probability / np.where(total > 1e-3, total, np.nan), 0, -1)
    ends = np.broadcast_to(np.asarray(edges, np.float32), (*share.shape[:-1], len(edges)))
    predicted = from_bins(jnp.asarray(ends), jnp.asarray(share))
    levels = [predicted.quantile(level) for level in (0.05, 0.5, 0.95)]
    return np.stack([np.asarray(part) for part in (predicted.mean(), *levels)], axis=-1)


def distribution(outputs: Mapping[str, Any]) -> Distribution:
    """The distribution a value head's outputs stand for, in standard deviations of the quantity.

    A head that gives a number alone is read as a normal of scale one, which calibration then stretches to size.
    """
    outputs = {name: jnp.asarray(x) for name, x in outputs.items() if name.startswith("value_")}
    if "value_weight" in outputs:
        return Mixture(weight=outputs["value_weight"], center=outputs["value_center"], width=outputs["value_width"])
    if "value_quantiles" in outputs:
        return from_quantiles(outputs["value_levels"], outputs["value_quantiles"])
    if "value_probability" in outputs:
        return from_bins(outputs["value_edges"], outputs["value_probability"])
    mean = outputs["value_mean"]
    return Normal(center=mean, width=outputs.get("value_scale", jnp.ones_like(mean)))
