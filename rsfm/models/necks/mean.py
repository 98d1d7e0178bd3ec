"""The neck that takes the mean over dates and streams, token by token and pixel by pixel.

b batch · r rows · q columns of tokens · h w pixels · c token width · k pixel width
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from rsfm.nn.linear import Linear
from rsfm.nn.masked_conv import MaskedConv, neighbour_share
from rsfm.nn.norm import RMSNorm
from rsfm.nn.resample import enlarged
from rsfm.types import Observation, Pixels, Tokens


class MeanNeck(nnx.Module):
    """Coarse features of the tokens plus fine ones of the pixels, through two convolutions over valid pixels."""

    def __init__(self, config: Any, token_width: int, *, rngs: nnx.Rngs):
        self.from_token = Linear(token_width, config.width, rngs=rngs)
        self.enter = MaskedConv(config.width, config.hidden, rngs=rngs)
        self.leave = MaskedConv(config.hidden, config.width, rngs=rngs)
        self.norm = RMSNorm(config.width)

    def __call__(
        self,
        tokens: Mapping[str, Tokens],
        observations: Mapping[str, Observation],
        pixels: Callable[[str, Observation], Float[Array, "b h w k"]],
    ) -> Pixels:
        """Features of the pixels of one window.

        Args:
            tokens: of the streams that have pixels, with a grid that spans the same footprint.
            observations: of the same streams.
            pixels: a stream's features of single pixels, see the tokenizers.
        """
        size = max(observation.values.shape[-3:-1] for observation in observations.values())
        fine, valid = _fine(observations, pixels, size)
        grids: dict[tuple[int, ...], list[Tokens]] = {}
        for part in tokens.values():
            assert part.grid is not None, "a neck needs tokens on a grid"
            grids.setdefault(part.grid[1:], []).append(part)
        means = [mean_grid(parts) for parts in grids.values()]
        return self.joined(means, fine.astype(means[0].embeddings.dtype), valid)

    def joined(self, means: Sequence[Tokens], fine: Float[Array, "b h w k"], valid: Bool[Array, "b h w"]) -> Pixels:
        """The features, normalized: else logits would grow with a pixel's brightness, and training run away.

        Args:
            means: tokens of one date, a grid each for streams with tokens of one size.
            fine: features of the pixels.
            valid: where there are any.
        """
        there, neighbours = valid[..., None], neighbour_share(valid).astype(fine.dtype)
        coarse = [self.enlarged(tokens, (fine.shape[1], fine.shape[2])) for tokens in means]
        known = jnp.maximum(sum(share > 0 for _, share in coarse), 1)
        mean = sum(jnp.where(share > 0, features, 0) for features, share in coarse) / known
        x = jnp.where(there, fine + mean.astype(fine.dtype), 0)
        y = jnp.where(there, jax.nn.gelu(self.enter(x, neighbours)), 0)
        return Pixels(features=self.norm(x + self.leave(y, neighbours)), valid=valid)

    def enlarged(
        self, tokens: Tokens, size: tuple[int, int]
    ) -> tuple[Float[Array, "b h w k"], Float[Array, "b h w 1"]]:
        """Bilinear to pixels among the valid places, and the share of a pixel's places that are valid."""
        assert tokens.grid is not None, "a neck needs tokens on a grid"
        _, rows, columns = tokens.grid
        grid = tokens.mask.shape[0], rows, columns
        weight = tokens.mask.reshape(*grid, 1).astype(tokens.embeddings.dtype)
        x = jnp.where(tokens.mask[..., None], tokens.embeddings, 0)
        mean = self.from_token(x.reshape(*grid, -1))
        total, share = (enlarged(part, size) for part in (mean * weight, weight))
        return total / jnp.maximum(share, 1e-6), share


def _fine(
    observations: Mapping[str, Observation], pixels: Callable[[str, Observation], Array], size: tuple[int, int]
) -> tuple[Float[Array, "b h w k"], Bool[Array, "b h w"]]:
    """Sum over the streams of the features of their pixels at one size, and where any of them has data at any date."""
    features, valid = [], []
    for name, observation in observations.items():
        seen = (observation.valid & observation.band_valid.any(-1)[..., None, None]).any(1)
        x = pixels(name, observation) * seen[..., None]
        if seen.shape[1:] != size:
            weight = enlarged(seen[..., None].astype(x.dtype), size)
            x, seen = enlarged(x, size) / jnp.maximum(weight, 1e-6), weight[..., 0] > 0.5
            x = x * seen[..., None]
        features.append(x)
        valid.append(seen)
    return sum(features[1:], features[0]), jnp.stack(valid).any(0)


def mean_grid(parts: list[Tokens]) -> Tokens:
    """Mean over the valid tokens of all streams, dates and groups of each place: one (1, rows, columns) grid."""
    grids = {part.grid[1:] if part.grid else None for part in parts}
    assert len(grids) == 1 and None not in grids, f"streams of one mask must share rows and columns, got {grids}"
    rows, columns = grids.pop() or (0, 0)
    total, count = jnp.zeros(()), jnp.zeros(())
    for part in parts:
        x = jnp.where(part.mask[..., None], part.embeddings, 0)
        x = x.reshape(part.mask.shape[0], -1, rows * columns, part.embeddings.shape[-1])
        weight = part.mask.reshape(*x.shape[:3], 1).astype(x.dtype)
        total, count = total + x.sum(1), count + weight.sum(1)
    places = parts[0].position[:, : rows * columns]
    return Tokens(
        embeddings=total / jnp.maximum(count, 1.0), mask=count[..., 0] > 0, position=places, grid=(1, rows, columns)
    )
