"""Recall of retrieval between pictures and sentences.  n queries · m items

With several sentences a picture, a picture's query is answered by any of its own; a sentence's query by its picture.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

RANKS = (1, 5, 10)


def first_ranks(similarity: Float[np.ndarray, "n m"], relevant: Bool[np.ndarray, "n m"]) -> Int[np.ndarray, " n"]:
    """Rank, from 0, of the best relevant item of each query; ties count against the query."""
    best = np.where(relevant, similarity, -np.inf).max(1, keepdims=True)
    return ((similarity >= best) & ~relevant).sum(1)


def recall_at(ranks: Int[np.ndarray, " n"], k: int) -> float:
    """Share of the queries whose best relevant item is among the first k."""
    return float(np.mean(ranks < k)) if len(ranks) else float("nan")


def retrieval_scores(
    similarity: Float[np.ndarray, "n m"], picture: Int[np.ndarray, " m"], *, ks: tuple[int, ...] = RANKS
) -> dict[str, float]:
    """R@1, R@5 and R@10 both ways, and their mean mR, each 0..1.

    Args:
        similarity: of n pictures with m sentences.
        picture: for each sentence the index of its picture.
        ks: the ranks counted.

    Example:
        >>> retrieval_scores(images @ texts.T, np.repeat(np.arange(len(images)), 5))["mR"]
    """
    relevant = picture[None, :] == np.arange(len(similarity))[:, None]
    ways = {"image_to_text": (similarity, relevant), "text_to_image": (similarity.T, relevant.T)}
    ranks = {name: first_ranks(*way) for name, way in ways.items()}
    scores = {f"{name}_R@{k}": recall_at(each, k) for name, each in ranks.items() for k in ks}
    return scores | {"mR": float(np.mean(list(scores.values())))}
