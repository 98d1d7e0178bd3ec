"""Recall of retrieval both ways, by hand and under what must not change it."""

import numpy as np
import pytest

from rsfm import metrics


def test_perfect_and_random_retrieval() -> None:
    picture = np.repeat(np.arange(20), 5)
    scores = metrics.retrieval_scores((picture[None] == np.arange(20)[:, None]).astype(float), picture)
    assert set(scores) == {f"{way}_R@{k}" for way in ("image_to_text", "text_to_image") for k in (1, 5, 10)} | {"mR"}
    assert set(scores.values()) == {1.0}


def test_ranks_by_hand_and_ties_count_against() -> None:
    similarity = np.array([[0.9, 0.1, 0.5], [0.9, 0.2, 0.5], [0.5, 0.5, 0.5]])
    ranks = metrics.first_ranks(similarity, np.eye(3, dtype=bool))
    assert ranks.tolist() == [0, 2, 2]
    assert metrics.recall_at(ranks, 1) == pytest.approx(1 / 3) and metrics.recall_at(ranks, 3) == 1
    assert np.isnan(metrics.recall_at(ranks[:0], 1))


def test_any_of_a_pictures_sentences_answers_it() -> None:
    similarity = np.array([[0.1, 0.9, 0.5, 0.4], [0.2, 0.3, 0.1, 0.2]])
    scores = metrics.retrieval_scores(similarity, np.array([0, 0, 1, 1]), ks=(1,))
    assert scores["image_to_text_R@1"] == 0.5, "picture 0 by its second sentence; picture 1 finds one of picture 0"
    assert scores["text_to_image_R@1"] == 0.25, "only sentence 1"


def test_order_of_the_pictures_does_not_matter(rng: np.random.Generator) -> None:
    similarity, picture = rng.normal(size=(12, 60)), np.repeat(np.arange(12), 5)
    order = rng.permutation(12)
    assert metrics.retrieval_scores(similarity, picture) == pytest.approx(
        metrics.retrieval_scores(similarity[order], np.argsort(order)[picture])
    )
