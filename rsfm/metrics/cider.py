"""CIDEr-D: tf-idf weighted n-gram agreement with the references, clipped and penalised by length.  n sentences

Vedantam, Zitnick, Parikh 2015, CIDEr (CVPR), the "D" variant. Document frequencies come from the references scored
with: a number depends on the corpus it was measured on, and a corpus of one picture scores 0.
"""

import collections
import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from rsfm.metrics.tokens import Grams, Tokenize, ngrams, treebank

ORDERS = 4
SIGMA = 6.0  # of the Gaussian penalty on the difference in length

Frequency = Mapping[tuple[str, ...], int]


def cider_d(
    candidates: Sequence[str], references: Sequence[Sequence[str]], *, tokenize: Tokenize = treebank
) -> Float[np.ndarray, " n"]:
    """CIDEr-D of each sentence, 0..10; a corpus scores the mean.

    Args:
        candidates: one sentence a picture.
        references: the reference sentences of each picture.
        tokenize: from a sentence to tokens.
    """
    wanted = [[_counts(tokenize(reference)) for reference in each] for each in references]
    frequency: collections.Counter[tuple[str, ...]] = collections.Counter()
    for each in wanted:
        frequency.update(set().union(*(counts for orders in each for counts in orders)))
    log_n = math.log(max(len(candidates), 1))
    scores = []
    for candidate, each in zip(candidates, wanted, strict=True):
        found = _Vector(_counts(tokenize(candidate)), frequency, log_n)
        values = [found.similarity(_Vector(orders, frequency, log_n)) for orders in each]
        scores.append(10.0 * float(np.mean(values)))
    return np.array(scores, dtype=np.float64)


def too_alike(references: Sequence[Sequence[str]], *, tokenize: Tokenize = treebank) -> bool:
    """Whether some picture's references hold no n-gram that tells it from the others, so that no caption of it can score.

    So it is for a single picture, and for pictures that all have the same references: every n-gram is in each of them.
    """
    sets = [set().union(*(g for each in wanted for g in _counts(tokenize(each)))) for wanted in references]
    everywhere = set.intersection(*sets) if sets else set()
    return any(not grams - everywhere for grams in sets)


def _counts(tokens: Sequence[str]) -> list[Grams]:
    return [ngrams(tokens, n) for n in range(1, ORDERS + 1)]


class _Vector:
    """tf-idf weights of the n-grams of one sentence, an order at a time, with their norms and the sentence's length."""

    def __init__(self, orders: Sequence[Grams], frequency: Frequency, log_n: float) -> None:
        self.weights = [
            {gram: count * (log_n - math.log(max(1, frequency.get(gram, 0)))) for gram, count in counts.items()}
            for counts in orders
        ]
        self.norms = [math.sqrt(sum(weight**2 for weight in weights.values())) for weights in self.weights]
        self.length = sum(orders[1].values())  # counted in bigrams, as the published scores are

    def similarity(self, reference: "_Vector") -> float:
        """Mean over the orders of the clipped cosine, times the penalty on length."""
        penalty = math.exp(-((self.length - reference.length) ** 2) / (2 * SIGMA**2))
        total = 0.0
        for mine, other, norm, other_norm in zip(
            self.weights, reference.weights, self.norms, reference.norms, strict=True
        ):
            product = sum(min(weight, other[gram]) * other[gram] for gram, weight in mine.items() if gram in other)
            total += product / (norm * other_norm) if norm and other_norm else 0.0
        return penalty * total / ORDERS
