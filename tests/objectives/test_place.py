"""Places: pictures are not told where they are, the queue makes it harder, and what is moved stays on Earth."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

from rsfm.errors import UserError
from rsfm.heads import ContrastiveConfig, HeadConfig
from rsfm.models.foundation import FoundationModel
from rsfm.objectives import Reading, make_objective
from rsfm.objectives.place import moved, seen_without_place
from rsfm.pytree import replace
from tests.models.conftest import sample_of, small_config
from tests.observations import make

MODEL = FoundationModel(
    small_config(heads={"contrastive": HeadConfig(options=ContrastiveConfig(width=8))}), rngs=nnx.Rngs(0)
)
PLACES = jnp.asarray([[13.4, 52.5], [-70.6, -33.4]])
SAMPLE = replace(sample_of({"optical": make(size=32)}), targets={}, location_deg=PLACES)


def loss(sample=SAMPLE, **options: int) -> tuple[float, float]:
    total, units = make_objective("place", options)(Reading(MODEL, sample), None, jax.random.key(0)).losses["place"]
    return float(total), float(units)


def test_the_picture_is_not_told_its_place() -> None:
    here, there = (seen_without_place(MODEL, replace(SAMPLE, location_deg=p)) for p in (PLACES, PLACES[::-1]))
    np.testing.assert_array_equal(here.embeddings, there.embeddings)


def test_more_places_are_more_wrong_answers() -> None:
    assert loss(queue=8)[0] > loss(queue=0)[0]


def test_a_record_without_a_place_is_left_out() -> None:
    unknown = replace(SAMPLE, location_deg=PLACES.at[1].set(jnp.nan))
    total, units = loss(unknown, queue=4)
    assert units == 1 and np.isfinite(total)


def test_the_same_place_twice_is_no_wrong_answer() -> None:
    twice = replace(SAMPLE, location_deg=PLACES.at[1].set(PLACES[0]))
    assert loss(twice, queue=0)[0] == pytest.approx(0, abs=1e-5)


@given(st.floats(-180, 180, width=32), st.floats(-90, 90, width=32), st.integers(1, 6))
def test_moved_places_are_on_earth(longitude: float, latitude: float, copies: int) -> None:
    made = np.asarray(moved(jnp.asarray([[longitude, latitude]]), copies, jax.random.key(0)))
    assert made.shape == (copies, 2) and (np.abs(made) <= [180, 90]).all()


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match="has no head 'other'"):
        loss(head="other")
