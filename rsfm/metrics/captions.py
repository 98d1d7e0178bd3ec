"""All caption scores of a corpus, each with its interval.  n sentences · k statistics

Document frequencies of CIDEr-D are those of the whole corpus in every resample: resampling moves the pictures, not the
language.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from rsfm.metrics.bleu import COCO_FLOOR, bleu, bleu_statistics
from rsfm.metrics.bootstrap import Metric
from rsfm.metrics.cider import cider_d
from rsfm.metrics.meteor import NAME as METEOR_NAME
from rsfm.metrics.meteor import has_meteor, meteor
from rsfm.metrics.rouge import rouge_l
from rsfm.metrics.tokens import Tokenize, treebank

METEOR, ROUGE, CIDER = 10, 11, 12  # columns behind the ten of BLEU


def _bleu(order: int) -> Metric:
    return lambda rows: bleu(rows[:, :10], order, floor=COCO_FLOOR)


def _mean(column: int) -> Metric:
    return lambda rows: float(rows[:, column].mean()) if len(rows) else float("nan")


CAPTION_METRICS: Mapping[str, Metric] = {
    **{f"bleu{order}": _bleu(order) for order in range(1, 5)},
    METEOR_NAME: _mean(METEOR),
    "rouge_l": _mean(ROUGE),
    "cider_d": _mean(CIDER),
}


def caption_statistics(
    candidates: Sequence[str], references: Sequence[Sequence[str]], *, tokenize: Tokenize = treebank
) -> Float[np.ndarray, "n 13"]:
    """One row a sentence for CAPTION_METRICS; the METEOR column is NaN where nltk is not installed.

    Example:
        >>> rows = caption_statistics(["a river ."], [["a river runs .", "there is a river ."]])
        >>> CAPTION_METRICS["rouge_l"](rows)
        0.772...
    """
    rows = np.empty((len(candidates), CIDER + 1))
    with_meteor = has_meteor()
    for i, (candidate, wanted) in enumerate(zip(candidates, references, strict=True)):
        rows[i, :10] = bleu_statistics(candidate, wanted, tokenize=tokenize)
        rows[i, METEOR] = meteor(candidate, wanted, tokenize=tokenize) if with_meteor else np.nan
        rows[i, ROUGE] = rouge_l(candidate, wanted, tokenize=tokenize)
    rows[:, CIDER] = cider_d(candidates, references, tokenize=tokenize)
    return rows
