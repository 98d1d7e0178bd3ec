"""Presto: attention over the band groups of one pixel's months, with its published weights, made of our own modules.

b batch · t months · c columns · g groups · n tokens · d width · m channels = g + 1 · l land-cover classes
Tseng et al. 2023, arXiv:2304.14065; weights: github.com/nasaharvest/presto, MIT, by tokenizers/presto/convert.py.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from rsfm.nn.linear import Linear
from rsfm.nn.norm import LayerNorm
from rsfm.nn.transformer import Transformer, TransformerConfig
from rsfm.pytree import pytree_dataclass

# Columns in the order of the published weights: dB, reflectance, kelvin, metres, metres, degrees, 1.
# A column's number is (physical + shift) / divisor; the shift to Celsius is the published 272.15.
COLUMNS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("VV", "VH"), (25.0, 25.0)),
    **dict.fromkeys(("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"), (0.0, 1.0)),
    "temperature_2m": (-272.15, 35.0),
    "total_precipitation": (0.0, 0.03),
    "elevation": (0.0, 2000.0),
    "slope": (0.0, 50.0),
    "ndvi": (0.0, 1.0),
}
GROUPS: dict[str, tuple[str, ...]] = {
    "s1": ("VV", "VH"),
    "s2_rgb": ("B2", "B3", "B4"),
    "s2_red_edge": ("B5", "B6", "B7"),
    "s2_nir_10m": ("B8",),
    "s2_nir_20m": ("B8A",),
    "s2_swir": ("B11", "B12"),
    "era5": ("temperature_2m", "total_precipitation"),
    "terrain": ("elevation", "slope"),
    "ndvi": ("ndvi",),
}
LAND_COVERS = 9  # of Dynamic World; class 9 stands for unknown
STILL = "terrain"  # the group that has one token whatever the number of months
EPSILON = 1e-5


@pytree_dataclass
class PrestoInputs:
    """What Presto reads: t months in a row."""

    values: Float[Array, "*b t c"]  # normalized, in the order of COLUMNS; anything where not valid
    valid: Bool[Array, "*b t g"]  # by group of GROUPS; of the terrain the first month's
    land_cover: Int[Array, "*b t"]  # 0..8, 9 = unknown
    location_deg: Float[Array, "*b 2"]  # longitude, latitude
    month: Int[Array, "*b t"]  # 0 = January


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrestoConfig:
    """The published shape."""

    width: int = 128
    depth: int = 2
    decoder_depth: int = 2
    heads: int = 8
    mlp_width: int = 512

    def transformer(self, depth: int) -> TransformerConfig:
        """Pre-norm blocks with layer norms, biases and a plain GELU feed-forward; Presto norms after them by itself."""
        return TransformerConfig(
            width=self.width,
            depth=depth,
            heads=self.heads,
            mlp_width=self.mlp_width,
            norm="layer",
            norm_epsilon=EPSILON,
            bias=True,
            gated=False,
            activation="gelu",
            final_norm=False,
        )


def normalize(physical: Float[np.ndarray, "*b t c"]) -> Float[np.ndarray, "*b t c"]:
    """Physical units of COLUMNS (reflectance, not counts) -> Presto's numbers."""
    shift, divisor = np.array(list(COLUMNS.values()), np.float32).T
    return (physical + shift) / divisor


