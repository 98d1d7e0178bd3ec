"""Learning features that do not tell a domain with labels from one without: their distributions are drawn together.

b batch · d width
Maximum mean discrepancy (Gretton et al. 2012; in networks DAN, arXiv:1502.02791), at several levels as in MLPA:

    MMD^2 = mean k(s, s') + mean k(t, t') - 2 mean k(s, t),   k(x, y) = mean over f of exp(-|x - y|^2 / (f h))

with s of the rows that have words to learn, t of those that have none, h the mean squared distance, f of FACTORS.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rsfm.errors import lookup
from rsfm.objectives.align import pooled
from rsfm.objectives.base import Objective, Reading, Terms
from rsfm.types import concatenate

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
LEVELS = ("tokenized", "encoded")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DomainConfig:
    """Attributes:
    levels: where the domains are drawn together: "tokenized" before the encoder, "encoded" behind it.
    """

    levels: tuple[str, ...] = LEVELS


class Domain(Objective):
    """Rows with words are of the one domain, rows without of the other; a batch of one alone teaches nothing."""

    config_type = DomainConfig
    labels = False

    def __call__(self, student: Reading, teacher: Reading | None, key: Array) -> Terms:
        """ "domain_tokenized", "domain_encoded": the discrepancy of this batch."""
        sample, model = student.sample, student.model
        labelled = jnp.asarray(sample.loss_mask).any(1)
        losses = {}
        for level in self.config.levels:
            lookup(dict.fromkeys(LEVELS), "level of domain", level)
            tokens = (
                student.tokens
                if level == "encoded"
                else concatenate([model.tokenize(name, each) for name, each in sorted(sample.observations.items())])
            )
            both = (labelled.any() & ~labelled.all()).astype(jnp.float32)
            losses[f"domain_{level}"] = (discrepancy(pooled(tokens), labelled) * both, both)
        return Terms(losses=losses)


def discrepancy(features: Float[Array, "b d"], first: Bool[Array, " b"]) -> Float[Array, ""]:
    """Squared maximum mean discrepancy between the rows of `first` and the others; 0 where one of them is empty."""
    distance = jnp.square(features[:, None] - features[None]).sum(-1)
    width = jax.lax.stop_gradient(distance.mean()) + 1e-6
    kernel = sum(jnp.exp(-distance / (factor * width)) for factor in FACTORS) / len(FACTORS)
    source, target = (side / jnp.maximum(side.sum(), 1) for side in (first.astype(jnp.float32), 1.0 - first))
    weight = source - target
    return jnp.einsum("i,ij,j->", weight, kernel, weight)
