"""What several streams and dates show of one window: mean tokens of each grid, and features of single pixels.

b batch · r rows · q columns of tokens · h w pixels · c token width · k pixel width
"""

from collections.abc import Callable, Mapping, Sequence

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from rsfm.nn.resample import bilinear
from rsfm.types import Observation, Pixels, Tokens

PixelFeatures = Callable[[str, Observation], Float[Array, "b h w k"]]


class MeanDates(nnx.Module):
    """A neck that takes the mean over dates first; its kinds say how the mean tokens and the pixels are joined."""

    def __call__(
        self,
        tokens: Mapping[str, Tokens],
        observations: Mapping[str, Observation],
        pixels: PixelFeatures,
    ) -> Pixels:
        """Features of the pixels of one window.

        Args:
            tokens: of the streams that have pixels, with a grid that spans the same footprint.
            observations: of the same streams.
            pixels: a stream's features of single pixels, see the tokenizers.
        """
        means, fine, valid = self.gathered(tokens, observations, pixels)
        return self.joined(means, fine.astype(means[0].embeddings.dtype), valid)

    def gathered(
        self, tokens: Mapping[str, Tokens], observations: Mapping[str, Observation], pixels: PixelFeatures
    ) -> tuple[list[Tokens], Float[Array, "b h w k"], Bool[Array, "b h w"]]:
        """What is joined, with streams and dates brought together: tokens, a grid each; features of pixels; where there are any."""
        return mean_grids(tokens), *fine_pixels(observations, pixels)

    def joined(self, means: list[Tokens], fine: Float[Array, "b h w k"], valid: Bool[Array, "b h w"]) -> Pixels:
        """One picture of features from tokens of one date, a grid each for streams with tokens of one size, and pixels."""
        raise NotImplementedError


def fine_pixels(
    observations: Mapping[str, Observation], pixels: PixelFeatures
) -> tuple[Float[Array, "b h w k"], Bool[Array, "b h w"]]:
    """Sum over the streams of the features of their pixels at the finest stream's size, and where any has data at any date.

    Args:
        observations: of streams that have pixels and span one footprint.
        pixels: a stream's features of single pixels, its dates joined, see the tokenizers.
    """
    return summed(
        [(pixels(name, each), acquired(each).any(1)) for name, each in observations.items()], finest(observations)
    )


def acquired(observation: Observation) -> Bool[Array, "b t h w"]:
    """Where each acquisition has data."""
    return observation.valid & observation.band_valid.any(-1)[..., None, None]


def finest(observations: Mapping[str, Observation]) -> tuple[int, int]:
    """Rows and columns of the finest stream."""
    size = max(observation.values.shape[-3:-1] for observation in observations.values())
    return size[0], size[1]


def summed(
    parts: Sequence[tuple[Float[Array, "b _ _ k"], Bool[Array, "b _ _"]]], size: tuple[int, int]
) -> tuple[Float[Array, "b h w k"], Bool[Array, "b h w"]]:
    """Sum of features of one footprint, each brought to one size, and where any of them is valid."""
    features, valid = zip(*(resized(*part, size) for part in parts), strict=True)
    return sum(features[1:], features[0]), jnp.stack(valid).any(0)


def resized(
    features: Float[Array, "b r q k"], seen: Bool[Array, "b r q"], size: tuple[int, int]
) -> tuple[Float[Array, "b h w k"], Bool[Array, "b h w"]]:
    """Bilinearly to a size among the places that are seen, 0 elsewhere."""
    x = features * seen[..., None]
    if seen.shape[1:] != size:
        weight = bilinear(seen[..., None].astype(x.dtype), size)
        x, seen = bilinear(x, size) / jnp.maximum(weight, 1e-6), weight[..., 0] > 0.5
        x = x * seen[..., None]
    return x, seen


def mean_grids(tokens: Mapping[str, Tokens]) -> list[Tokens]:
    """Tokens of one date for each size of grid among the streams, see `mean_grid`."""
    grids: dict[tuple[int, ...], list[Tokens]] = {}
    for part in tokens.values():
        assert part.grid is not None, "a neck needs tokens on a grid"
        grids.setdefault(part.grid[1:], []).append(part)
    return [mean_grid(parts) for parts in grids.values()]


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


def enlarged(
    means: list[Tokens], layer: Callable[[Float[Array, "b r q c"]], Float[Array, "b r q k"]], size: tuple[int, int]
) -> Float[Array, "b h w k"]:
    """Tokens through a layer and bilinearly to a size among their valid places; the mean over the grids that have any there.

    Args:
        means: tokens of one date, a grid each.
        layer: from the tokens' width to another.
        size: rows and columns of the result, which is 0 where no token is valid.
    """
    total, known = jnp.zeros(()), jnp.zeros(())
    for tokens in means:
        features, share = _spread(tokens, layer, size)
        total, known = total + jnp.where(share > 0, features, 0), known + (share > 0)
    return total / jnp.maximum(known, 1)


def _spread(
    tokens: Tokens, layer: Callable[[Float[Array, "b r q c"]], Float[Array, "b r q k"]], size: tuple[int, int]
) -> tuple[Float[Array, "b h w k"], Float[Array, "b h w 1"]]:
    """Features at a size, and the share of a pixel's places that are valid."""
    assert tokens.grid is not None, "a neck needs tokens on a grid"
    grid = tokens.mask.shape[0], *tokens.grid[1:]
    weight = tokens.mask.reshape(*grid, 1).astype(tokens.embeddings.dtype)
    x = jnp.where(tokens.mask[..., None], tokens.embeddings, 0)
    total, share = (bilinear(part, size) for part in (layer(x.reshape(*grid, -1)) * weight, weight))
    return total / jnp.maximum(share, 1e-6), share
