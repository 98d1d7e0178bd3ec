"""Aligned networks: nothing is learned from one's own twin, only the student is taught, and places are told apart."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.errors import UserError
from rsfm.models.foundation import FoundationModel
from rsfm.objectives import Reading, make_objective
from rsfm.objectives.align import among_places
from rsfm.objectives.hiding import HidingConfig, hide
from rsfm.pytree import replace
from rsfm.types import Tokens
from tests.models.conftest import sample_of, small_config
from tests.observations import make


@pytest.fixture(scope="module")
def models() -> list[FoundationModel]:
    return [FoundationModel(small_config(heads={}), rngs=nnx.Rngs(seed)) for seed in (0, 1)]


SAMPLE = replace(sample_of({"optical": make(size=32)}), targets={})


def losses(options: dict, student: FoundationModel, teacher: FoundationModel, sample=SAMPLE) -> dict[str, float]:
    objective = make_objective("align", {"streams": {"optical": ""}, **options})
    run = nnx.jit(lambda s, t: objective(Reading(s, sample), Reading(t, sample), jax.random.key(0)).losses)
    return {name: float(total / units) for name, (total, units) in run(student, teacher).items()}


def test_a_network_is_aligned_with_itself_and_not_with_another(models: list[FoundationModel]) -> None:
    same, other = losses({"temperature": 0.02}, models[0], models[0]), losses({"temperature": 0.02}, *models)
    assert same.keys() == {"align_image", "align_token"}
    assert all(same[name] < other[name] for name in same)


def test_what_the_student_does_not_see_is_still_a_target(models: list[FoundationModel]) -> None:
    """With all but one place hidden from the student, other values there move the loss through the teacher alone."""
    config = HidingConfig(places=0.9, edge=8)
    observation = SAMPLE.observations["optical"]
    _, hidden = hide(observation, config, jax.random.fold_in(jax.random.key(0), 0))
    other = replace(observation, values=jnp.where(hidden[..., None], -observation.values, observation.values))
    options = {"hiding": {"places": 0.9, "edge": 8}, "levels": ["image"], "temperature": 1.0}
    before, after = (
        losses(options, models[0], models[0], replace(SAMPLE, observations={"optical": each}))
        for each in (observation, other)
    )
    assert abs(before["align_image"] - after["align_image"]) > 1e-4


def test_no_gradient_reaches_the_teacher(models: list[FoundationModel]) -> None:
    objective = make_objective("align", {"streams": {"optical": "optical"}})

    def loss(teacher: FoundationModel) -> jax.Array:
        terms = objective(Reading(models[0], SAMPLE), Reading(teacher, SAMPLE), jax.random.key(0)).losses
        return sum(total for total, _ in terms.values())

    gradient = jax.tree.leaves(nnx.grad(loss)(models[1]))
    assert gradient and not any(bool(jnp.any(leaf != 0)) for leaf in gradient)


def test_a_place_is_found_among_those_of_its_own_picture(rng: np.random.Generator) -> None:
    mask = jnp.ones((2, 5), bool).at[0, 4].set(False)
    x = jnp.asarray(rng.normal(size=(2, 5, 16)), jnp.float32)
    tokens = Tokens(embeddings=x, mask=mask, position=jnp.zeros((2, 5, 3)))
    found, units = among_places(tokens, tokens, jnp.float32(50.0))
    lost, _ = among_places(tokens, replace(tokens, embeddings=jnp.roll(x, 1, axis=1)), jnp.float32(50.0))
    assert units == 9 and found < 0.1 < lost
    swapped, _ = among_places(tokens, replace(tokens, embeddings=x[::-1]), jnp.float32(50.0))
    assert swapped > 1  # another picture's places are no partners


def test_mistakes_are_named(models: list[FoundationModel]) -> None:
    student = Reading(models[0], SAMPLE)
    with pytest.raises(UserError, match="Set train.teacher_decay"):
        make_objective("align", {"streams": {"optical": ""}})(student, None, jax.random.key(0))
    with pytest.raises(UserError, match="Did you mean 'optical'"):
        make_objective("align", {"streams": {"optcal": ""}})(student, student, jax.random.key(0))
    with pytest.raises(UserError, match="Did you mean 'image'"):
        make_objective("align", {"streams": {"optical": ""}, "levels": ["imag"]})(student, student, jax.random.key(0))
