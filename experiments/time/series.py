"""Small models of single-pixel series, made of the foundation model's parts: a class of a series, a value at a later date.

b batch · t acquisitions · q targets · n tokens · d width · m classes
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Bool, Float

from rsfm.errors import lookup
from rsfm.models.encoder import Encoder
from rsfm.models.temporal import TEMPORAL_ENCODERS, TemporalConfig
from rsfm.nn.linear import Linear
from rsfm.nn.mlp import MLP
from rsfm.nn.norm import RMSNorm
from rsfm.nn.transformer import TransformerConfig
from rsfm.tokenizers.coded import CodedConfig, CodedTokenizer
from rsfm.tokenizers.positions import DAYS_PER_YEAR
from rsfm.types import Observation


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeriesConfig:
    """Attributes:
    width: of tokens.
    hidden: features a band's value is spread over.
    depth, heads: of the encoder's attention.
    temporal: how the dates meet before the encoder (classes only).
    classes: outputs of the classifier.
    dropout: of the pooled features in training.
    """

    width: int = 48
    hidden: int = 64
    depth: int = 1
    heads: int = 4
    temporal: TemporalConfig = dataclasses.field(default_factory=lambda: TemporalConfig(heads=4))
    classes: int = 2
    dropout: float = 0.0

    @property
    def transformer(self) -> TransformerConfig:
        """The blocks over tokens."""
        return TransformerConfig(width=self.width, depth=self.depth, heads=self.heads, mlp_width=2 * self.width)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ForecastConfig:
    """Attributes:
    season_days: width of the climatology's kernel at birth.
    hidden: of the scoring network.
    """

    season_days: float = 40.0
    hidden: int = 16


class SeriesClassifier(nnx.Module):
    """tokenizer -> temporal encoder -> encoder -> mean of the valid tokens -> logits: the foundation model's way of a pixel
    with a linear head in place of language."""

    def __init__(self, config: SeriesConfig, *, rngs: nnx.Rngs):
        width, temporal = config.width, config.temporal
        self.tokenizer = CodedTokenizer(CodedConfig(hidden=config.hidden), width, rngs=rngs)
        self.temporal = lookup(TEMPORAL_ENCODERS, "temporal encoder", temporal.kind)(temporal, width, rngs=rngs)
        self.encoder = Encoder(config.transformer, budget=0, rngs=rngs)
        self.norm = RMSNorm(width)
        self.head = Linear(width, config.classes, axes=("embed", None), bias=True, rngs=rngs)
        self.dropout = config.dropout

    def __call__(self, observation: Observation, key: Array | None = None) -> Float[Array, "b m"]:
        """Logits; `key` drops features out, in training."""
        tokens, _ = self.encoder(self.temporal(self.tokenizer(observation)))
        weight = tokens.mask[..., None].astype(tokens.embeddings.dtype)
        x = self.norm((tokens.embeddings * weight).sum(1) / jnp.maximum(weight.sum(1), 1.0))
        if key is not None and self.dropout:
            x = jnp.where(jax.random.bernoulli(key, 1 - self.dropout, x.shape), x / (1 - self.dropout), 0.0)
        return self.head(x)


class SeriesForecaster(nnx.Module):
    """A later date's value of a one-band series: the climatology of the past, plus attention over its departures from it.

    climatology(day) is the mean of the values of other years (over half a year away), weighted by nearness in the year.
    The departure of a past date is its value less the climatology of its day. forecast = climatology(target) + sum_n a_n
    departure_n, where a = softmax over the past dates and "none of them", scored from the lag, the departure and how many
    dates came since. Persistence of the departure, its decay and mistrust of outliers (snow, thin cloud) are weightings it
    can learn; so is forgetting it all.
    """

    def __init__(self, config: ForecastConfig, *, rngs: nnx.Rngs):
        self.log_season = nnx.Param(jnp.asarray(math.log(config.season_days)), out_sharding=())
        self.score = MLP(9, config.hidden, out=2, gated=False, activation="gelu_tanh", bias=True, rngs=rngs)
        self.none = nnx.Param(jnp.asarray(2.0), out_sharding=())
        self.scale = MLP(3, config.hidden, out=1, gated=False, activation="gelu_tanh", bias=True, rngs=rngs)

    def __call__(
        self, observation: Observation, target_days: Float[Array, "b q"]
    ) -> tuple[Float[Array, "b q"], Float[Array, "b q"]]:
        """Median and scale at each target day, in the unit of the values; what is not valid is not looked at.

        Args:
            observation: one pixel and band; its valid dates are the past.
            target_days: days since 2000, later than the last valid date.
        """
        seen = rearrange(observation.valid, "b t 1 1 -> b t") & rearrange(observation.band_valid, "b t 1 -> b t")
        values = jnp.where(seen, rearrange(observation.values, "b t 1 1 1 -> b t"), 0.0)
        day = jnp.where(seen, observation.time_days, 0.0)
        base, _ = self.climatology(target_days, day, values, seen)
        usual, known = self.climatology(day, day, values, seen)
        departure = jnp.where(seen & known, values - usual, 0.0)
        lag = target_days[:, :, None] - day[:, None]
        since = jnp.sum(seen[:, None] & (day[:, None] > day[:, :, None]), axis=-1).astype(day.dtype)
        about = jnp.stack([departure, jnp.abs(departure), jnp.exp(-since)], axis=-1)
        about = jnp.broadcast_to(about[:, None], (*lag.shape, 3))
        score, gain = jnp.moveaxis(self.score(jnp.concatenate([lag_features(lag), about], axis=-1)), -1, 0)
        none = jnp.broadcast_to(self.none[...], (*lag.shape[:2], 1))
        score = jnp.concatenate([jnp.where(seen[:, None], score - jnp.log1p(since)[:, None], -1e9), none], axis=-1)
        weight = jax.nn.softmax(score, axis=-1)[..., :-1]
        shift = jnp.einsum("bqn,bqn,bn->bq", weight, jax.nn.sigmoid(gain), departure)
        usual_size = jnp.sqrt(jnp.mean(jnp.square(departure), axis=1, where=seen) + 1e-4)[:, None]
        hints = [
            jnp.log1p(jnp.min(jnp.where(seen[:, None], lag, 1e4), axis=-1)) / 3,
            shift,
            jnp.zeros_like(shift) + usual_size,
        ]
        raw = self.scale(jnp.stack(hints, axis=-1))[..., 0]
        return base + shift, usual_size * jax.nn.softplus(raw + 0.5) + MIN_SCALE

    def climatology(
        self,
        asked: Float[Array, "b q"],
        day: Float[Array, "b t"],
        values: Float[Array, "b t"],
        seen: Bool[Array, "b t"],
    ) -> tuple[Float[Array, "b q"], Bool[Array, "b q"]]:
        """Mean of the values of other years, and whether there are any; without, the mean of all other dates."""
        away = jnp.abs(asked[:, :, None] - day[:, None])
        other = seen[:, None] & (away > DAYS_PER_YEAR / 2)
        known = other.any(-1)
        mask = jnp.where(known[..., None], other, seen[:, None] & (away > 0))
        score = -0.5 * jnp.square(days_apart_in_year(away) / jnp.exp(self.log_season[...]))
        return jnp.einsum("bqt,bt->bq", _masked_softmax(score, mask), values), known


MIN_SCALE = 0.02


def days_apart_in_year(lag_days: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """How far two dates are from each other in the year, 0 to half a year."""
    return jnp.abs((lag_days + DAYS_PER_YEAR / 2) % DAYS_PER_YEAR - DAYS_PER_YEAR / 2)


def lag_features(lag_days: Float[Array, "*n"]) -> Float[Array, "*n 6"]:
    """What a time lag says by itself: its logarithm, its share of ten years, and its place in the year."""
    turn = lag_days[..., None] * (2 * np.pi / DAYS_PER_YEAR * np.arange(1, 3, dtype=np.float32))
    size = jnp.stack([jnp.log1p(jnp.abs(lag_days)) / 3, lag_days / (10 * DAYS_PER_YEAR)], axis=-1)
    return jnp.concatenate([jnp.sin(turn), jnp.cos(turn), size], axis=-1)


def _masked_softmax(score: Float[Array, "b q n"], mask: Bool[Array, "b q n"]) -> Float[Array, "b q n"]:
    score = jnp.where(mask, score.astype(jnp.float32), -1e9)
    return jnp.where(mask, jax.nn.softmax(score, axis=-1), 0.0)
