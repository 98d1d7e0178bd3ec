"""Presto made of our modules gives the reference implementation's numbers, recorded from it with torch 2.13."""

import runpy
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.data.root import REPOSITORY
from rsfm.models.published.presto import (
    COLUMNS,
    GROUPS,
    LAND_COVERS,
    Presto,
    PrestoConfig,
    PrestoInputs,
    normalize,
)
from rsfm.nn.weights import assign, load_weights
from rsfm.pytree import replace

RECORDED = Path(__file__).parents[2] / "fixtures" / "presto.npz"
TINY = PrestoConfig(width=16, depth=2, decoder_depth=1, heads=2, mlp_width=32)
PUBLISHED = REPOSITORY / "tokenizers/presto/model.safetensors"


@pytest.fixture(scope="module")
def recorded() -> dict[str, np.ndarray]:
    with np.load(RECORDED) as file:
        return dict(file)


@pytest.fixture(scope="module")
def inputs(recorded) -> PrestoInputs:
    names = ("values", "valid", "land_cover", "location_deg", "month")
    return PrestoInputs(**{name: jnp.asarray(recorded[name]) for name in names})


@pytest.fixture(scope="module")
def tiny(recorded) -> Presto:
    convert = runpy.run_path(str(REPOSITORY / "tokenizers/presto/convert.py"))["convert"]
    model = Presto(TINY, rngs=nnx.Rngs(0))
    theirs = {name.removeprefix("weight."): value for name, value in recorded.items() if name.startswith("weight.")}
    assign(model, convert(theirs), where="presto")
    return model


def check(model: Presto, name: str, inputs: PrestoInputs, recorded: dict[str, np.ndarray]) -> None:
    columns, land_cover = model(inputs)
    np.testing.assert_allclose(model.encoder(inputs), recorded[f"{name}.pooled"], atol=1e-4)
    np.testing.assert_allclose(columns, recorded[f"{name}.columns"], atol=1e-4)
    np.testing.assert_allclose(land_cover, recorded[f"{name}.land_cover"], atol=1e-4)


def test_recorded_activations(tiny, inputs, recorded):
    check(tiny, "tiny", inputs, recorded)


def test_recorded_activations_of_the_published_weights(inputs, recorded):
    if not PUBLISHED.is_file():
        pytest.skip("tokenizers/presto/model.safetensors is not there; `python tokenizers/presto/convert.py` makes it")
    model = Presto(PrestoConfig(), rngs=nnx.Rngs(0))
    load_weights(PUBLISHED, model)
    check(model, "published", inputs, recorded)


def test_what_is_masked_changes_nothing(tiny, inputs):
    hidden = np.repeat(~np.asarray(inputs.valid), [len(columns) for columns in GROUPS.values()], axis=-1)
    still = [list(COLUMNS).index(name) for name in GROUPS["terrain"]]
    hidden[:, 1:, still] = True  # of the terrain only the first month is read
    noisy = replace(inputs, values=jnp.where(hidden, 7.0, inputs.values))
    np.testing.assert_array_equal(tiny.encoder(noisy), tiny.encoder(inputs))
    unknown = replace(inputs, land_cover=jnp.full_like(inputs.land_cover, LAND_COVERS))
    assert not np.allclose(tiny.encoder(unknown), tiny.encoder(inputs), atol=1e-3)


def test_a_month_alone_is_enough(tiny, inputs):
    alone = PrestoInputs(
        values=inputs.values[:, :1],
        valid=inputs.valid[:, :1],
        land_cover=inputs.land_cover[:, :1],
        location_deg=inputs.location_deg,
        month=inputs.month[:, :1],
    )
    assert np.isfinite(tiny.encoder(alone)).all()


def test_columns_are_normalized_as_published():
    physical = np.zeros((1, 1, len(COLUMNS)), np.float32)
    at = list(COLUMNS).index
    physical[..., at("VV")], physical[..., at("B8")] = -25.0, 0.3
    physical[..., at("temperature_2m")], physical[..., at("elevation")] = 307.15, 500.0
    numbers = normalize(physical)[0, 0]
    expected = {"VV": 0.0, "B8": 0.3, "temperature_2m": 1.0, "elevation": 0.25}
    np.testing.assert_allclose([numbers[at(name)] for name in expected], list(expected.values()), atol=1e-6)


def test_groups_follow_the_columns():
    assert [column for columns in GROUPS.values() for column in columns] == list(COLUMNS)
