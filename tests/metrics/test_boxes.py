"""Scores of boxes: average precision by hand and against the COCO tool, greedy matching, counts."""

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsfm.boxes import rectangle
from rsfm.metrics import DETECTION_METRICS, box_average_precision
from rsfm.metrics.boxes import MOST_GIVEN, detection_row, hits


def upright(*boxes: tuple[float, float, float, float]) -> np.ndarray:
    """Corners of boxes given by left, top, width, height."""
    return np.array([[[x, y], [x + w, y], [x + w, y + h], [x, y + h]] for x, y, w, h in boxes], float).reshape(-1, 4, 2)


def test_average_precision_by_hand() -> None:
    wanted = upright((0, 0, 10, 10), (50, 0, 10, 10))
    given_ = upright((0, 0, 10, 10), (200, 0, 10, 10), (51, 0, 10, 10))
    rows = detection_row(wanted, given_, np.array([0.9, 0.8, 0.7]), 2.0)[None]
    assert box_average_precision(rows) == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)
    assert DETECTION_METRICS["precision@0.5"](rows) == 0.5, "of the two boxes counted one is right"
    assert DETECTION_METRICS["recall@0.5"](rows) == 0.5
    assert DETECTION_METRICS["count_mae"](rows) == 0.0


def test_a_thing_is_found_once_and_by_its_turned_box() -> None:
    ship = rectangle([50.0, 50.0], 40.0, 8.0, 30.0)[None]
    twice = np.concatenate([ship, ship + 0.5])
    assert hits(ship, twice, np.array([0.6, 0.9]), 0.5).tolist() == [False, True], "the surer one takes it"
    (left, top), (right, bottom) = ship[0].min(0), ship[0].max(0)
    hull = upright((left, top, right - left, bottom - top))
    assert not hits(ship, hull, np.ones(1), 0.5).any(), "an upright hull is not the turned box"


def test_scores_rank_over_all_records_and_nothing_wanted_has_no_score() -> None:
    one = upright((0, 0, 10, 10))
    good, bad = detection_row(one, one, np.array([0.3]), 1.0), detection_row(one, one + 30, np.array([0.9]), 1.0)
    assert box_average_precision(np.stack([good, bad])) == pytest.approx(51 * 0.5 / 101)
    empty = detection_row(np.zeros((0, 4, 2)), np.zeros((0, 4, 2)), np.zeros(0), 0.0)
    assert len(empty) == 4 + 2 * MOST_GIVEN and np.isnan(box_average_precision(empty[None]))


BOX = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(6, 30), st.integers(6, 30))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.lists(BOX, max_size=5), st.lists(BOX, max_size=6)), min_size=1, max_size=4), st.integers(0, 9)
)
def test_as_the_coco_tool(pictures: list[tuple[list[Any], list[Any]]], seed: int) -> None:
    """faster-coco-eval, the reference of the field, where it is installed."""
    coco = pytest.importorskip("faster_coco_eval")
    if not any(wanted for wanted, _ in pictures) or not any(given_ for _, given_ in pictures):
        return
    scores = np.random.default_rng(seed).permutation(30) / 30
    truth: dict[str, Any] = {"categories": [{"id": 1, "name": "ship"}], "images": [], "annotations": []}
    found, rows, at = list[Any](), [], 0
    for i, (wanted, given_) in enumerate(pictures, start=1):
        truth["images"].append({"id": i, "width": 100, "height": 100})
        for box in wanted:
            named = {"id": len(truth["annotations"]) + 1, "image_id": i, "category_id": 1, "iscrowd": 0}
            truth["annotations"].append({**named, "bbox": list(box), "area": box[2] * box[3]})
        own = scores[at : at + len(given_)]
        at += len(given_)
        found += [
            {"image_id": i, "category_id": 1, "bbox": list(box), "score": float(score)}
            for box, score in zip(given_, own, strict=True)
        ]
        rows.append(detection_row(upright(*wanted), upright(*given_), own, float(len(given_))))
    with contextlib.redirect_stdout(io.StringIO()):
        known = coco.COCO(truth)
        evaluated = coco.COCOeval_faster(known, known.loadRes(found), "bbox")
        evaluated.params.iouThrs = np.array([0.5])
        evaluated.evaluate()
        evaluated.accumulate()
    precision = evaluated.eval["precision"][0, :, 0, 0, -1]
    assert box_average_precision(np.stack(rows)) == pytest.approx(float(precision.mean()), abs=1e-6)
