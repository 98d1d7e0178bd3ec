"""Learning without labels from spectra: cubes of a few bands and a few pixels are hidden, and their pixels predicted.

b batch · g cubes of a place, one behind the other in the spectrum · i j places · p patch edge · k bands of a cube
SpectralGPT (Hong et al. 2024, arXiv:2311.07113), equations of its section III: with x the pixels of a cube and y what is predicted,

    L = mean over hidden cubes |y - x|^2  +  mean over places |sum_g y - sum_g x|^2

Every group of bands is an observation of its own under the same tokenizer, "optical/1": so any spectral stream will do.
"""

import dataclasses

import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Bool, Float

from rsfm.errors import UserError
from rsfm.objectives.base import Objective, Reading, Terms
from rsfm.pytree import replace
from rsfm.types import Observation, Tokens, concatenate


@dataclasses.dataclass(frozen=True, kw_only=True)
class CubesConfig:
    """Attributes:
    stream: of one date.
    bands: neighbouring bands of a cube; divides the stream's bands.
    hidden: share of the cubes that are hidden.
    targets: "token": the pixels of each hidden cube; "spectrum": the sum of a place's cubes, hidden or not.
    head: name of the model's head of kind "reconstruction"; its output "cubes" has edge^2 times the stream's bands channels.
    """

    stream: str = "optical"
    bands: int = 3
    hidden: float = 0.9
    targets: tuple[str, ...] = ("token", "spectrum")
    head: str = "reconstruction"


class Cubes(Objective):
    """Each cube is hidden or not by itself: of one place the infrared may be seen and the red not."""

    config_type = CubesConfig
    labels = False

    def __call__(self, student: Reading, teacher: Reading | None, key: Array) -> Terms:
        """ "cubes_token" over hidden cubes, "cubes_spectrum" over places: both mean squares of standardized values."""
        model, sample, config = student.model, student.sample, self.config
        if config.head not in model.heads or config.stream not in sample.observations:
            raise UserError(
                f"objective cubes: needs a head '{config.head}' of kind 'reconstruction' in model.heads and the stream "
                f"'{config.stream}' in every batch, which has {', '.join(sorted(sample.observations))}."
            )
        observation = sample.observations[config.stream]
        edge = model.config.streams[config.stream].spec.patch
        groups = apart(observation, config.stream, config.bands)
        hidden = drawn(observation, edge, len(groups), config.hidden, key)
        seen = {name: covered(part, hidden[:, g], edge) for g, (name, part) in enumerate(groups.items())}
        encoded, aux = model.encode(seen, sample.location_deg)
        places = model.tokenize(config.stream, observation)  # of them only mask and position are read
        predicted = model.heads[config.head].head.predict(concatenate(list(encoded.values())), places)["cubes"]
        return Terms(losses=self._losses(predicted, observation, places, hidden, edge), aux=aux)

    def _losses(
        self,
        predicted: Float[Array, "b n o"],
        observation: Observation,
        places: Tokens,
        hidden: Bool[Array, "b g i j"],
        edge: int,
    ) -> dict[str, tuple[Float[Array, ""], Float[Array, ""]]]:
        truth = cubes_of(observation, edge, self.config.bands)
        guess = rearrange(predicted, "b n (g o) -> b g n o", g=truth.shape[1])
        there = places.mask[:, None]
        at = rearrange(hidden, "b g i j -> b g (i j)") & there
        error = jnp.square(guess - truth).mean(-1)
        of_spectrum = jnp.square((guess - truth).sum(1)).mean(-1)
        terms = {
            "token": (jnp.where(at, error, 0).sum(), at.sum(dtype=jnp.float32)),
            "spectrum": (jnp.where(there[:, 0], of_spectrum, 0).sum(), there.sum(dtype=jnp.float32)),
        }
        return {f"cubes_{name}": terms[name] for name in self.config.targets}


def apart(observation: Observation, stream: str, bands: int) -> dict[str, Observation]:
    """An observation for each run of bands, by the names of several series of one stream."""
    count = observation.values.shape[-1]
    if count % bands:
        raise UserError(
            f"objective cubes: {count} bands of {stream} make no cubes of {bands}. Choose a divisor of {count}."
        )
    parts = {}
    for g in range(count // bands):
        run = slice(g * bands, (g + 1) * bands)
        own = {name: getattr(observation, name)[..., run] for name in ("wavelength_um", "bandwidth_um", "band_code")}
        parts[f"{stream}/{g + 1}"] = replace(
            observation, values=observation.values[..., run], band_valid=observation.band_valid[..., run], **own
        )
    return parts


def drawn(observation: Observation, edge: int, groups: int, share: float, key: Array) -> Bool[Array, "b g i j"]:
    """Which cubes are hidden."""
    batch, times, height, width = observation.valid.shape
    if times > 1:
        raise UserError(
            f"objective cubes: reads one date, this stream has {times}. Set dates=1 in the source's augment."
        )
    return jax.random.bernoulli(key, share, (batch, groups, height // edge, width // edge))


def covered(observation: Observation, hidden: Bool[Array, "b i j"], edge: int) -> Observation:
    """The observation without what is hidden."""
    pixels = jnp.repeat(jnp.repeat(hidden, edge, axis=1), edge, axis=2)
    return replace(observation, valid=observation.valid & ~pixels[:, None])


def cubes_of(observation: Observation, edge: int, bands: int) -> Float[Array, "b g n o"]:
    """The pixels of every cube, each band with mean 0 and deviation 1 over the batch; 0 where there is no value."""
    there = observation.cells
    values = jnp.where(there, observation.values, 0).astype(jnp.float32)
    count = jnp.maximum(there.sum((0, 1, 2, 3)), 1)
    mean = values.sum((0, 1, 2, 3)) / count
    spread = jnp.sqrt(jnp.where(there, jnp.square(values - mean), 0).sum((0, 1, 2, 3)) / count + 1e-4)
    values = jnp.where(there, (values - mean) / spread, 0)
    return rearrange(values, "b 1 (i p) (j q) (g k) -> b g (i j) (p q k)", p=edge, q=edge, k=bands)
