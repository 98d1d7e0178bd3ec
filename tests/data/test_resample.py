"""Resizing on the host: constants stay, a ramp stays a ramp, classes are never mixed, missing values do not spread."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsfm.data.resample import averaged, linear, nearest, nearest_pixels

EDGES = st.integers(1, 40)


@given(EDGES, EDGES)
def test_every_way_keeps_a_constant(have: int, want: int) -> None:
    plane = np.full((have, have), 3.25, np.float32)
    for found in (nearest(plane, want, want), linear(plane, 0, want), averaged(plane, want, want)):
        np.testing.assert_allclose(found, 3.25, rtol=1e-6)


@given(EDGES, EDGES)
def test_nearest_is_the_pixel_that_holds_the_centre(have: int, want: int) -> None:
    for i, place in enumerate(nearest_pixels(have, want).tolist()):
        assert 2 * want * place <= (2 * i + 1) * have < 2 * want * (place + 1)


def test_a_ramp_stays_a_ramp_between_the_outer_centres() -> None:
    ramp = np.arange(8, dtype=np.float32)
    np.testing.assert_allclose(linear(ramp, 0, 4), [0.5, 2.5, 4.5, 6.5])
    np.testing.assert_allclose(linear(ramp, 0, 16)[1:-1], np.arange(0.25, 7, 0.5))


def test_classes_are_chosen_and_validity_is_strict() -> None:
    assert set(linear(np.array([0, 9]), 0, 7)) == {0, 9}
    assert linear(np.array([True, True, False]), 0, 6).tolist() == [True, True, True, False, False, False]


def test_a_missing_value_does_not_spread_to_pixels_it_has_no_weight_in() -> None:
    found = linear(np.array([1.0, 2.0, np.nan], np.float32), 0, 3)
    np.testing.assert_array_equal(found, [1.0, 2.0, np.nan])


def test_averages_keep_the_sum() -> None:
    plane = np.random.default_rng(0).uniform(size=(12, 18)).astype(np.float32)
    assert averaged(plane, 3, 6).mean() == pytest.approx(plane.mean(), rel=1e-5)
    np.testing.assert_allclose(averaged(plane, 3, 6), plane.reshape(3, 4, 6, 3).mean((1, 3)), rtol=1e-5)
