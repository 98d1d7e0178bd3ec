"""The neck of several scales: a light U-Net over the pixels with the encoder's tokens at its bottom.

b batch · h w pixels · r q cells · k channels
After U-Net (arXiv:1505.04597): halved by 2x2 convolutions, widened again cell by cell beside what was there before.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from rsfm.models.necks.gather import MeanDates, enlarged
from rsfm.nn.linear import Linear
from rsfm.nn.masked_conv import MaskedConv, MaskedHalving, doubled, neighbour_share
from rsfm.nn.norm import RMSNorm
from rsfm.types import Pixels, Tokens


class Residual(nnx.Module):
    """x + gelu(convolution of x normalized), over valid cells."""

    def __init__(self, width: int, *, rngs: nnx.Rngs):
        self.norm, self.conv = RMSNorm(width), MaskedConv(width, width, rngs=rngs)

    def __call__(self, x: Float[Array, "b r q k"], valid: Bool[Array, "b r q"]) -> Float[Array, "b r q k"]:
        y = self.conv(self.norm(x), neighbour_share(valid).astype(x.dtype))  # the norm of zeros is zeros
        return jnp.where(valid[..., None], x + jax.nn.gelu(y), 0)


class Scale(nnx.Module):
    """One halving: its way down, its way up, and what joins the finer cells again."""

    def __init__(self, fine: int, coarse: int, *, rngs: nnx.Rngs):
        self.halve = MaskedHalving(fine, coarse, rngs=rngs)
        self.down, self.up = (Residual(coarse, rngs=rngs) for _ in range(2))
        self.back = Linear(coarse, fine, rngs=rngs)


class UnetNeck(MeanDates):
    """Pixels see as far as the coarsest cells reach, and keep their own edges; an invalid pixel gives nothing to any cell."""

    def __init__(self, config: Any, token_width: int, *, rngs: nnx.Rngs):
        widths = [config.width, *(config.hidden * (1 if i == 0 else 2) for i in range(config.depth))]
        self.scales = nnx.List([Scale(*pair, rngs=rngs) for pair in zip(widths[:-1], widths[1:], strict=True)])
        self.from_token = Linear(token_width, widths[-1], rngs=rngs)
        self.leave = Residual(config.width, rngs=rngs)
        self.norm = RMSNorm(config.width)

    def joined(self, means: list[Tokens], fine: Float[Array, "b h w k"], valid: Bool[Array, "b h w"]) -> Pixels:
        """The features, normalized.

        Args:
            means: tokens of one date, a grid each for streams with tokens of one size.
            fine: features of the pixels; sizes that do not halve often enough are padded with invalid pixels.
            valid: where there are any.
        """
        height, width = valid.shape[1:]
        step = 2 ** len(self.scales)
        rim = ((0, 0), (0, -height % step), (0, -width % step))
        there = jnp.pad(valid, rim)
        x = jnp.where(there[..., None], jnp.pad(fine, (*rim, (0, 0))), 0)
        x = self._through(0, x, there, (height, width), means)
        return Pixels(features=self.norm(self.leave(x, there))[:, :height, :width], valid=valid)

    def _through(
        self,
        level: int,
        x: Float[Array, "b r q k"],
        valid: Bool[Array, "b r q"],
        size: tuple[int, int],
        means: list[Tokens],
    ) -> Float[Array, "b r q k"]:
        """Cells of a level with what all coarser levels add; `size` is what of them lies in the window."""
        if level == len(self.scales):
            size = (-(-size[0] // 2**level), -(-size[1] // 2**level))
            seen = enlarged(means, self.from_token, size).astype(x.dtype)
            rim = [(0, have - want) for have, want in zip(valid.shape[1:], size, strict=True)]
            return jnp.where(valid[..., None], x + jnp.pad(seen, ((0, 0), *rim, (0, 0))), 0)
        scale = self.scales[level]
        y, coarse = scale.halve(x, valid)
        y = self._through(level + 1, scale.down(y, coarse), coarse, size, means)
        return jnp.where(valid[..., None], x + doubled(scale.back(scale.up(y, coarse))), 0)
