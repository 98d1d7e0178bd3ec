"""A mask at each <mask> token: its embedding against features of the pixels, made of encoder tokens and the pixels.

b batch · m masks · t dates · r rows · q columns of tokens · h w pixels · d text width · c token width · k pixel width
`<mask>` token against pixels as in LISA (arXiv:2308.00692); normalised convolution: Liu et al. 2018, arXiv:1804.07723.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
from einops import rearrange
from flax import nnx
from jax import lax
from jaxtyping import Array, Bool, Float

from rsfm.nn.linear import Linear
from rsfm.nn.mlp import MLP
from rsfm.nn.norm import RMSNorm
from rsfm.types import Tokens


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskConfig:
    """Attributes:
    pixel_width: channels of the tokenizers' pixel features, and of what the mask embedding is compared with.
    hidden: channels between the two convolutions. On a CPU take 16, 32 or 64: XLA's gradient for 40 or 48 is five
        times slower.
    """

    pixel_width: int = 32
    hidden: int = 32


class MaskHead(nnx.Module):
    """`head(spans, tokens, pixels, pixel_valid) -> logits`, which depend on no invalid pixel and no masked token."""

    config_type = MaskConfig

    def __init__(self, config: MaskConfig, width: int, token_width: int, *, rngs: nnx.Rngs):
        self.config = config
        out = config.pixel_width + 1  # a direction and a bias
        self.embed = MLP(width, width, out=out, gated=False, activation="gelu_tanh", bias=True, rngs=rngs)
        self.from_token = Linear(token_width, config.pixel_width, rngs=rngs)
        self.enter = MaskedConv(config.pixel_width, config.hidden, rngs=rngs)
        self.leave = MaskedConv(config.hidden, config.pixel_width, rngs=rngs)
        self.norm = RMSNorm(config.pixel_width)

    def __call__(
        self,
        spans: Float[Array, "b m d"],
        tokens: Tokens,
        pixels: Float[Array, "b h w k"],
        pixel_valid: Bool[Array, "b h w"],
    ) -> Float[Array, "b m h w"]:
        """Logits of each mask at each pixel, float32. Every slot is read by itself.

        Args:
            spans: hidden states at the <mask> tokens.
            tokens: with a grid (t, rows, columns) that spans the pixels' footprint.
            pixels: per-pixel features of the tokenizers.
            pixel_valid: False: nodata; its own logits come from what its valid neighbours show.
        """
        features = self.pixel_features(tokens, pixels, pixel_valid)
        embedding = self.embed(spans)
        direction, bias = embedding[..., :-1] / math.sqrt(self.config.pixel_width), embedding[..., -1:]
        logits = jnp.einsum("bmk,bhwk->bmhw", direction, features, preferred_element_type=jnp.float32)
        return logits + bias[..., None].astype(jnp.float32)

    def pixel_features(
        self, tokens: Tokens, pixels: Float[Array, "b h w k"], pixel_valid: Bool[Array, "b h w"]
    ) -> Float[Array, "b h w k"]:
        """Coarse features of the tokens plus fine ones of the pixels, through two convolutions."""
        valid, neighbours = pixel_valid[..., None], neighbour_share(pixel_valid).astype(pixels.dtype)
        x = jnp.where(
            valid, pixels + self.upsampled(tokens, (pixels.shape[1], pixels.shape[2])).astype(pixels.dtype), 0
        )
        y = jnp.where(valid, jax.nn.gelu(self.enter(x, neighbours)), 0)
        # Normalised: else logits grow with a pixel's brightness, and training runs away.
        return self.norm(x + self.leave(y, neighbours))

    def upsampled(self, tokens: Tokens, size: tuple[int, int]) -> Float[Array, "b h w k"]:
        """Mean over the valid dates of each place, then bilinear to pixels among the valid places."""
        assert tokens.grid is not None, "a mask needs tokens on a grid"
        t, rows, columns = tokens.grid
        x = jnp.where(tokens.mask[..., None], tokens.embeddings, 0)
        x = rearrange(x, "b (t r q) c -> b t r q c", t=t, r=rows)
        seen = rearrange(tokens.mask, "b (t r q) -> b t r q 1", t=t, r=rows, q=columns).astype(x.dtype)
        weight = (seen.sum(1) > 0).astype(x.dtype)
        mean = self.from_token(x.sum(1) / jnp.maximum(seen.sum(1), 1))
        total, share = (bilinear(part, size) for part in (mean * weight, weight))
        return total / jnp.maximum(share, 1e-6)


class MaskedConv(nnx.Module):
    """3x3 convolution over valid neighbours, scaled up by their share: an edge and a hole are treated alike."""

    def __init__(self, inputs: int, outputs: int, *, rngs: nnx.Rngs):
        init = jax.nn.initializers.variance_scaling(1.0, "fan_in", "truncated_normal")
        self.kernel = nnx.Param(init(rngs.params(), (3, 3, inputs, outputs)), out_sharding=(None, None, None, None))
        self.bias = nnx.Param(jnp.zeros((outputs,)), out_sharding=(None,))

    def __call__(self, x: Float[Array, "b h w i"], neighbours: Float[Array, "b h w 1"]) -> Float[Array, "b h w o"]:
        """`x` is zero at invalid pixels; `neighbours` as told by `neighbour_share`."""
        kernel = self.kernel[...].astype(x.dtype)
        y = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return y / neighbours + self.bias[...].astype(x.dtype)


def neighbour_share(valid: Bool[Array, "b h w"]) -> Float[Array, "b h w 1"]:
    """Share of each pixel's 3x3 neighbourhood that is valid, at least 1/9."""
    count = jnp.pad(valid.astype(jnp.float32), ((0, 0), (1, 1), (1, 1)))
    count = count[:, :-2] + count[:, 1:-1] + count[:, 2:]
    count = count[:, :, :-2] + count[:, :, 1:-1] + count[:, :, 2:]
    return jnp.maximum(count, 1.0)[..., None] / 9.0


def bilinear(x: Float[Array, "b r q k"], size: tuple[int, int]) -> Float[Array, "b h w k"]:
    """Enlarges with pixel centres at half steps and edges held, as two small matrix products."""
    by_row, by_column = (_weights(have, want).astype(x.dtype) for have, want in zip(x.shape[1:3], size, strict=True))
    return jnp.einsum("hr,brwk->bhwk", by_row, jnp.einsum("wq,brqk->brwk", by_column, x))


def _weights(have: int, want: int) -> Float[Array, "want have"]:
    """Row i: the shares of the cells that pixel i lies between."""
    at = jnp.clip((jnp.arange(want) + 0.5) * have / want - 0.5, 0, have - 1)
    return jnp.clip(1 - jnp.abs(at[:, None] - jnp.arange(have)), min=0)
