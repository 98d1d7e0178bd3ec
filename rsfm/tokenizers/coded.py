"""Tokenizer for any set of named bands: weather, elevation, and pixel time series that mix instruments.

b batch · t acquisitions · h w pixels · c bands · m hidden · d width
"""

import dataclasses

import jax
import jax.numpy as jnp
from einops import rearrange, reduce
from flax import nnx
from jaxtyping import Array, Float

from rsfm.nn.linear import Linear
from rsfm.tokenizers.positions import calendar_features, patch_positions
from rsfm.tokenizers.spectral import wavelength_features
from rsfm.types import BAND_CODES, Observation, Tokens

MAX_CODES = 32  # room for BAND_CODES to grow without a new shape


@dataclasses.dataclass(frozen=True, kw_only=True)
class CodedConfig:
    """Attributes:
    hidden: features a band's value is spread over.
    patch: token edge in pixels; 1 for pixel time series.
    pool: edge in pixels of the cells averaged first, where patches are large; divides `patch`.
    pixel_width: channels per pixel handed to dense heads.
    """

    hidden: int = 128
    patch: int = 1
    pool: int = 1
    pixel_width: int = 32


class CodedTokenizer(nnx.Module):
    """token = W sum_c gelu(v_c * gain(e_c) + bias(e_c)): a set of (band, value) pairs (Deep Sets, arXiv:1703.06114).

    e_c is made of the band's code and its wavelength, so instruments mix in one table and their order never matters.
    """

    def __init__(self, config: CodedConfig, width: int, *, rngs: nnx.Rngs):
        if config.patch % config.pool:
            raise ValueError(f"A pool of {config.pool} pixels does not divide a patch of {config.patch}.")
        self.config = config
        hidden = config.hidden
        self.code = nnx.Param(0.5 * jax.random.normal(rngs.params(), (MAX_CODES, 32)), out_sharding=(None, None))
        self.wavelength = Linear(16, 32, axes=(None, None), rngs=rngs)
        self.gain = Linear(32, hidden, axes=(None, None), bias=True, scale=2.0, rngs=rngs)
        self.bias = Linear(32, hidden, axes=(None, None), bias=True, rngs=rngs)
        self.out = Linear(hidden, width, axes=(None, "embed"), bias=True, rngs=rngs)
        self.calendar = Linear(6, width, axes=(None, "embed"), rngs=rngs)
        self.pixel_local = Linear(hidden, config.pixel_width, axes=(None, None), bias=True, rngs=rngs)

    def __call__(self, observation: Observation) -> Tokens:
        pool, p = self.config.pool, self.config.patch
        hidden = self._sets(observation)
        x = reduce(hidden, "b t (i p) (j q) m -> b t i j m", "mean", p=p // pool, q=p // pool)
        x = self.out(x) + self.calendar(calendar_features(observation.time_days))[:, :, None, None]
        _, t, rows, columns, _ = x.shape
        valid = reduce(observation.valid, "b t (i p) (j q) -> b t i j", "max", p=p, q=p)
        valid = valid & observation.band_valid.any(-1)[:, :, None, None]
        return Tokens(
            embeddings=rearrange(x, "b t i j d -> b (t i j) d"),
            mask=rearrange(valid, "b t i j -> b (t i j)"),
            position=rearrange(patch_positions(observation, rows, columns, p), "b t i j m -> b (t i j) m"),
            grid=(t, rows, columns),
        )

    def pixels(self, observation: Observation) -> Float[Array, "b h w f"]:
        """Features for dense heads: the mean over the dates with data, enlarged back to pixels."""
        pool = self.config.pool
        there = observation.valid & observation.band_valid.any(-1)[:, :, None, None]
        seen = reduce(there, "b t (i p) (j q) -> b t i j 1", "max", p=pool, q=pool)
        hidden = self._sets(observation)
        hidden = hidden.sum(1) / jnp.maximum(seen.sum(1), 1).astype(hidden.dtype)
        features = jax.nn.gelu(self.pixel_local(hidden))
        return jnp.repeat(jnp.repeat(features, pool, axis=1), pool, axis=2)

    def _sets(self, observation: Observation) -> Float[Array, "b t i j m"]:
        pool = self.config.pool
        cells = observation.cells
        values = jnp.where(cells, observation.values, 0.0)
        seen = _sum_cells(observation.valid.astype(values.dtype)[..., None], pool) > 0
        count = _sum_cells(cells.astype(values.dtype), pool)
        values = _sum_cells(values, pool) / jnp.maximum(count, 1.0)
        band = self._band(observation)
        gain, bias = self.gain(band)[:, None, None, None], self.bias(band)[:, None, None, None]
        each = jax.nn.gelu(values[..., None] * gain + bias)  # b t i j c m
        weight = (count > 0).astype(each.dtype)  # a band that no pixel of the cell has is not in its set
        total = jnp.einsum("btijcm,btijc->btijm", each, weight)
        return total / jnp.sqrt(jnp.maximum(weight.sum(-1, keepdims=True), 1.0)) * seen

    def _band(self, observation: Observation) -> Float[Array, "b c e"]:
        told = self.code[...][observation.band_code]
        waves = self.wavelength(wavelength_features(observation.wavelength_um, observation.bandwidth_um))
        return told + waves * (observation.band_code == 0)[..., None]


def _sum_cells(x: Float[Array, "b t h w c"], edge: int) -> Float[Array, "b t i j c"]:
    return reduce(x, "b t (i p) (j q) c -> b t i j c", "sum", p=edge, q=edge)


assert len(BAND_CODES) <= MAX_CODES
