"""Areas out of probabilities: sums, bounds, and strips that may be cut anywhere between patches."""

import numpy as np
import pytest

from rsfm.answer.areas import PATCH, AreaSum
from rsfm.data.reading.ground import WGS84
from rsfm.types import GeoGrid


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


def test_each_pixel_counts_with_its_own_ground() -> None:
    """In degrees from 40 to 60 north: a row holds less ground the further north it lies, wherever strips are cut."""
    grid = GeoGrid(crs="EPSG:4326", transform=(0.1, 0.0, 10.0, 0.0, -0.1, 60.0), height=200, width=30)
    area, north, south = (AreaSum(8_000.0, grid, (200, 30)) for _ in range(3))
    for first in range(0, 200, 50):
        area.add(np.ones((50, 30)), np.ones((50, 30), bool), first)
    north.add(np.ones((100, 30)), np.ones((100, 30), bool), 0)
    south.add(np.ones((100, 30)), np.ones((100, 30), bool), 100)
    east = np.linspace(10, 13, 99)
    longitude, latitude = np.concatenate([east, east[::-1]]), np.repeat([60.0, 40.0], 99)
    truth = abs(WGS84.polygon_area_perimeter(longitude, latitude)[0])
    assert area.value("x").value == pytest.approx(truth / 1e4, rel=1e-3)
    assert north.value("x").value < 0.9 * south.value("x").value
    assert north.value("x").value + south.value("x").value == pytest.approx(area.value("x").value)


def test_a_grid_of_another_size_is_not_the_maps() -> None:
    grid = GeoGrid(crs="EPSG:4326", transform=(0.1, 0.0, 10.0, 0.0, -0.1, 60.0), height=200, width=30)
    area = AreaSum(100.0, grid, (16, 16))
    area.add(np.ones((16, 16)), np.ones((16, 16), bool))
    assert area.value("x").value == 256.0
