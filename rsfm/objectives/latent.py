"""Learning without labels in the space of features: which of the hidden places of a picture looks to a teacher like this one?

b batch · n m hidden places · o target channels
Patch discrimination as in Latent MIM (Wei et al. 2024, arXiv:2407.15837), Galileo (Tseng et al. 2025, arXiv:2502.09356) and
OlmoEarth (arXiv:2511.13655): with unit vectors p of the student and t of the teacher, and temperature T,

    L = -mean_n log( exp(p_n t_n / T) / sum_m exp(p_n t_m / T) )        over the hidden places n, m of one picture

Nothing is reconstructed, so noise need not be told; and one answer for all places is never right: it costs log(number of places).
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rsfm.objectives.base import Reading, Terms
from rsfm.objectives.masked import Masked, MaskedConfig, whitened

NEVER = -1e9


@dataclasses.dataclass(frozen=True, kw_only=True)
class LatentConfig(MaskedConfig):
    """Fields of MaskedConfig and:

    Attributes:
        targets: as there. "encoded" wants a teacher that follows the student (train.teacher_decay .99 and above); "tokens" with
            a frozen one (train.teacher_decay 1) are frozen projections of the pixels, random where training starts from the seed.
        temperature: T of the equation.
    """

    targets: tuple[str, ...] = ("encoded",)
    temperature: float = 0.1


class Latent(Masked):
    """Hides as `Masked` does, and compares places of one picture instead of numbers."""

    config_type = LatentConfig

    def __call__(self, student: Reading, teacher: Reading | None, key: Array) -> Terms:
        """ "latent_encoded", "latent_tokens": each a mean over hidden places."""
        guess, losses = self.predict(student, teacher, key), {}
        mask = guess.hidden.mask
        for name, target in guess.targets.items():
            each = discrimination(
                guess.predicted[name], whitened(target, guess.hidden), mask, temperature=self.config.temperature
            )
            losses[f"latent_{name}"] = (each.sum(), mask.sum(dtype=jnp.float32))
        return Terms(losses=losses, aux=guess.aux)


def discrimination(
    predicted: Float[Array, "b n o"], target: Float[Array, "b n o"], mask: Bool[Array, "b n"], *, temperature: float
) -> Float[Array, "b n"]:
    """The loss of each place, float32; 0 where the mask is False."""
    cosines = jnp.einsum("bno,bmo->bnm", _unit(predicted), _unit(target), preferred_element_type=jnp.float32)
    logits = jnp.where(mask[:, None], cosines / temperature, NEVER)
    own = jnp.diagonal(logits, axis1=1, axis2=2)
    return jnp.where(mask, jax.nn.logsumexp(logits, axis=-1) - own, 0.0)


def _unit(x: Float[Array, "b n o"]) -> Float[Array, "b n o"]:
    x = x.astype(jnp.float32)
    return x * jax.lax.rsqrt(jnp.square(x).sum(-1, keepdims=True) + 1e-12)
