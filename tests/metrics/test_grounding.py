"""Overlap of boxes: known figures, shapely's answers, and matching one to one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsfm import metrics
from rsfm.boxes import rectangle
from rsfm.metrics.grounding import area, clip

SQUARE = np.array([[0, 0], [2, 0], [2, 2], [0, 2]], float)


def test_upright_overlap_by_hand() -> None:
    moved = np.stack([SQUARE, SQUARE + 1, SQUARE + 5])
    np.testing.assert_allclose(metrics.horizontal_iou(SQUARE[None], moved), [[1, 1 / 7, 0]])
    np.testing.assert_allclose(metrics.oriented_iou(SQUARE[None], moved), [[1, 1 / 7, 0]])
    assert metrics.horizontal_iou(SQUARE[None], np.zeros((0, 4, 2))).shape == (1, 0)
    assert metrics.oriented_iou(np.zeros((1, 4, 2)), SQUARE[None])[0, 0] == 0, "a point has no area"


def test_a_square_turned_by_45_degrees() -> None:
    turned = rectangle((1.0, 1.0), 2.0, 2.0, 45.0)
    shared = 8 * (np.sqrt(2) - 1)  # a regular octagon of inradius 1
    assert metrics.oriented_iou(SQUARE[None], turned[None])[0, 0] == pytest.approx(shared / (8 - shared))
    assert metrics.oriented_iou(SQUARE[None], turned[None, ::-1])[0, 0] == pytest.approx(shared / (8 - shared))


@settings(max_examples=50)
@given(st.lists(st.floats(-3, 3), min_size=10, max_size=10))
def test_overlap_is_symmetric_and_agrees_with_shapely(x: list[float]) -> None:
    left = rectangle(x[:2], 0.5 + abs(x[2]), 0.5 + abs(x[3]), 60 * x[4])
    right = rectangle(x[5:7], 0.5 + abs(x[7]), 0.5 + abs(x[8]), 60 * x[9])
    iou = metrics.oriented_iou(left[None], right[None])[0, 0]
    assert iou == pytest.approx(metrics.oriented_iou(right[None], left[None])[0, 0], abs=1e-9)
    shapely = pytest.importorskip("shapely")
    a, b = shapely.Polygon(left), shapely.Polygon(right)
    assert iou == pytest.approx(a.intersection(b).area / a.union(b).area, abs=1e-6)
    assert area(clip(left, right)) == pytest.approx(a.intersection(b).area, abs=1e-6)


def test_each_box_is_in_one_pair_at_most() -> None:
    iou = np.array([[0.9, 0.6, 0.0], [0.8, 0.0, 0.0]])
    assert metrics.matched(iou, 0.5) == 2, "greedy would give the first column away"
    assert metrics.matched(iou, 0.7) == 1 and metrics.matched(iou[:, :0], 0.5) == 0
