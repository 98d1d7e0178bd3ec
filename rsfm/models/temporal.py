"""How the dates of one stream meet, under one interface: `encoder(tokens) -> tokens`.

b batch · t acquisitions · s places (rows x columns) · n = t s tokens · d width
"""

import dataclasses
from typing import Any

import jax.numpy as jnp
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Bool, Float

from rsfm.nn.rope import ground_angles
from rsfm.nn.transformer import Transformer, TransformerConfig
from rsfm.types import Tokens


@dataclasses.dataclass(frozen=True, kw_only=True)
class TemporalConfig:
    """Attributes:
    kind: a key of TEMPORAL_ENCODERS.
    depth: layers of attention over dates ("factorised" only).
    """

    kind: str = "joint"
    depth: int = 1
    heads: int = 6


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
        x, mask, position = _by_date(tokens)
        return _pool(x, mask, position, tokens)


class FactorisedTime(nnx.Module):
    """Attention over the dates of each place, with the true days in the rotary position, then their mean."""

    def __init__(self, config: TemporalConfig, width: int, *, rngs: nnx.Rngs):
        shape = TransformerConfig(width=width, depth=config.depth, heads=config.heads, mlp_width=2 * width)
        self.transformer = Transformer(shape, rngs=rngs)

    def __call__(self, tokens: Tokens) -> Tokens:
        x, mask, position = _by_date(tokens)
        places = x.shape[2]
        rows, row_mask = rearrange(x, "b t s d -> (b s) t d"), rearrange(mask, "b t s -> (b s) t")
        angle = ground_angles(rearrange(position, "b t s m -> (b s) t m"), self.transformer.blocks.attention.head_dim)
        rows, _, _ = self.transformer(rows, row_mask[:, None], valid=row_mask, angle=angle)
        return _pool(rearrange(rows, "(b s) t d -> b t s d", s=places), mask, position, tokens)


def _by_date(tokens: Tokens) -> tuple[Float[Array, "b t s d"], Bool[Array, "b t s"], Float[Array, "b t s 3"]]:
    assert tokens.grid is not None
    t = tokens.grid[0]
    split = "b (t s) ... -> b t s ..."
    return (
        rearrange(tokens.embeddings, split, t=t),
        rearrange(tokens.mask, split, t=t),
        rearrange(tokens.position, split, t=t),
    )


def _pool(
    x: Float[Array, "b t s d"], mask: Bool[Array, "b t s"], position: Float[Array, "b t s 3"], tokens: Tokens
) -> Tokens:
    assert tokens.grid is not None
    weight = mask[..., None].astype(x.dtype)
    count = jnp.maximum(weight.sum(1), 1.0)
    return Tokens(
        embeddings=(x * weight).sum(1) / count,
        mask=mask.any(1),
        position=(position * weight).sum(1) / count,
        grid=(1, *tokens.grid[1:]),
    )


TEMPORAL_ENCODERS: dict[str, Any] = {"joint": JointTime, "mean": MeanTime, "factorised": FactorisedTime}
