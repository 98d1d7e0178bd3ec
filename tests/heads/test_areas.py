"""Ground area by class: the map's own pixels, strip by strip, never more than the scene."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsfm.heads.mask.areas import ClassAreas
from rsfm.heads.scene import Canvas, Tiling


@given(seed=st.integers(0, 99), cut=st.integers(1, 19), gsd_m=st.sampled_from((0.5, 10.0, 30.0)))
def test_strips_add_up_to_the_pixels_of_the_map(seed: int, cut: int, gsd_m: float) -> None:
    rng = np.random.default_rng(seed)
    index, valid = rng.integers(-1, 3, (20, 14)), rng.random((20, 14)) < 0.7
    index[~valid] = -1
    areas = ClassAreas(3, Canvas(tiling=Tiling(height=20, width=14, size=8), gsd_m=gsd_m))
    for first in range(0, 20, cut):
        areas.add(first, index[first : first + cut], valid[first : first + cut])
    expected = [np.count_nonzero(index == i) * gsd_m**2 / 1e4 for i in range(3)]
    np.testing.assert_allclose(areas.hectares, expected)
    assert areas.seen == valid.sum() and areas.hectares.sum() <= areas.seen_ha + 1e-9 <= areas.whole_ha + 2e-9
    assert areas.whole_ha == pytest.approx(280 * gsd_m**2 / 1e4)
