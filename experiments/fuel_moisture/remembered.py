"""A number from a pixel's months: a pretrained encoder and plain measurements, read by a memory of known places.

b batch · t months · f features · d width
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float, Int

from experiments.fuel_moisture.kernel_memory import KernelMemory
from rsfm.models.published.presto import COLUMNS, PrestoConfig, PrestoEncoder, PrestoInputs
from rsfm.tokenizers.positions import DAYS_PER_YEAR
from rsfm.types import Array

KNOTS = 65  # of each feature's rank table
DEGREES = 180 / np.pi / 4  # distance 1 is four degrees of arc, about 440 km
# Normalized differences (a - b) / (a + b): water in leaves, fire scars, open water, red edges, pigments.
INDICES = (
    ("B8A", "B11"),
    ("B8A", "B12"),
    ("B3", "B8"),
    ("B8A", "B5"),
    ("B7", "B5"),
    ("B3", "B4"),
    ("B11", "B12"),
    ("B2", "B4"),
)
BANDS = {
    "visible": ("B2", "B3", "B4"),
    "infrared": ("B5", "B6", "B7", "B8", "B8A"),
    "shortwave": ("B11", "B12"),
    "ndvi": ("ndvi",),
    "temperature": ("temperature_2m",),
    "rain": ("total_precipitation",),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RememberedConfig:
    """Attributes:
    encoder: shape of the pretrained encoder.
    months: of every series.
    size: examples in the memory.
    kernels: summed in the kernel.
    center, scale: of the logarithm of the number; what is predicted is standardized by them.
    """

    encoder: PrestoConfig = dataclasses.field(default_factory=PrestoConfig)
    months: int = 3
    size: int
    kernels: int = 2
    center: float
    scale: float

    @property
    def ranked(self) -> tuple[int, ...]:
        """Features of each group that is ranked: radar, the BANDS, indices, their change, terrain, embedding."""
        t, bands = self.months, tuple(len(names) * self.months for names in BANDS.values())
        return (3 * t, *bands, len(INDICES) * t, len(INDICES) + 1, 2, self.encoder.width)

    @property
    def widths(self) -> tuple[int, ...]:
        """With the groups that are not: place, season, date."""
        return (*self.ranked, 3, 2, 1)


class RememberedRegressor(nnx.Module):
    """features -> ranks -> memory: `model(inputs, time_days) -> (mean, low, high)` in the number's unit.

    The embedding is the frozen encoder's; ranks make every feature uniform over the remembered examples, so that a
    distance counts how many of them lie between.
    """

    def __init__(self, config: RememberedConfig, *, rngs: nnx.Rngs):
        self.config = config
        self.encoder = PrestoEncoder(config.encoder, rngs=rngs)
        self.knots = nnx.Param(jnp.zeros((KNOTS, sum(config.ranked))), out_sharding=(None, None))
        self.memory = KernelMemory(config.widths, config.size, kernels=config.kernels, rngs=rngs)

    def __call__(
        self, inputs: PrestoInputs, time_days: Float[Array, " b"]
    ) -> tuple[Float[Array, " b"], Float[Array, " b"]]:
        """Mean of the number, and the standard deviation of its logarithm's error in units of `config.scale`."""
        mean, deviation = self.memory(self.features(inputs, time_days))
        return self.number(mean, deviation), deviation

    def number(self, mean: Float[Array, " b"], deviation: Float[Array, " b"]) -> Float[Array, " b"]:
        """Mean of a log-normal number from the standardized mean and deviation of its logarithm."""
        scale = self.config.scale
        return jnp.exp(self.config.center + scale * mean + 0.5 * (scale * deviation) ** 2)

    def features(self, inputs: PrestoInputs, time_days: Float[Array, " b"]) -> Float[Array, "b f"]:
        """Ranked groups, then place, season and date; `time_days` of the measurement, days since 2000."""
        return self._placed(self.raw(inputs), inputs, time_days)

    def _placed(
        self, raw: Float[Array, "b r"], inputs: PrestoInputs, time_days: Float[Array, " b"]
    ) -> Float[Array, "b f"]:
        ranks = jax.vmap(_rank, in_axes=1, out_axes=1)(raw, self.knots[...])
        turn = time_days[:, None] * (2 * np.pi / DAYS_PER_YEAR)
        season = jnp.concatenate([jnp.sin(turn), jnp.cos(turn)], axis=1)
        years = time_days[:, None] / DAYS_PER_YEAR
        return jnp.concatenate([ranks, DEGREES * _point(inputs.location_deg), season, years], axis=1)

    def raw(self, inputs: PrestoInputs) -> Float[Array, "b f"]:
        """The features that are ranked, as measured."""
        at = {name: inputs.values[..., i] for i, name in enumerate(COLUMNS)}
        radar = [at["VV"], at["VH"], at["VV"] - at["VH"]]
        indices = [_difference(at[a], at[b]) for a, b in INDICES]
        change = [x[:, -1:] - x[:, :1] for x in (*indices, at["ndvi"])]
        terrain = [at["elevation"][:, :1], at["slope"][:, :1]]
        groups = [radar, *([at[name] for name in names] for names in BANDS.values()), indices, change, terrain]
        return jnp.concatenate([*(x for group in groups for x in group), self.encoder(inputs)], axis=1)

    def learn(
        self,
        inputs: PrestoInputs,
        time_days: Float[Array, " b"],
        number: Float[Array, " b"],
        source: Int[Array, " b"],
    ) -> None:
        """Fits the ranks to these examples and remembers them; the kernel stays as it is."""
        raw = self.raw(inputs)
        self.knots[...] = jnp.quantile(raw, jnp.linspace(0, 1, KNOTS), axis=0)
        target = (jnp.log(number) - self.config.center) / self.config.scale
        self.memory.remember(self._placed(raw, inputs, time_days), target, source)


def _rank(x: Float[Array, " b"], knots: Float[Array, " k"]) -> Float[Array, " b"]:
    """Share of the remembered examples below, scaled to deviation one."""
    return (jnp.interp(x, knots, jnp.linspace(0, 1, len(knots))) - 0.5) * np.sqrt(12.0)


def _difference(a: Float[Array, "b t"], b: Float[Array, "b t"]) -> Float[Array, "b t"]:
    return (a - b) / jnp.where(jnp.abs(a + b) > 1e-4, a + b, 1e-4)


def _point(location_deg: Float[Array, "b 2"]) -> Float[Array, "b 3"]:
    longitude, latitude = jnp.moveaxis(jnp.deg2rad(location_deg), -1, 0)
    level = jnp.cos(latitude)
    return jnp.stack([level * jnp.cos(longitude), level * jnp.sin(longitude), jnp.sin(latitude)], axis=-1)
