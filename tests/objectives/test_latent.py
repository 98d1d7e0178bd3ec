"""Places are told apart by what a teacher sees: the right ones pay off, one answer for all does not, the teacher is no student."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from rsfm.errors import UserError
from rsfm.heads import HeadConfig, ReconstructionConfig
from rsfm.models.foundation import FoundationModel
from rsfm.nn.transformer import TransformerConfig
from rsfm.objectives import Reading, make_objective
from rsfm.objectives.latent import discrimination
from rsfm.pytree import replace
from tests.models.conftest import sample_of, small_config
from tests.observations import make

OPTIONS = ReconstructionConfig(outputs={"encoded": 0}, width=32, depth=1, heads=2)


@pytest.fixture(scope="module")
def model() -> FoundationModel:
    stack = TransformerConfig(width=32, depth=1, heads=2, mlp_width=64)
    config = small_config(heads={"reconstruction": HeadConfig(options=OPTIONS)}, encoder=stack)
    streams = {"optical": config.streams["optical"]}
    return FoundationModel(dataclasses.replace(config, streams=streams), rngs=nnx.Rngs(0))


def test_the_right_places_cost_least_and_one_answer_for_all_costs_their_number(rng: np.random.Generator) -> None:
    target = jnp.asarray(rng.normal(size=(3, 7, 16)), jnp.float32)
    mask = jnp.asarray(np.arange(7) < np.array([[7], [4], [1]]))
    loss = lambda predicted: discrimination(predicted, target, mask, temperature=0.1)  # noqa: E731
    right, swapped = loss(target), loss(jnp.roll(target, 1, axis=1))
    assert right.sum() < 0.1 * swapped.sum()
    np.testing.assert_allclose(loss(7 * target), right, atol=1e-5)  # directions alone count
    assert (right[~mask] == 0).all() and right[2].sum() == pytest.approx(0, abs=1e-5)  # a single place is no question
    for seed in range(5):
        same = jnp.broadcast_to(jax.random.normal(jax.random.key(seed), (16,)), target.shape)
        means = loss(same).sum(-1) / mask.sum(-1)
        assert (means >= np.log([7, 4, 1]) - 1e-5).all()


def test_places_of_other_pictures_and_places_that_are_not_hidden_do_not_matter(rng: np.random.Generator) -> None:
    target, predicted = (jnp.asarray(rng.normal(size=(2, 5, 8)), jnp.float32) for _ in range(2))
    mask = jnp.asarray([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], bool)
    first = discrimination(predicted, target, mask, temperature=0.1)[0]
    other = target.at[1].set(9.0).at[0, 3:].set(-9.0)
    np.testing.assert_array_equal(first, discrimination(predicted, other, mask, temperature=0.1)[0])


def test_the_loss_falls_and_no_gradient_reaches_the_teacher(model: FoundationModel) -> None:
    """The student learns, on one batch, which place is which; the teacher's weights have a gradient of zero."""
    objective = make_objective("latent", {"hiding": {"places": 0.5, "edge": 8}})
    sample = replace(sample_of({"optical": make(size=32)}), targets={})
    graphdef, params = nnx.split(model)
    teacher = jax.tree.map(jnp.copy, params)

    def loss(student: nnx.State, other: nnx.State) -> tuple[jax.Array, jax.Array]:
        readings = (Reading(nnx.merge(graphdef, each), sample) for each in (student, other))
        total, units = objective(*readings, jax.random.key(0)).losses["latent_encoded"]
        return total / units, units

    slope, optimizer = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True), optax.adam(1e-2)

    @jax.jit
    def step(params: nnx.State, moments: optax.OptState) -> tuple:
        (value, units), (gradient, of_teacher) = slope(params, teacher)
        updates, moments = optimizer.update(gradient, moments)
        return optax.apply_updates(params, updates), moments, value, units, of_teacher

    moments = optimizer.init(params)
    for _ in range(40):
        params, moments, value, units, of_teacher = step(params, moments)
    assert value < 0.5 * np.log(units / 2)  # half of what one answer for all of a picture's places costs
    assert all(not np.asarray(leaf).any() for leaf in jax.tree.leaves(of_teacher))


def test_mistakes_are_named(model: FoundationModel) -> None:
    reading = Reading(model, replace(sample_of({"optical": make(size=32)}), targets={}))
    with pytest.raises(UserError, match="target of the objective latent.*Did you mean 'encoded'"):
        make_objective("latent", {"targets": ["encodd"]})(reading, None, jax.random.key(0))
    with pytest.raises(UserError, match="objective latent: the model has no head 'other'"):
        make_objective("latent", {"head": "other"})(reading, None, jax.random.key(0))
