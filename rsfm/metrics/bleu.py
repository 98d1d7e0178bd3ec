"""BLEU of a corpus from counts that add up over its sentences.  n sentences

Papineni, Roukos, Ward, Zhu 2002, BLEU (ACL).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from rsfm.metrics.tokens import Grams, Tokenize, ngrams, words

COCO_FLOOR = 1e-15  # what the COCO caption scores add to each count of matched n-grams


def bleu_statistics(
    candidate: str, references: Sequence[str], *, tokenize: Tokenize = words
) -> Float[np.ndarray, "10"]:
    """What BLEU needs: matched n-grams (4), candidate n-grams (4), candidate length, closest reference length."""
    found, wanted = tokenize(candidate), [tokenize(reference) for reference in references]
    matched, total = [], []
    for n in range(1, 5):
        grams = ngrams(found, n)
        most: Grams = Grams()
        for reference in wanted:
            most |= ngrams(reference, n)
        matched.append(sum(min(count, most[gram]) for gram, count in grams.items()))
        total.append(max(len(found) - n + 1, 0))
    closest = min((len(reference) for reference in wanted), key=lambda length: (abs(length - len(found)), length))
    return np.array([*matched, *total, len(found), closest], dtype=np.float64)


def bleu(statistics: Float[np.ndarray, "n 10"], order: int = 4, *, floor: float = 0.0) -> float:
    """Corpus BLEU, 0..1: geometric mean of the n-gram precisions times the brevity penalty.

    Args:
        statistics: rows of `bleu_statistics`.
        order: the longest n-grams counted, 1 to 4.
        floor: added to the matched counts; 0 = not smoothed, COCO_FLOOR = as pycocoevalcap counts.

    Returns:
        The score; NaN without a sentence.
    """
    if not len(statistics):
        return float("nan")
    total = statistics.sum(0)
    matched, counted, length, closest = total[:order] + floor, total[4 : 4 + order], total[8], total[9]
    if not matched.all() or not length:
        return 0.0
    precision = matched / (counted + 1e6 * floor)  # pycocoevalcap: 1e-15 above, 1e-9 below
    return min(1.0, float(np.exp(1 - closest / length))) * float(np.exp(np.mean(np.log(precision))))


def bleu4(statistics: Float[np.ndarray, "n 10"]) -> float:
    """Corpus BLEU-4, 0..1, not smoothed."""
    return bleu(statistics)
