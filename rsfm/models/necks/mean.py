"""The neck that takes the mean over dates and streams, token by token and pixel by pixel.

b batch · h w pixels · k pixel width
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from rsfm.models.necks.gather import MeanDates, enlarged
from rsfm.nn.linear import Linear
from rsfm.nn.masked_conv import MaskedConv, neighbour_share
from rsfm.nn.norm import RMSNorm
from rsfm.types import Pixels, Tokens


class MeanNeck(MeanDates):
    """Coarse features of the tokens plus fine ones of the pixels, through two convolutions over valid pixels."""

    def __init__(self, config: Any, token_width: int, *, rngs: nnx.Rngs):
        self.from_token = Linear(token_width, config.width, rngs=rngs)
        self.enter = MaskedConv(config.width, config.hidden, rngs=rngs)
        self.leave = MaskedConv(config.hidden, config.width, rngs=rngs)
        self.norm = RMSNorm(config.width)

    def joined(self, means: list[Tokens], fine: Float[Array, "b h w k"], valid: Bool[Array, "b h w"]) -> Pixels:
        """The features, normalized: else logits would grow with a pixel's brightness, and training run away.

        Args:
            means: tokens of one date, a grid each for streams with tokens of one size.
            fine: features of the pixels.
            valid: where there are any.
        """
        there, neighbours = valid[..., None], neighbour_share(valid).astype(fine.dtype)
        mean = enlarged(means, self.from_token, (fine.shape[1], fine.shape[2]))
        x = jnp.where(there, fine + mean.astype(fine.dtype), 0)
        y = jnp.where(there, jax.nn.gelu(self.enter(x, neighbours)), 0)
        return Pixels(features=self.norm(x + self.leave(y, neighbours)), valid=valid)
