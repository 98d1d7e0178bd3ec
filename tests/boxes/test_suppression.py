"""Non-maximum suppression: against a plain one by our own oriented IoU, and the rules for boxes cut by a window's edge."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rsfm.boxes import rectangle
from rsfm.boxes.suppression import suppressed
from rsfm.metrics import oriented_iou

BOX = st.tuples(*(st.floats(0, 40) for _ in range(2)), *(st.floats(2, 30) for _ in range(2)), st.floats(0, 180))


def turned(x: float, y: float, width: float, height: float, angle: float) -> np.ndarray:
    return rectangle([float(x), float(y)], float(width), float(height), float(angle))


def plainly(corners: np.ndarray, scores: np.ndarray, same: float) -> list[int]:
    """The definition: the best box stays, whatever overlaps it goes, and so on."""
    iou, left, stays = oriented_iou(corners, corners), list(np.argsort(-scores, kind="stable")), list[int]()
    while left:
        best = left.pop(0)
        stays.append(int(best))
        left = [i for i in left if iou[best, i] < same]
    return stays


@settings(max_examples=40)
@given(st.lists(BOX, max_size=12), st.integers(0, 99), st.floats(0.2, 0.8))
def test_is_the_definition(boxes: list[tuple[float, ...]], seed: int, same: float) -> None:
    corners = np.array([turned(x, y, w, h, a) for x, y, w, h, a in boxes]).reshape(-1, 4, 2)
    scores = np.random.default_rng(seed).permutation(len(boxes)) / 12
    assert suppressed(corners, scores, same=same).tolist() == plainly(corners, scores, same)


def test_a_turned_neighbour_stays_where_upright_hulls_overlap() -> None:
    ships = np.stack([turned(20, 20, 40, 6, 45), turned(26, 14, 40, 6, 45)])
    assert len(suppressed(ships, np.array([0.9, 0.8]))) == 2


def test_the_whole_box_stays_and_its_part_goes_whatever_their_scores() -> None:
    whole, part = turned(20, 20, 20, 10, 0), turned(13, 20, 6, 10, 0)
    both, scores = np.stack([part, whole]), np.array([0.9, 0.6])
    assert suppressed(both, scores, cut=np.array([True, False])).tolist() == [1]
    assert suppressed(both, scores).tolist() == [0, 1], "a small thing on a large one is a thing of its own"


def test_no_boxes() -> None:
    assert suppressed(np.zeros((0, 4, 2)), np.zeros(0)).shape == (0,)