class PrestoEncoder(nnx.Module):
    """A token for each (group, month), one for the terrain and one for the place; attention over those that are there."""

    def __init__(self, config: PrestoConfig, *, rngs: nnx.Rngs):
        width, axes = config.width, (None, "embed")
        self.config = config
        self.groups = nnx.Dict(
            {name: Linear(len(columns), width, axes=axes, bias=True, rngs=rngs) for name, columns in GROUPS.items()}
        )
        table = 0.02 * jax.random.normal(rngs.params(), (LAND_COVERS + 1, width))
        self.land_cover = nnx.Param(table, out_sharding=(None, "embed"))
        self.location = Linear(3, width, axes=axes, bias=True, rngs=rngs)
        channels = jax.random.normal(rngs.params(), (len(GROUPS) + 1, width // 4))
        self.channel = nnx.Param(channels, out_sharding=(None, None))
        self.transformer = Transformer(config.transformer(config.depth), rngs=rngs)
        self.norm = LayerNorm(width, epsilon=EPSILON)

    def __call__(self, inputs: PrestoInputs) -> Float[Array, "b d"]:
        """One embedding a series: the mean over its tokens, then the norm."""
        x, mask = self.encode(inputs)
        weight = mask[..., None].astype(x.dtype)
        return self.norm((x * weight).sum(1) / weight.sum(1))

    def encode(self, inputs: PrestoInputs) -> tuple[Float[Array, "b n d"], Bool[Array, "b n"]]:
        """All tokens before the norm, in the order place, groups, land cover; and which of them were there."""
        x = jnp.concatenate([self._place(inputs)[:, None], self._tokens(inputs)], axis=1)
        mask = token_mask(inputs)
        x, _, _ = self.transformer(x, mask[:, None], valid=mask)
        return x, mask

    def _place(self, inputs: PrestoInputs) -> Float[Array, "b d"]:
        longitude, latitude = jnp.moveaxis(jnp.deg2rad(inputs.location_deg), -1, 0)
        level = jnp.cos(latitude)
        point = jnp.stack([level * jnp.cos(longitude), level * jnp.sin(longitude), jnp.sin(latitude)], axis=-1)
        return self.location(point)

    def _tokens(self, inputs: PrestoInputs) -> Float[Array, "b n d"]:
        parts, at = [], 0
        for name, columns in GROUPS.items():  # their columns stand in the order of COLUMNS
            part = self.groups[name](inputs.values[..., at : at + len(columns)])
            parts.append(part[:, :1] if name == STILL else part)
            at += len(columns)
        parts.append(self.land_cover[...][inputs.land_cover])
        width = self.config.width
        return jnp.concatenate(parts, axis=1) + place_codes(inputs.month, self.channel[...], width, width // 4)


class PrestoDecoder(nnx.Module):
    """Fills in what was masked: every column of every month, and the land cover's logits."""

    def __init__(self, config: PrestoConfig, *, rngs: nnx.Rngs):
        width = config.width
        self.config = config
        self.enter = Linear(width, width, axes=("embed", None), bias=True, rngs=rngs)
        self.missing = nnx.Param(jnp.zeros((width,)), out_sharding=("embed",))
        self.transformer = Transformer(config.transformer(config.decoder_depth), rngs=rngs)
        self.norm = LayerNorm(width, epsilon=EPSILON)
        self.groups = nnx.Dict(
            {
                name: Linear(width, len(columns), axes=("embed", None), bias=True, rngs=rngs)
                for name, columns in GROUPS.items()
            }
        )
        self.land_cover = Linear(width, LAND_COVERS, axes=("embed", None), bias=True, rngs=rngs)

    def __call__(
        self,
        encoded: Float[Array, "b n d"],
        mask: Bool[Array, "b n"],
        month: Int[Array, "b t"],
        channel: Float[Array, "m k"],
    ) -> tuple[Float[Array, "b t c"], Float[Array, "b t l"]]:
        """From the encoder's normed tokens and its table of channels."""
        x = jnp.where(mask[..., None], self.enter(encoded), self.missing[...])
        width = self.config.width
        codes = place_codes(month, channel, width, (width - channel.shape[1]) // 2)
        x = x + jnp.pad(codes, ((0, 0), (1, 0), (0, 0)))
        x, _, _ = self.transformer(x, jnp.ones_like(mask)[:, None])
        x, months, columns, at = self.norm(x), month.shape[1], [], 1
        for name in GROUPS:
            length = 1 if name == STILL else months
            part = self.groups[name](x[:, at : at + length])
            columns.append(jnp.broadcast_to(part, (len(x), months, part.shape[-1])))
            at += length
        return jnp.concatenate(columns, axis=-1), self.land_cover(x[:, at:])


class Presto(nnx.Module):
    """Encoder and decoder as they were trained together."""

    def __init__(self, config: PrestoConfig, *, rngs: nnx.Rngs):
        self.encoder = PrestoEncoder(config, rngs=rngs)
        self.decoder = PrestoDecoder(config, rngs=rngs)

    def __call__(self, inputs: PrestoInputs) -> tuple[Float[Array, "b t c"], Float[Array, "b t l"]]:
        """Reconstruction of all columns (in the order of GROUPS, which is that of COLUMNS) and of the land cover."""
        x, mask = self.encoder.encode(inputs)
        return self.decoder(self.encoder.norm(x), mask, inputs.month, self.encoder.channel[...])


class PrestoRegressor(nnx.Module):
    """A linear layer on the series' embedding: Presto as it is fine-tuned on a number."""

    def __init__(self, config: PrestoConfig, *, rngs: nnx.Rngs):
        self.encoder = PrestoEncoder(config, rngs=rngs)
        self.head = Linear(config.width, 1, axes=("embed", None), bias=True, rngs=rngs)

    def __call__(self, inputs: PrestoInputs) -> Float[Array, " b"]:
        return self.head(self.encoder(inputs))[:, 0]


def token_mask(inputs: PrestoInputs) -> Bool[Array, "b n"]:
    """Which tokens are there, in the encoder's order: the place always."""
    parts = [jnp.ones_like(inputs.valid[:, :1, 0])]
    for i, name in enumerate(GROUPS):
        parts.append(inputs.valid[:, :1, i] if name == STILL else inputs.valid[..., i])
    return jnp.concatenate([*parts, inputs.land_cover < LAND_COVERS], axis=1)


def place_codes(
    month: Int[Array, "b t"], channel: Float[Array, "m k"], width: int, month_width: int
) -> Float[Array, "b n d"]:
    """[month | channel | place in the series] of every token but the location's; the terrain has a channel only."""
    (b, t), channels = month.shape, channel.shape[1]
    turn = (month[..., None] * (2 * np.pi / 12)).astype(jnp.float32)
    half = (b, t, month_width // 2)
    season = jnp.concatenate([jnp.broadcast_to(jnp.sin(turn), half), jnp.broadcast_to(jnp.cos(turn), half)], axis=-1)
    place = jnp.broadcast_to(series_waves(t, width - month_width - channels), (b, t, width - month_width - channels))
    parts = []
    for name, code in zip((*GROUPS, "land_cover"), channel, strict=True):
        told = jnp.broadcast_to(code, (b, t, channels))
        part = jnp.concatenate([season, told, place], axis=-1)
        still = jnp.pad(told[:, :1], ((0, 0), (0, 0), (month_width, width - month_width - channels)))
        parts.append(still if name == STILL else part)
    return jnp.concatenate(parts, axis=1)


def series_waves(months: int, width: int) -> Float[np.ndarray, "t k"]:
    """Sine and cosine in turns, with periods from one step to a thousand (Vaswani et al. 2017, arXiv:1706.03762)."""
    angle = np.arange(months)[:, None] / 1000.0 ** (2 * (np.arange(width) // 2) / width)
    return np.where(np.arange(width) % 2, np.cos(angle), np.sin(angle)).astype(np.float32)
