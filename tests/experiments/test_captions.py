"""Captions without learning: neighbours are found by what is alike in them, and the usual sentence is chosen."""

import numpy as np

from experiments.captions import consensus, nearest


def test_neighbours_by_angle_and_by_distance() -> None:
    train = np.array([[1.0, 0.0], [0.0, 1.0], [10.0, 1.0]])
    queries = np.array([[5.0, 0.0], [0.1, 0.9]])
    by_angle, by_distance = (nearest(train, queries, cosine=each) for each in (True, False))
    assert by_angle[:, 0].tolist() == [0, 1] and by_angle.shape == (2, 3)
    assert by_distance[1, 0] == 1 and nearest(train, train, cosine=False)[:, 0].tolist() == [0, 1, 2]


def test_consensus_is_the_caption_most_like_the_others() -> None:
    captions = [
        ["many planes are in an airport", "planes are parked in an airport"],
        ["some planes are parked in an airport", "it rained"],
        ["a green river"],
    ]
    (said,) = consensus(captions, np.array([[0, 1]]))
    assert "planes are" in said and "parked" in said
    assert consensus(captions, np.array([[2], [2]])) == ["a green river"] * 2
