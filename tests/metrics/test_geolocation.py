"""Distances against known ones, and the shares within the published levels."""

import numpy as np
import pytest

from rsfm.metrics.geolocation import EARTH_RADIUS_KM, LEVELS_KM, distance_km, within

LJUBLJANA, MARIBOR = np.array([14.5058, 46.0569]), np.array([15.6459, 46.5547])


def test_a_known_distance():
    assert distance_km(LJUBLJANA, MARIBOR) == pytest.approx(103.4, abs=0.5)


def test_over_the_date_line_and_the_poles():
    assert distance_km(np.array([179.5, 0.0]), np.array([-179.5, 0.0])) == pytest.approx(111.195, abs=1e-3)
    assert distance_km(np.array([0.0, 90.0]), np.array([123.0, 90.0])) == pytest.approx(0, abs=1e-9)
    assert distance_km(np.array([10.0, 20.0]), np.array([-170.0, -20.0])) == pytest.approx(np.pi * EARTH_RADIUS_KM)


def test_distance_is_symmetric_and_by_row(rng):
    left, right = rng.uniform(-90, 90, (2, 7, 2))
    np.testing.assert_allclose(distance_km(left, right), distance_km(right, left))
    assert distance_km(left, right).shape == (7,)


def test_shares_within():
    scores = within(np.array([0.5, 24.0, 26.0, 700.0, 9000.0]))
    assert [scores[f"within_{level:g}_km"] for level in LEVELS_KM] == [0.2, 0.4, 0.6, 0.8, 0.8]
    assert scores["median_km"] == 26.0


def test_no_place_is_not_a_score():
    assert np.isnan(list(within(np.zeros(0)).values())).all()
