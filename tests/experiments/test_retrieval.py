"""Scores of retrieval: hits by picture are the metrics' own numbers; the neighbours' captions find their likes."""

import numpy as np
import pytest

from experiments.retrieval import NAMES, hits, neighbours_similarity, rows
from rsfm.metrics.retrieval import retrieval_scores


def test_hits_average_to_the_metric(rng):
    similarity, picture = rng.normal(size=(12, 36)), np.repeat(np.arange(12), 3)
    similarity[picture[None] == np.arange(12)[:, None]] += 1.0
    means = hits(similarity, picture).mean(0)
    expected = retrieval_scores(similarity, picture)
    np.testing.assert_allclose(means, [expected[name] for name in NAMES])
    made = rows({}, hits(similarity, picture))
    assert made[-1]["metric"] == "mR" and made[-1]["value"] == pytest.approx(expected["mR"])
    assert made[-1]["low"] <= made[-1]["value"] <= made[-1]["high"]


def test_neighbours_speak_for_a_picture():
    captions = [(f"a red desert {i}", f"a green forest {i}")[i % 2 : i % 2 + 1] for i in range(20)]
    index = np.array([[0, 2, 4], [1, 3, 5]])
    similarity = neighbours_similarity(captions, index, ["red desert", "green forest"])
    assert similarity[0, 0] > similarity[0, 1] and similarity[1, 1] > similarity[1, 0]


def test_scenes_told_by_name_are_scored_by_the_likeliest_and_by_all_shares(rng):
    truth = np.eye(3)[[0, 0, 1, 2]]
    share = np.array([[0.6, 0.3, 0.1], [0.4, 0.5, 0.1], [0.1, 0.8, 0.1], [0.2, 0.1, 0.7]])
    made = {row["metric"]: row["value"] for row in rows({}, np.zeros((4, 6)), np.concatenate([truth, share], axis=1))}
    assert made["zero_shot_accuracy"] == 0.75
    assert made["zero_shot_mAP"] == 1.0  # each scene's own pictures come first
