"""A number with its distribution at each <value> token: the token's hidden state mixed with pooled visual tokens.

b batch · v values · n tokens · k pooled tokens · d text width · c token width · x mixer width · o outputs
Hybrid hidden and visual tokens as in REO-VLM (arXiv:2412.16583); mixer: Tolstikhin et al. 2021, arXiv:2105.01601;
mixture density: Bishop 1994 (NCRG/94/004); quantiles: Koenker & Bassett 1978; all in standard deviations of the quantity.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.scipy.special import ndtri
from jaxtyping import Array, Float

from rsfm.errors import lookup
from rsfm.heads.base import Head
from rsfm.heads.spans import Fit, Part, Passage, Spans, Terms, Widths
from rsfm.heads.value import files
from rsfm.heads.value.losses import VALUE_LOSSES, own_loss
from rsfm.heads.value.numbers import distribution, number, standardized
from rsfm.nn.linear import Linear
from rsfm.nn.mlp import MLP
from rsfm.nn.norm import RMSNorm
from rsfm.quantities import digits
from rsfm.types import Answer, Memory, Record, Tokens, Value

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
    loss: a key of VALUE_LOSSES; "" = each kind its own: "gaussian" of mean and deviation, "nll" of mixture and bins,
        "pinball" of quantiles, "huber" of a number alone.
    beta: of the beta-NLL of "gaussian", see rsfm.nn.losses.masked.gaussian_nll.
    huber_delta: where the error of a value, in standard deviations, begins to count linearly.
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
    loss: str = ""
    beta: float = 0.5
    huber_delta: float = 1.0


class ValueHead(Head):
    """A mean and a standard deviation, at birth near 0 and 1. Other kinds inherit the mixer and read its raw outputs their way."""

    config_type = ValueConfig
    token, slots, span = "<value>", 4, Value
    slots_before = "max_values"

    def __init__(self, config: ValueConfig, widths: Widths, *, rngs: nnx.Rngs):
        self.config = config
        self.from_span = Linear(widths.text, config.width, rngs=rngs)
        self.from_token = Linear(widths.token, config.width, rngs=rngs)
        self.pool = Linear(widths.token, config.pooled, axes=("embed", None), rngs=rngs)  # one learned query a column
        self.blocks = nnx.List([MixerBlock(config, rngs=rngs) for _ in range(config.depth)])
        self.norm = RMSNorm(config.width)
        self.out = Linear(config.width, self.outputs(config), axes=("embed", None), bias=True, scale=0.1, rngs=rngs)

    @classmethod
    def make(cls, config: ValueConfig, widths: Widths, *, rngs: nnx.Rngs) -> "ValueHead":
        """The head of the config's kind; UserError where there is none of that name."""
        return lookup(VALUE_HEADS, "value head", config.kind)(config, widths, rngs=rngs)

    def __call__(self, spans: Spans, memory: Memory, neck: str) -> dict[str, Array]:
        """What `distribution` reads, float32: "mean" (b v) and what the kind adds."""
        return self.read(self.mixed(spans.hidden, memory.all_tokens()))

    def loss(self, outputs: Mapping[str, Array], targets: Mapping[str, Array]) -> Terms:
        """The loss of the numbers under `config.loss`, or under that of the kind's own outputs."""
        valid = jnp.asarray(targets["position"]) >= 0
        mean = lookup(VALUE_LOSSES, "value loss", self.config.loss or own_loss(outputs))(
            self.config, outputs, jnp.asarray(targets["value"]), valid
        )
        units = valid.sum(dtype=jnp.float32)
        return {"": (mean * units, units)}

    @classmethod
    def targets(cls, spans: Sequence[Value], record: Record, fit: Fit, slots: int) -> dict[str, np.ndarray]:
        """Standardized numbers."""
        return {"value": standardized(spans, fit, slots)}

    @classmethod
    def spelled(cls, span: Value) -> str:
        """The number with as many digits as its unit wants."""
        return digits(span.value, span.unit)

    @classmethod
    def answer(cls, outputs: Mapping[str, Any], passage: Passage) -> Part:
        """The number in its unit, with its interval where the quantity is known."""
        return number(outputs, passage)

    @classmethod
    def to_json(cls, answer: Answer) -> dict[str, Any]:
        """Each number with its interval and unit."""
        return files.value_json(answer)

    @classmethod
    def write(cls, answer: Answer, folder: Path, suffix: str) -> list[str]:
        """values.tif, where there is a number for each pixel."""
        return files.value_files(folder, answer, suffix)

    @classmethod
    def draw(cls, answer: Answer, ax: Any, *, alpha: float) -> None:
        """A map of numbers with a bar of its colours."""
        files.draw_values(ax, answer)

    @classmethod
    def layers(cls, answer: Answer) -> dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]]:
        """`values` of a map of numbers: value, low and high."""
        return files.value_layers(answer)

    @classmethod
    def coordinates(cls, answer: Answer) -> dict[str, list[str]]:
        """What the layers of `values` are."""
        return {} if answer.value_map is None else {"layer": list(files.LAYERS)}

    @classmethod
    def rows(cls, answer: Answer) -> list[tuple[str, str]]:
        """Each number with its interval."""
        return files.value_rows(answer)

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
        return {"mean": mean, "scale": jax.nn.softplus(spread + ONE) + self.config.min_scale}

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
        parts = {"weight": jax.nn.softmax(weight), "center": center, "width": width}
        return parts | {"mean": distribution(parts).mean()}


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
        parts = {"levels": jnp.broadcast_to(levels, values.shape), "quantiles": values}
        return parts | {"mean": distribution(parts).mean()}


class BinHead(ValueHead):
    """A class for each of many bins: any shape of distribution, no notion of near and far."""

    @staticmethod
    def outputs(config: ValueConfig) -> int:
        return config.bins

    def read(self, raw: Float[Array, "b v o"]) -> dict[str, Array]:
        at = jnp.linspace(-3.0, 3.0, self.config.bins + 1)
        edges = self.config.reach * jnp.sinh(at) / math.sinh(3.0)
        edges = jnp.broadcast_to(edges, (*raw.shape[:-1], edges.shape[0]))
        parts = {"edges": edges, "probability": jax.nn.softmax(raw)}
        return parts | {"mean": distribution(parts).mean()}


class PlainHead(ValueHead):
    """One number off the hidden state, as most language models do it: no visual tokens, no spread of its own."""

    def __init__(self, config: ValueConfig, widths: Widths, *, rngs: nnx.Rngs):
        self.config = config
        self.norm = RMSNorm(widths.text)
        self.out = Linear(widths.text, 1, axes=("embed", None), bias=True, scale=0.1, rngs=rngs)

    def __call__(self, spans: Spans, memory: Memory, neck: str) -> dict[str, Array]:
        """ "mean" alone."""
        return {"mean": self.out(self.norm(spans.hidden))[..., 0].astype(jnp.float32)}


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


VALUE_HEADS: dict[str, type[ValueHead]] = {
    "mixer": ValueHead,
    "mixture": MixtureHead,
    "quantiles": QuantileHead,
    "bins": BinHead,
    "plain": PlainHead,
}
