"""The discrepancy of two domains: none between halves of one distribution, more the farther they are, a gradient that joins them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.models.foundation import FoundationModel
from rsfm.objectives import Reading, make_objective
from rsfm.objectives.domain import discrepancy
from rsfm.pytree import replace
from tests.models.conftest import sample_of, small_config
from tests.observations import make

FIRST = jnp.arange(64) < 32


def shifted(rng: np.random.Generator, by: float) -> jax.Array:
    return jnp.asarray(rng.normal(size=(64, 8)), jnp.float32) + by * FIRST[:, None]


def test_it_grows_with_the_distance_of_the_domains(rng: np.random.Generator) -> None:
    values = [float(discrepancy(shifted(rng, by), FIRST)) for by in (0.0, 0.5, 2.0)]
    assert 0 <= values[0] < values[1] < values[2]
    same = shifted(rng, 0.0)[:32]
    assert float(discrepancy(jnp.concatenate([same, same]), FIRST)) == pytest.approx(0, abs=1e-5)


def test_spread_tells_domains_of_one_mean_apart(rng: np.random.Generator) -> None:
    features = shifted(rng, 0.0)
    wide = jnp.where(FIRST[:, None], 4 * features, features)
    assert float(discrepancy(wide, FIRST)) > 2 * float(discrepancy(features, FIRST))


def test_following_the_gradient_joins_them(rng: np.random.Generator) -> None:
    features = shifted(rng, 2.0)
    before = float(discrepancy(features, FIRST))
    for _ in range(50):
        features -= 20 * jax.grad(discrepancy)(features, FIRST)
    assert float(discrepancy(features, FIRST)) < before / 2


@pytest.mark.parametrize(("labelled", "units"), [([True, False], 1), ([True, True], 0), ([False, False], 0)])
def test_a_batch_of_one_domain_teaches_nothing(labelled: list[bool], units: int) -> None:
    model = FoundationModel(small_config(heads={}), rngs=nnx.Rngs(0))
    sample = replace(sample_of({"optical": make(size=32)}), targets={})
    mask = jnp.zeros(sample.loss_mask.shape, bool).at[:, -1].set(jnp.asarray(labelled))
    reading = Reading(model, replace(sample, loss_mask=mask))
    for total, count in make_objective("domain", {})(reading, None, jax.random.key(0)).losses.values():
        assert int(count) == units and (float(total) > 0) == bool(units)
