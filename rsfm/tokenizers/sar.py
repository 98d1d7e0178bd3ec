"""SAR tokenizer: backscatter in dB beside linear power, told by polarization code and true carrier wavelength.

b batch · t acquisitions · h w pixels · c bands · s polarizations · f features · d width
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange, reduce
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from rsfm.nn.linear import Linear
from rsfm.tokenizers.positions import calendar_features, patch_positions
from rsfm.types import BAND_CODES, Observation, Tokens

POLARIZATIONS = ("VV", "VH", "HH", "HV")
# The Processor hands SAR over as (dB - DB_CENTER) / DB_SCALE, one rule for every instrument, so that power can be had back.
DB_CENTER, DB_SCALE = -15.0, 10.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class SarConfig:
    """Attributes:
    patch: token edge in pixels.
    look: edge in pixels of the cells whose power is averaged before taking dB; divides `patch`.
    pixel_width: channels per pixel handed to dense heads.
    """

    patch: int = 16
    look: int = 2
    pixel_width: int = 32


class SarTokenizer(nnx.Module):
    """Speckle is multiplicative, so looks are averaged in linear power before the logarithm is taken."""

    def __init__(self, config: SarConfig, width: int, *, rngs: nnx.Rngs):
        if config.patch % config.look:
            raise ValueError(f"A look of {config.look} pixels does not divide a patch of {config.patch}.")
        self.config = config
        channels = 2 * len(POLARIZATIONS)
        inputs = (config.patch // config.look) ** 2 * channels
        self.patch = Linear(inputs, width, axes=(None, "embed"), rngs=rngs)
        self.instrument = Linear(len(POLARIZATIONS) + 4, width, axes=(None, "embed"), rngs=rngs)
        self.calendar = Linear(6, width, axes=(None, "embed"), rngs=rngs)
        self.pixel_local = Linear(channels, config.pixel_width, axes=(None, None), bias=True, rngs=rngs)

    def __call__(self, observation: Observation) -> Tokens:
        look, p = self.config.look, self.config.patch
        x, _ = self._looks(observation, look)
        _, t, rows, columns = (s for s in x.shape[:4])
        cells = rearrange(x, "b t (i p) (j q) s -> b t i j (p q s)", p=p // look, q=p // look)
        e = self.patch(cells) + self.instrument(self._instrument(observation))[:, :, None, None]
        e = e + self.calendar(calendar_features(observation.time_days))[:, :, None, None]
        rows, columns = e.shape[2:4]
        valid = reduce(observation.valid, "b t (i p) (j q) -> b t i j", "max", p=p, q=p)
        valid = valid & self._has_polarization(observation)[:, :, None, None]
        return Tokens(
            embeddings=rearrange(e, "b t i j d -> b (t i j) d"),
            mask=rearrange(valid, "b t i j -> b (t i j)"),
            position=rearrange(patch_positions(observation, rows, columns, p), "b t i j m -> b (t i j) m"),
            grid=(t, rows, columns),
        )

    def pixels(self, observation: Observation) -> Float[Array, "b h w f"]:
        """Features for dense heads, from looks averaged over the dates that have them and enlarged back to pixels."""
        look = self.config.look
        x, seen = self._looks(observation, look)
        weight = jnp.concatenate([seen, seen], axis=-1).astype(x.dtype)
        mean = (x * weight).sum(1) / jnp.maximum(weight.sum(1), 1.0)
        features = jax.nn.gelu(self.pixel_local(mean))
        return jnp.repeat(jnp.repeat(features, look, axis=1), look, axis=2)

    def _looks(
        self, observation: Observation, look: int
    ) -> tuple[Float[Array, "b t i j f"], Float[Array, "b t i j s"]]:
        """dB and linear power (scaled) of each polarization, multilooked, and 1 where it was seen; zeros elsewhere."""
        slot = _slots(observation).astype(observation.values.dtype)
        present = slot.sum(2).clip(0, 1)[:, :, None, None]
        cells = observation.cells
        decibel = jnp.where(cells, observation.values, 0.0)
        decibel = jnp.einsum("bthwc,btcs->bthws", decibel, slot) * DB_SCALE + DB_CENTER
        lacking = observation.valid[..., None] & observation.band_valid[:, :, None, None] & ~cells
        lost = jnp.einsum("bthwc,btcs->bthws", lacking.astype(decibel.dtype), slot)
        weight = observation.valid[..., None].astype(decibel.dtype) * (lost == 0)  # of each polarization at each pixel
        power = 10.0 ** (decibel / 10.0) * weight
        count = _sum_cells(weight, look)
        power = _sum_cells(power, look) / jnp.maximum(count, 1.0)
        seen = (count > 0) * present
        pooled_db = (10.0 * jnp.log10(jnp.maximum(power, 1e-6)) - DB_CENTER) / DB_SCALE
        linear = jnp.sqrt(power) * 2.0 - 0.5  # amplitude: power itself has too long a tail to learn from
        return jnp.concatenate([pooled_db * seen, linear * seen], axis=-1), seen

    def _instrument(self, observation: Observation) -> Float[Array, "b t f"]:
        present = _slots(observation).sum(2).clip(0, 1)
        usable = observation.band_valid & (observation.wavelength_um > 0)[:, None]
        carrier_um = jnp.max(jnp.where(usable, observation.wavelength_um[:, None], 0.0), axis=-1)
        place = jnp.log(jnp.maximum(carrier_um, 1.0) / 1e4) / np.log(100.0)  # X band 0.24 .. P band 0.92
        waves = [jnp.sin(np.pi * place), jnp.cos(np.pi * place), jnp.sin(2 * np.pi * place), jnp.cos(2 * np.pi * place)]
        known = (carrier_um > 0)[..., None]
        return jnp.concatenate([present, jnp.where(known, jnp.stack(waves, axis=-1), 0.0)], axis=-1)

    def _has_polarization(self, observation: Observation) -> Bool[Array, "b t"]:
        return (observation.band_valid & (_slot(observation) >= 0)[:, None]).any(-1)


def _sum_cells(x: Float[Array, "b t h w s"], edge: int) -> Float[Array, "b t i j s"]:
    return reduce(x, "b t (i p) (j q) s -> b t i j s", "sum", p=edge, q=edge)


def _slots(observation: Observation) -> Float[Array, "b t c s"]:
    """1 where a band is there and is of the polarization."""
    return jax.nn.one_hot(_slot(observation), len(POLARIZATIONS))[:, None] * observation.band_valid[..., None]


def _slot(observation: Observation) -> Int[Array, "b c"]:
    """Place of each band in POLARIZATIONS, -1 for bands that are no backscatter."""
    codes = jnp.asarray([BAND_CODES[name] for name in POLARIZATIONS])
    match = observation.band_code[..., None] == codes
    return jnp.where(match.any(-1), jnp.argmax(match, axis=-1), -1)
