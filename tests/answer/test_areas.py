"""Areas out of probabilities: sums, bounds, and strips that may be cut anywhere between patches."""

import numpy as np
import pytest

from rsfm.answer.areas import PATCH, AreaSum


def test_a_sure_map_has_no_spread() -> None:
    sure, area = np.zeros((32, 40)), AreaSum(gsd_m=10.0)
    sure[:8] = 1.0
    area.add(sure, np.ones((32, 40), bool))
    value = area.value("water")
    assert (value.low, value.value, value.high) == (3.2, 3.2, 3.2) and value.unit == "ha"


def test_nodata_counts_for_nothing() -> None:
    valid = np.ones((16, 16), bool)
    valid[:8] = False
    area = AreaSum(gsd_m=100.0)
    area.add(np.ones((16, 16)), valid)
    assert area.value("x").value == 128.0


def test_strips_add_up_and_unsure_maps_are_wide_but_bounded() -> None:
    chance = np.random.default_rng(0).uniform(0.2, 0.8, (4 * PATCH, 3 * PATCH))
    whole, strips = AreaSum(gsd_m=10.0), AreaSum(gsd_m=10.0)
    whole.add(chance, np.ones(chance.shape, bool))
    for top in range(0, len(chance), PATCH):
        strips.add(chance[top : top + PATCH], np.ones((PATCH, chance.shape[1]), bool))
    one, other = whole.value("x"), strips.value("x")
    assert (one.low, one.value, one.high) == pytest.approx((other.low, other.value, other.high))
    assert one.low is not None and one.high is not None
    assert 0 <= one.low < one.value < one.high <= chance.size / 100
    coin = AreaSum(gsd_m=10.0)
    coin.add(np.full((PATCH, PATCH), 0.5), np.ones((PATCH, PATCH), bool))
    assert (coin.value("x").low, coin.value("x").high) == (0.0, PATCH**2 / 100)
