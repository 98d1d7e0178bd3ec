"""The dates of each place side by side, what all temporal encoders share; and the two that learn nothing of time.

b batch · t acquisitions · s places (rows x columns) · n = t s tokens · d width
"""

import dataclasses

import jax.numpy as jnp
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Bool, Float

from rsfm.nn.rope import days_since_first
from rsfm.types import Tokens


@dataclasses.dataclass(frozen=True, kw_only=True)
class TemporalConfig:
    """Attributes:
    kind: a key of TEMPORAL_ENCODERS.
    depth: layers over dates ("factorised" and "state_space").
    heads: of attention; groups of channels in "ltae".
    key_width: width of a head's keys ("ltae").
    states: decaying averages a layer keeps in each direction ("state_space").
    """

    kind: str = "joint"
    depth: int = 1
    heads: int = 6
    key_width: int = 8
    states: int = 32


class JointTime(nnx.Module):
    """All dates go on together; the main encoder attends over space and time at once."""

    def __init__(self, config: TemporalConfig, width: int, *, rngs: nnx.Rngs):
        pass

    def __call__(self, tokens: Tokens) -> Tokens:
        return tokens


class MeanTime(nnx.Module):
    """The mean over the valid dates of each place: the baseline without order."""

    def __init__(self, config: TemporalConfig, width: int, *, rngs: nnx.Rngs):
        pass

    def __call__(self, tokens: Tokens) -> Tokens:
        x, mask, position = by_date(tokens)
        return pooled(mean_over_dates(x, mask), mask, position, tokens)


def by_date(tokens: Tokens) -> tuple[Float[Array, "b t s d"], Bool[Array, "b t s"], Float[Array, "b t s 3"]]:
    """Embeddings, mask and position with the dates on an axis of their own."""
    assert tokens.grid is not None
    t = tokens.grid[0]
    split = "b (t s) ... -> b t s ..."
    return (
        rearrange(tokens.embeddings, split, t=t),
        rearrange(tokens.mask, split, t=t),
        rearrange(tokens.position, split, t=t),
    )


def mean_over_dates(x: Float[Array, "b t s d"], mask: Bool[Array, "b t s"]) -> Float[Array, "b s d"]:
    """Mean over the valid dates of each place; zeros where there is none."""
    weight = mask[..., None].astype(x.dtype)
    return (x * weight).sum(1) / jnp.maximum(weight.sum(1), 1.0)


def pooled(
    x: Float[Array, "b s d"], mask: Bool[Array, "b t s"], position: Float[Array, "b t s 3"], tokens: Tokens
) -> Tokens:
    """One token a place, at the mean of its valid positions, undated where none has a date; masked where no acquisition is valid."""
    assert tokens.grid is not None
    grid = (1, *tokens.grid[1:])
    dated = mask & jnp.isfinite(position[..., 0])
    day = mean_over_dates(jnp.where(dated[..., None], position[..., :1], 0.0), dated)
    day = jnp.where(dated.any(1)[..., None], day, jnp.nan)
    metres = mean_over_dates(position[..., 1:], mask)
    return Tokens(embeddings=x, mask=mask.any(1), position=jnp.concatenate([day, metres], axis=-1), grid=grid)


def ordered_days(day: Float[Array, "b t"], seen: Bool[Array, "b t"]) -> Float[Array, "b t"]:
    """Days since the first dated acquisition; one without a date counts as many days as it has acquisitions before it, so that
    undated pictures keep their order."""
    return jnp.where(jnp.isfinite(day), days_since_first(day, seen), jnp.arange(day.shape[1], dtype=day.dtype))
