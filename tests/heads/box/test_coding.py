"""A box and its numbers: there and back for every rectangle, and small changes of one are small changes of the other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsfm.boxes import rectangle
from rsfm.heads.box.coding import box_corners, box_numbers
from rsfm.metrics import oriented_iou

SIDES = st.floats(2, 90)
PLACES = st.floats(-20, 200)
ANGLES = st.floats(-180, 180)


def turned(x: float, y: float, width: float, height: float, angle: float) -> np.ndarray:
    return rectangle([float(x), float(y)], float(width), float(height), float(angle))


def same(left: np.ndarray, right: np.ndarray) -> bool:
    """Whether two lists of boxes are the same, whatever corner they begin with."""
    turned = np.stack([np.abs(np.roll(left, k, axis=1) - right).max((1, 2)) for k in range(4)])
    return bool((turned.min(0) < 1e-2).all())


@given(PLACES, PLACES, SIDES, SIDES, ANGLES)
def test_there_and_back(x: float, y: float, width: float, height: float, angle: float) -> None:
    corners = turned(x, y, width, height, angle)[None]
    assert same(box_corners(box_numbers(corners)), corners)


@given(SIDES, ANGLES)
def test_a_square_has_no_long_side_and_stays_a_turned_square(side: float, angle: float) -> None:
    corners = turned(50, 50, side, side, angle)[None]
    numbers = box_numbers(corners)
    assert np.abs(numbers[0, 3:5]).max() < 1e-3
    assert oriented_iou(box_corners(numbers), corners)[0, 0] > 0.999


@given(SIDES, SIDES, ANGLES)
def test_numbers_do_not_jump(width: float, height: float, angle: float) -> None:
    a, b = (box_numbers(turned(50, 50, width + d, height, angle + d)[None]) for d in (0.0, 1e-3))
    assert np.abs(a - b).max() < 2e-3


def test_a_quarter_turn_turns_the_stretch_about() -> None:
    lying, standing = (box_numbers(turned(0, 0, *sides, 0)[None])[0] for sides in ((8, 2), (2, 8)))
    np.testing.assert_allclose(lying[3:5], -standing[3:5], atol=1e-5)
    np.testing.assert_allclose(lying[5:], standing[5:], atol=1e-5)


def test_a_line_is_a_pixel_wide() -> None:
    line = np.array([[[10, 10], [30, 10], [30, 10], [10, 10]]], float)
    np.testing.assert_allclose(np.ptp(box_corners(box_numbers(line))[0], axis=0), [20, 1], atol=1e-3)


@pytest.mark.parametrize("count", [0, 3])
def test_any_number_of_boxes(count: int) -> None:
    corners = np.stack([turned(i, i, 4, 2, 10 * i) for i in range(count)]) if count else np.zeros((0, 4, 2))
    assert box_corners(box_numbers(corners)).shape == (count, 4, 2)
