"""Cubes of bands and pixels: each is hidden by itself, what is hidden moves no token, and both losses are what they say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.errors import UserError
from rsfm.heads import HeadConfig, ReconstructionConfig
from rsfm.models.foundation import FoundationModel
from rsfm.objectives import Reading, make_objective
from rsfm.objectives.cubes import apart, covered, cubes_of, drawn
from rsfm.pytree import replace
from tests.models.conftest import sample_of, small_config
from tests.observations import make

EDGE = small_config().streams["optical"].spec.patch
OBSERVATION = make(size=32)
BANDS = OBSERVATION.values.shape[-1]


def test_groups_of_bands_are_the_bands_in_order() -> None:
    parts = apart(OBSERVATION, "optical", 1)
    assert list(parts) == [f"optical/{i + 1}" for i in range(BANDS)]
    together = jnp.concatenate([part.values for part in parts.values()], axis=-1)
    np.testing.assert_array_equal(together, OBSERVATION.values)
    with pytest.raises(UserError, match="make no cubes of 5"):
        apart(OBSERVATION, "optical", 5)


def test_a_cube_is_hidden_in_its_own_bands_only() -> None:
    hidden = drawn(OBSERVATION, EDGE, BANDS, 0.9, jax.random.key(0))
    assert 0.7 < float(hidden.mean()) < 1.0
    assert (hidden[:, 0] != hidden[:, 1]).any(), "bands share their places"
    seen = covered(OBSERVATION, hidden[:, 0], EDGE)
    kept = seen.valid.reshape(-1, 1, 32 // EDGE, EDGE, 32 // EDGE, EDGE).any((1, 3, 5))
    np.testing.assert_array_equal(kept, ~hidden[:, 0])


def test_losses_are_mean_squares_of_cubes_and_of_their_sum() -> None:
    objective = make_objective("cubes", {"bands": 1})
    truth = cubes_of(OBSERVATION, EDGE, 1)
    flat = jnp.moveaxis(truth, 1, 2).reshape(truth.shape[0], truth.shape[2], -1)
    model = FoundationModel(small_config(heads={}), rngs=nnx.Rngs(0))
    places = model.tokenize("optical", OBSERVATION)
    hidden = drawn(OBSERVATION, EDGE, BANDS, 0.5, jax.random.key(0))
    right = objective._losses(flat, OBSERVATION, places, hidden, EDGE)
    assert all(float(total) == 0 for total, _ in right.values())
    off = objective._losses(flat + 1.0, OBSERVATION, places, hidden, EDGE)
    (token, hidden_cubes), (spectrum, all_places) = off["cubes_token"], off["cubes_spectrum"]
    assert float(token / hidden_cubes) == pytest.approx(1.0) and hidden_cubes == hidden.sum()
    assert float(spectrum / all_places) == pytest.approx(BANDS**2, rel=1e-4)


def test_hidden_cubes_move_the_loss_as_targets_alone() -> None:
    options = ReconstructionConfig(outputs={"cubes": EDGE**2 * BANDS}, width=16, depth=1, heads=2)
    model = FoundationModel(small_config(heads={"reconstruction": HeadConfig(options=options)}), rngs=nnx.Rngs(0))
    objective = make_objective("cubes", {"bands": 1, "hidden": 1.0, "targets": ["token"]})

    def predicted(observation) -> jax.Array:
        """With every cube hidden nothing of the values is left to predict from."""
        sample = replace(sample_of({"optical": observation}), targets={})
        return objective(Reading(model, sample), None, jax.random.key(0)).losses["cubes_token"][0]

    moved = replace(OBSERVATION, values=OBSERVATION.values[::-1])
    turned = replace(OBSERVATION, values=OBSERVATION.values * 3 + 1)  # standardized away
    assert float(predicted(turned)) == pytest.approx(float(predicted(OBSERVATION)), rel=1e-3)
    assert np.isfinite(float(predicted(moved)))


def test_mistakes_are_named() -> None:
    model = FoundationModel(small_config(heads={}), rngs=nnx.Rngs(0))
    sample = replace(sample_of({"optical": OBSERVATION}), targets={})
    with pytest.raises(UserError, match="needs a head 'reconstruction'"):
        make_objective("cubes", {})(Reading(model, sample), None, jax.random.key(0))
    with pytest.raises(UserError, match="reads one date, this stream has 3"):
        drawn(make(size=32, t=3), EDGE, 3, 0.9, jax.random.key(0))
