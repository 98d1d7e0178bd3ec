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
    made = rows({}, hits(similarity, picture), None)
    assert made[-1]["metric"] == "mR" and made[-1]["value"] == pytest.approx(expected["mR"])
    assert made[-1]["low"] <= made[-1]["value"] <= made[-1]["high"]


def test_neighbours_speak_for_a_picture():
    captions = [(f"a red desert {i}", f"a green forest {i}")[i % 2 : i % 2 + 1] for i in range(20)]
    index = np.array([[0, 2, 4], [1, 3, 5]])
    similarity = neighbours_similarity(captions, index, ["red desert", "green forest"])
    assert similarity[0, 0] > similarity[0, 1] and similarity[1, 1] > similarity[1, 0]
