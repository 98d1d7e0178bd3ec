"""The dates of each place side by side, what all temporal encoders share; and the two that learn nothing of time.

b batch · t acquisitions · s places (rows x columns) · n = t s tokens · d width
"""

import dataclasses

import jax.numpy as jnp
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Bool, Float

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
    """One token a place, at the mean of its valid positions; masked where the place has no valid date."""
    assert tokens.grid is not None
    grid = (1, *tokens.grid[1:])
    return Tokens(embeddings=x, mask=mask.any(1), position=mean_over_dates(position, mask), grid=grid)
