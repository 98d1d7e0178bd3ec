"""Scores against hand-computed numbers and scikit-learn, and what the bootstrap interval must do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsfm import metrics

CONFUSION = np.array([[3, 1, 0], [2, 4, 0], [0, 0, 0]])


def test_confusion_counts_truth_in_rows_and_leaves_out_the_unlabelled() -> None:
    truth, guess = np.array([[0, 0, 1], [1, -1, 0]]), np.array([[0, 1, 1], [1, 1, 0]])
    np.testing.assert_array_equal(metrics.confusion_matrix(truth, guess, 2), [[2, 1], [0, 2]])


def test_map_scores_by_hand() -> None:
    assert metrics.overall_accuracy(CONFUSION) == pytest.approx(7 / 10)
    assert metrics.mean_iou(CONFUSION) == pytest.approx((3 / 6 + 4 / 7) / 2)  # the third class is not in the truth
    assert metrics.mean_class_accuracy(CONFUSION) == pytest.approx((3 / 4 + 4 / 6) / 2)
    expected = (4 * 5 + 6 * 5) / 100
    assert metrics.kappa(CONFUSION) == pytest.approx((0.7 - expected) / (1 - expected))


def test_scores_agree_with_scikit_learn() -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    truth, guess = rng.integers(0, 4, 300), rng.integers(0, 4, 300)
    confusion = metrics.confusion_matrix(truth, guess, 4)
    assert metrics.kappa(confusion) == pytest.approx(sklearn.cohen_kappa_score(truth, guess))
    assert metrics.mean_iou(confusion) == pytest.approx(sklearn.jaccard_score(truth, guess, average="macro"))
    labels, score = rng.random((60, 5)) < 0.3, np.round(rng.random((60, 5)), 1)  # rounded: ties
    assert metrics.mean_average_precision(labels, score) == pytest.approx(
        sklearn.average_precision_score(labels, score)
    )
    assert metrics.micro_f1(labels, score > 0.6) == pytest.approx(
        sklearn.f1_score(labels, score > 0.6, average="micro")
    )
    assert metrics.macro_f1(labels, score > 0.6) == pytest.approx(
        sklearn.f1_score(labels, score > 0.6, average="macro")
    )
    x, y = rng.normal(size=50), rng.normal(size=50)
    assert metrics.r2(x, y) == pytest.approx(sklearn.r2_score(y, x))
    assert metrics.rmse(x, y) == pytest.approx(sklearn.root_mean_squared_error(y, x))
    assert metrics.mae(x, y) == pytest.approx(sklearn.mean_absolute_error(y, x))


def test_intervals_cover_with_both_ends() -> None:
    low, high = np.zeros(4), np.ones(4)
    assert metrics.interval_coverage(np.array([0.0, 0.5, 1.0, 2.0]), low, high) == 0.75


def test_bleu_of_a_sentence_with_itself_is_one_and_brevity_costs() -> None:
    text = "many planes are parked near a terminal"
    same = metrics.bleu_statistics(text + " .", [text])
    assert metrics.bleu4(same[None]) == pytest.approx(1)
    short = metrics.bleu_statistics("many planes are parked", [text])
    assert metrics.bleu4(short[None]) == pytest.approx(np.exp(1 - 7 / 4))


def test_bleu_by_hand() -> None:
    """Papineni's clipping: seven "the" against two in the reference; and the closest reference length."""
    row = metrics.bleu_statistics("the the the the the the the", ["the cat is on the mat", "there is a cat on the mat"])
    np.testing.assert_array_equal(row, [2, 0, 0, 0, 7, 6, 5, 4, 7, 7])
    rows = np.stack(
        [
            metrics.bleu_statistics("a river runs through green fields", ["a river runs through fields of green"]),
            metrics.bleu_statistics("two ships in a harbor", ["two ships lie in a harbor"]),
        ]
    )
    # n-grams: 11 of 11, 6 of 9 ("runs through" .. / "two ships", "in a", "a harbor"), 3 of 7, 1 of 5; lengths 11 and 13
    expected = np.exp(1 - 13 / 11) * (1.0 * 6 / 9 * 3 / 7 * 1 / 5) ** 0.25
    assert metrics.bleu4(rows) == pytest.approx(expected)


def test_nothing_scores_nan_and_no_shared_four_words_score_zero() -> None:
    empty = np.zeros(0)
    scores = [metrics.accuracy(empty), metrics.rmse(empty, empty), metrics.mae(empty, empty), metrics.r2(empty, empty)]
    assert np.isnan(scores).all()
    assert np.isnan(metrics.mean_iou(np.zeros((2, 2)))) and np.isnan(metrics.kappa(np.zeros((2, 2))))
    assert metrics.bleu4(metrics.bleu_statistics("no", ["a whole other sentence"])[None]) == 0


@given(st.integers(2, 40), st.integers(0, 5))
def test_bootstrap_holds_the_score_of_a_mean_and_is_repeatable(n: int, seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(n, 1))
    low, high = metrics.bootstrap_interval(rows, lambda r: float(r.mean()), resamples=200, seed=seed)
    assert low <= rows.mean() <= high or n < 5
    assert (low, high) == metrics.bootstrap_interval(rows, lambda r: float(r.mean()), resamples=200, seed=seed)


def test_bootstrap_width_follows_the_number_of_units() -> None:
    rng = np.random.default_rng(1)
    hits = (rng.random((400, 1)) < 0.7).astype(float)
    low, high = metrics.bootstrap_interval(hits, lambda r: metrics.accuracy(r[:, 0]))
    normal = 1.96 * np.sqrt(hits.mean() * (1 - hits.mean()) / 400)
    assert high - low == pytest.approx(2 * normal, rel=0.15)
    assert np.isnan(metrics.bootstrap_interval(np.zeros((0, 1)), lambda r: 0.0)).all()
