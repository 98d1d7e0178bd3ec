"""A number from remembered places: what is near and alike is believed, and the whole model is in its weights."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from experiments.fuel_moisture.remembered import RememberedConfig, RememberedRegressor
from rsfm.models.published.presto import COLUMNS, GROUPS, PrestoConfig, PrestoInputs
from rsfm.nn.weights import load_weights, save_weights
from rsfm.pytree import replace

N, MONTHS = 40, 3
CONFIG = RememberedConfig(
    encoder=PrestoConfig(width=16, depth=1, decoder_depth=1, heads=2, mlp_width=16), size=N, center=4.6, scale=0.3
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Places:
    inputs: PrestoInputs
    days: jax.Array
    number: jax.Array
    source: jax.Array


@pytest.fixture(scope="module")
def places() -> Places:
    rng = np.random.default_rng(0)
    degrees = rng.uniform((-120, 32), (-105, 48), (N, 2))
    inputs = PrestoInputs(
        values=jnp.asarray(rng.uniform(0.05, 0.6, (N, MONTHS, len(COLUMNS))), jnp.float32),
        valid=jnp.ones((N, MONTHS, len(GROUPS)), bool),
        land_cover=jnp.full((N, MONTHS), 5),
        location_deg=jnp.asarray(degrees, jnp.float32),
        month=jnp.tile(jnp.arange(MONTHS), (N, 1)),
    )
    number = np.where(degrees[:, 1] > 40, 140.0, 80.0)  # north is moist
    return Places(
        inputs=inputs,
        days=jnp.full((N,), 6500.0),
        number=jnp.asarray(number, jnp.float32),
        source=jnp.arange(N),
    )


@pytest.fixture(scope="module")
def model(places) -> RememberedRegressor:
    made = RememberedRegressor(CONFIG, rngs=nnx.Rngs(0))
    made.learn(places.inputs, places.days, places.number, places.source)
    return made


def test_ranks_are_uniform_over_what_is_remembered(model, places):
    ranks = np.asarray(model.features(places.inputs, places.days))[:, : sum(CONFIG.ranked)]
    moving = ranks.std(0) > 0.1  # some features of an untrained encoder stand still
    assert moving.mean() > 0.9
    np.testing.assert_allclose(ranks[:, moving].mean(0), 0.0, atol=0.25)
    np.testing.assert_allclose(ranks[:, moving].std(0), 1.0, atol=0.25)


def test_it_reads_the_number_of_its_neighbours(model, places):
    south = replace(places.inputs, location_deg=jnp.tile(jnp.array([-112.0, 33.0]), (N, 1)))
    north = replace(places.inputs, location_deg=jnp.tile(jnp.array([-112.0, 47.0]), (N, 1)))
    assert (model(north, places.days)[0] > model(south, places.days)[0]).mean() > 0.8


def test_far_from_all_it_knows_it_is_less_sure(model, places):
    away = replace(places.inputs, location_deg=jnp.tile(jnp.array([60.0, -30.0]), (N, 1)))
    assert model(away, places.days)[1].min() > model(places.inputs, places.days)[1].max()


def test_the_whole_model_is_in_its_weights(model, places, tmp_path):
    save_weights(tmp_path / "model.safetensors", model, dtype="float32")
    other = RememberedRegressor(CONFIG, rngs=nnx.Rngs(7))
    load_weights(tmp_path / "model.safetensors", other)
    np.testing.assert_array_equal(other(places.inputs, places.days)[0], model(places.inputs, places.days)[0])
