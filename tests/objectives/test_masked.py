"""Hidden parts are hidden: what stands there changes no token of the student; the head predicts it; mistakes are named."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.errors import UserError
from rsfm.heads import HeadConfig, ReconstructionConfig
from rsfm.models.foundation import FoundationModel
from rsfm.objectives import HidingConfig, Reading, make_objective
from rsfm.objectives.hiding import hide
from rsfm.pytree import replace
from tests.models.conftest import sample_of, small_config
from tests.observations import make

OPTIONS = ReconstructionConfig(outputs={"tokens": 0}, width=16, depth=1, heads=2)


@pytest.mark.parametrize(
    ("config", "least", "most"),
    [
        (HidingConfig(places=0.5, edge=8), 0.2, 0.8),
        (HidingConfig(places=0.5, edge=8, tubes=True), 0.2, 0.8),
        (HidingConfig(places=1.0, edge=8, pixels=0.5), 0.4, 0.6),
        (HidingConfig(places=0.0, dates=0.5), 0.0, 1.0),
    ],
    ids=["places", "tubes", "pixels", "dates"],
)
def test_what_is_hidden_is_not_valid(config: HidingConfig, least: float, most: float) -> None:
    observation = make(size=32, t=3)
    observation = replace(observation, valid=observation.valid.at[0, 1].set(False))
    seen, hidden = hide(observation, config, jax.random.key(0))
    assert not (seen.valid & hidden).any() and (seen.valid | hidden == observation.valid).all()
    assert least <= float(hidden.mean()) <= most
    if config.tubes:
        np.testing.assert_array_equal(hidden[1, 0], hidden[1, 2])
    if config.dates:
        assert set(np.asarray(hidden.mean((2, 3))).ravel()) <= {0.0, 1.0}


def test_a_band_always_stays() -> None:
    seen, _ = hide(make(size=32), HidingConfig(bands=1.0), jax.random.key(0))
    assert (seen.band_valid.sum(-1) == 1).all()


@pytest.fixture(scope="module")
def model() -> FoundationModel:
    heads = {"reconstruction": HeadConfig(options=OPTIONS)}
    return FoundationModel(small_config(heads=heads), rngs=nnx.Rngs(0))


def test_the_loss_reads_hidden_places_only_as_a_target(model: FoundationModel) -> None:
    """Tokens of the student do not move with what is hidden from it; the loss does, through the teacher."""
    objective = make_objective("masked", {"hiding": {"places": 0.5, "edge": 8}})
    key = jax.random.key(3)
    observation = make(size=32)
    sample = replace(sample_of({"optical": observation}), targets={})
    seen, parts = objective._hidden(sample.observations, key)
    other = replace(observation, values=jnp.where(parts["optical"].valid[..., None], 9.0, observation.values))
    again, _ = objective._hidden({"optical": other}, key)
    encode = nnx.jit(lambda m, o: m.encode(o, sample.location_deg)[0]["optical"].embeddings)
    np.testing.assert_array_equal(encode(model, seen), encode(model, again))
    run = nnx.jit(lambda m, s: objective(Reading(m, s), Reading(m, s), key).losses["masked_tokens"])
    (first, units), (second, _) = run(model, sample), run(model, replace(sample, observations={"optical": other}))
    assert units == parts["optical"].valid.reshape(2, 1, 2, 16, 2, 16).any((3, 5)).sum() or units > 0
    assert np.isfinite(first) and abs(float(first - second)) > 1e-3


def test_mistakes_are_named(model: FoundationModel) -> None:
    sample = replace(sample_of({"optical": make(size=32)}), targets={})
    reading = Reading(model, sample)
    with pytest.raises(UserError, match="predicts \\['tokens'\\], not encoded. Add it to its options"):
        make_objective("masked", {"targets": ["encoded"]})(reading, None, jax.random.key(0))
    with pytest.raises(UserError, match="Did you mean 'tokens'"):
        make_objective("masked", {"targets": ["tokns"]})(reading, None, jax.random.key(0))
    with pytest.raises(UserError, match="has no head 'other'"):
        make_objective("masked", {"head": "other"})(reading, None, jax.random.key(0))
