"""The neck of change: what differs between the dates of a window, in pixels and tokens, through the U-Net of several scales.

b batch · t acquisitions · h w pixels · r q tokens · n places · p pairs · k channels
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Bool, Float

from rsfm.errors import UserError, lookup
from rsfm.models.necks.gather import PixelFeatures, acquired, finest, mean_grids, resized, summed
from rsfm.models.necks.timeline import PAIRS, Timeline, together
from rsfm.models.necks.unet import UnetNeck
from rsfm.nn.linear import Linear
from rsfm.pytree import replace
from rsfm.types import Observation, Tokens, base_name

TINY = 1e-6  # the square of the length from which features have a direction


class AbsoluteDifference(nnx.Module):
    """|later - earlier|: zero between equals, and blind to which came first."""

    def __init__(self, width: int, *, rngs: nnx.Rngs):
        pass

    def __call__(self, earlier: Float[Array, "*n k"], later: Float[Array, "*n k"]) -> Float[Array, "*n k"]:
        return jnp.abs(later - earlier)


class ConcatDifference(nnx.Module):
    """A learned mixture of both, which knows which came first."""

    def __init__(self, width: int, *, rngs: nnx.Rngs):
        self.mix = Linear(2 * width, width, rngs=rngs)

    def __call__(self, earlier: Float[Array, "*n k"], later: Float[Array, "*n k"]) -> Float[Array, "*n k"]:
        return self.mix(jnp.concatenate([earlier, later], axis=-1))


class CosineDifference(nnx.Module):
    """The mean of both, weighted by 1 - their cosine similarity: what is there, as far as its kind differs.

    The idea of the differential features compensation of ChangeCLIP (Dong et al. 2024, ISPRS Journal 208).
    """

    def __init__(self, width: int, *, rngs: nnx.Rngs):
        pass

    def __call__(self, earlier: Float[Array, "*n k"], later: Float[Array, "*n k"]) -> Float[Array, "*n k"]:
        apart = jnp.square(_unit(later) - _unit(earlier)).sum(-1, keepdims=True) / 2  # 1 - cosine; 0 between equals
        return apart * (earlier + later) / 2


DIFFERENCES: dict[str, Any] = {"abs": AbsoluteDifference, "concat": ConcatDifference, "cosine": CosineDifference}


class DifferenceNeck(UnetNeck):
    """A U-Net over differences between dates, of the pixels and of the encoder's tokens.

    Acquisitions of one stream, "optical" and "optical/2" alike, are compared with each other. Where a sample has no two of
    them at any place, as one radar and one optical picture, the streams are compared with one another. A place that was
    seen once has no difference and is not valid.
    """

    def __init__(self, config: Any, token_width: int, *, rngs: nnx.Rngs):
        super().__init__(config, token_width, rngs=rngs)
        kind = lookup(DIFFERENCES, "difference of dates", config.difference)
        self.pairs = lookup(PAIRS, "pairs of dates", config.pairs)
        self.of_pixels, self.of_tokens = kind(config.width, rngs=rngs), kind(token_width, rngs=rngs)

    def gathered(
        self, tokens: Mapping[str, Tokens], observations: Mapping[str, Observation], pixels: PixelFeatures
    ) -> tuple[list[Tokens], Float[Array, "b h w k"], Bool[Array, "b h w"]]:
        """Differences of the tokens, a grid each for streams with tokens of one size, and of the pixels."""
        fine = {name: (pixel_line(each, pixels(name, apart(each))), _size(each)) for name, each in observations.items()}
        coarse = {name: (token_line(name, part, observations[name]), _grid(part)) for name, part in tokens.items()}
        groups = _streams(observations)
        pictures = [self._picture([fine[name] for name in names]) for names in groups]
        grids = [self._grid([coarse[name] for name in names], tokens[names[0]]) for names in groups]
        size = finest(observations)
        if len(groups) > 1:
            alone = ~jnp.stack([valid.any((1, 2)) for _, valid in pictures]).any(0)
            names = [name for group in groups for name in group]
            x, valid = self._picture([_at_size(*fine[name], size) for name in names])
            pictures.append((x, valid & alone[:, None, None]))
            first = max(names, key=lambda name: coarse[name][1])
            same = [coarse[name] for name in names if coarse[name][1] == coarse[first][1]]
            part = self._grid(same, tokens[first])
            grids.append(replace(part, mask=part.mask & alone[:, None]))
        return mean_grids({str(i): part for i, part in enumerate(grids)}), *summed(pictures, size)

    def _picture(
        self, lines: Sequence[tuple[Timeline, tuple[int, int]]]
    ) -> tuple[Float[Array, "b h w k"], Bool[Array, "b h w"]]:
        """The difference between acquisitions of one size, as a picture."""
        x, both = self._compared([line for line, _ in lines], self.of_pixels)
        height, width = lines[0][1]
        split: dict[str, Any] = {"h": height, "w": width}
        return rearrange(x, "b (h w) k -> b h w k", **split), rearrange(both, "b (h w) -> b h w", **split)

    def _grid(self, lines: Sequence[tuple[Timeline, tuple[int, int]]], like: Tokens) -> Tokens:
        """The difference between tokens of one grid, as tokens of one date in the places of `like`."""
        x, both = self._compared([line for line, _ in lines], self.of_tokens)
        return Tokens(embeddings=x, mask=both, position=like.position[:, : both.shape[1]], grid=(1, *lines[0][1]))

    def _compared(
        self, lines: Sequence[Timeline], difference: Callable[[Array, Array], Array]
    ) -> tuple[Float[Array, "b n k"], Bool[Array, "b n"]]:
        """Of each channel the difference that is largest among the pairs, 0 where there is none; and where there is one."""
        line = together(lines)
        if line.seen.shape[1] == 1:
            return jnp.zeros_like(line.features[:, 0]), jnp.zeros_like(line.seen[:, 0])
        pairs = self.pairs(line)
        x = jnp.where(pairs.both[..., None], difference(pairs.earlier, pairs.later), 0)
        largest = jnp.argmax(jnp.abs(x), axis=1, keepdims=True)
        return jnp.take_along_axis(x, largest, axis=1)[:, 0], pairs.both.any(1)


def apart(observation: Observation) -> Observation:
    """Each acquisition as an observation of its own, on the batch axis."""
    t = observation.values.shape[1]
    own = {name: getattr(observation, name) for name in ("values", "valid", "band_valid", "time_days")}
    shared = {name: getattr(observation, name) for name in ("wavelength_um", "bandwidth_um", "band_code", "gsd_m")}
    alone = {name: rearrange(leaf, "b t ... -> (b t) 1 ...") for name, leaf in own.items()}
    return Observation(**alone, **{name: jnp.repeat(leaf, t, axis=0) for name, leaf in shared.items()})


def pixel_line(observation: Observation, features: Float[Array, "_ h w k"]) -> Timeline:
    """The timeline of pixels, from features of each acquisition, see `apart`."""
    return Timeline(
        features=rearrange(features, "(b t) h w k -> b t (h w) k", t=observation.values.shape[1]),
        seen=rearrange(acquired(observation), "b t h w -> b t (h w)"),
        days=observation.time_days,
    )


def token_line(stream: str, tokens: Tokens, observation: Observation) -> Timeline:
    """The timeline of a stream's tokens, the mean over the valid groups of each date.

    Raises:
        UserError: the stream's temporal encoder leaves no dates apart.
    """
    t = observation.values.shape[1]
    if tokens.grid is None or tokens.grid[0] < t:
        raise UserError(
            f"A difference neck compares dates, and the temporal encoder of stream {base_name(stream)} joins its {t} into one. "
            "Choose one that keeps them apart, as temporal.kind = joint or factorised."
        )
    mask = rearrange(tokens.mask, "b (t g n) -> b t g n 1", t=t, g=tokens.grid[0] // t)
    x = rearrange(tokens.embeddings, "b (t g n) d -> b t g n d", t=t, g=tokens.grid[0] // t)
    count = mask.sum(2)
    mean = jnp.where(mask, x, 0).sum(2) / jnp.maximum(count, 1).astype(x.dtype)
    return Timeline(features=mean, seen=count[..., 0] > 0, days=observation.time_days)


def _at_size(line: Timeline, old: tuple[int, int], size: tuple[int, int]) -> tuple[Timeline, tuple[int, int]]:
    """A timeline of pixels brought to another number of rows and columns."""
    split: dict[str, Any] = {"h": old[0], "w": old[1]}
    features = rearrange(line.features, "b t (h w) k -> (b t) h w k", **split)
    x, seen = resized(features, rearrange(line.seen, "b t (h w) -> (b t) h w", **split), size)
    t = line.days.shape[1]
    made = Timeline(
        features=rearrange(x, "(b t) h w k -> b t (h w) k", t=t),
        seen=rearrange(seen, "(b t) h w -> b t (h w)", t=t),
        days=line.days,
    )
    return made, size


def _streams(observations: Mapping[str, Observation]) -> list[list[str]]:
    """Names of the observations, those of one stream together, in the order of their numbers: "optical", "optical/2"."""
    groups: dict[str, list[str]] = {}
    for name in sorted(observations, key=lambda name: (base_name(name), len(name), name)):
        groups.setdefault(base_name(name), []).append(name)
    return list(groups.values())


def _size(observation: Observation) -> tuple[int, int]:
    return observation.values.shape[-3], observation.values.shape[-2]


def _grid(tokens: Tokens) -> tuple[int, int]:
    assert tokens.grid is not None, "a neck needs tokens on a grid"
    return tokens.grid[1:]


def _unit(x: Float[Array, "*n k"]) -> Float[Array, "*n k"]:
    return x / jnp.sqrt(jnp.square(x).sum(-1, keepdims=True) + TINY)
