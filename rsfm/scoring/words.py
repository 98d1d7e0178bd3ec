"""Scores of short answers and of captions."""

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from rsfm.metrics import (
    CAPTION_METRICS,
    Metric,
    all_right,
    caption_statistics,
    has_meteor,
    is_refusal,
    is_right,
    mae,
    number_bin,
    number_in,
    r2,
    rmse,
)
from rsfm.metrics.cider import too_alike
from rsfm.metrics.meteor import NAME as METEOR
from rsfm.scoring.layouts import Prediction
from rsfm.scoring.scores import Score, score, share

CIDER = "cider_d"
FEW_PICTURES = 20
NO_CIDER = (
    "CIDEr-D weighs words by how few pictures of the corpus have them in their references; here no word tells some picture "
    "({n} in all) from the others, so it is 0 whatever its caption says. Score more pictures together, or read the other scores."
)
FEW_CIDER = (
    "CIDEr-D weighs words by the pictures of the corpus, here {n}: it does not compare with that of a whole test set."
)
_PLAIN_NUMBER = re.compile(r"-?[\d,]+(?:\.\d+)?\s*(?:m2|m²|ha|km2)?")


def score_vqa(predictions: Sequence[Prediction], boxes: str) -> list[Score]:
    """Accuracy of all questions and by kind; kinds whose answers are numbers exact, in RSVQA's bins, and by their error."""
    kinds = list(dict.fromkeys(each.kind for each in predictions))
    numeric = {kind for kind in kinds if _is_numeric([each for each in predictions if each.kind == kind])}
    exact = [_is_right(each, each.kind in numeric) for each in predictions]
    out = [share("accuracy", exact)]
    if numeric:
        out.append(
            share("accuracy_binned", [_in_bin(p) if p.kind in numeric else x for p, x in _zip(predictions, exact)])
        )
    spoken = [kind for kind in kinds if kind not in numeric]
    if len(spoken) > 1:
        rows = np.array([[spoken.index(p.kind), x] for p, x in _zip(predictions, exact) if p.kind in spoken], float)
        out.append(score("mean_of_kinds", rows, _mean_of_kinds(len(spoken)), percent=True))
    for kind in kinds:
        own = [each for each in predictions if each.kind == kind]
        name = re.sub(r"\W+", "_", kind)
        if kind in numeric:
            out += _number_scores(own, f"{name}_" if name else "")
        elif len(kinds) > 1:
            out.append(share(f"{name or 'other'}_accuracy", [_is_right(each, False) for each in own]))
    out += _group_scores(predictions, exact)
    return [*out, share("refusal_rate", [is_refusal(each.text) for each in predictions], lower=True)]


def score_counting(predictions: Sequence[Prediction], boxes: str) -> list[Score]:
    """Numbers exact, in bins, and by their error; questions whose reference is no number are left out."""
    own = [each for each in predictions if number_in(each.references[0]) is not None and _is_numeric([each])]
    return _number_scores(own, "", more=True) if own else []


def score_captions(predictions: Sequence[Prediction], boxes: str) -> list[Score]:
    """BLEU-1..4, METEOR (exact and stem, where nltk is installed), ROUGE-L and CIDEr-D on treebank tokens."""
    references = [each.references for each in predictions]
    rows = caption_statistics([each.text for each in predictions], references)
    names = [name for name in CAPTION_METRICS if name != METEOR or has_meteor()]
    scores = [score(name, rows, CAPTION_METRICS[name]) for name in names]
    alike, few = too_alike(references), len(references) < FEW_PICTURES
    note = NO_CIDER if alike else FEW_CIDER if few else ""
    return [
        dataclasses.replace(each, note=note.format(n=len(references))) if each.metric == CIDER else each
        for each in scores
    ]


def _is_numeric(predictions: Sequence[Prediction]) -> bool:
    return all(_PLAIN_NUMBER.fullmatch(text.strip()) for each in predictions for text in each.references)


def _is_right(each: Prediction, numeric: bool) -> bool:
    if numeric:
        given = number_in(each.text)
        return given is not None and any(given == number_in(text) for text in each.references)
    return is_right(each.text, each.references)


def _in_bin(each: Prediction) -> bool:
    given = number_in(each.text)
    return given is not None and number_bin(given) in {number_bin(number_in(text) or 0.0) for text in each.references}


def _number_scores(own: Sequence[Prediction], prefix: str, *, more: bool = False) -> list[Score]:
    given = [number_in(each.text) for each in own]
    pairs = [(x, number_in(each.references[0]) or 0.0) for x, each in zip(given, own, strict=True) if x is not None]
    rows = np.array(pairs, float).reshape(-1, 2)
    out = [
        share(f"{prefix}exact", [_is_right(each, True) for each in own]),
        share(f"{prefix}binned", [_in_bin(each) for each in own]),
        score(f"{prefix}mae", rows, lambda kept: mae(kept[:, 0], kept[:, 1]), lower=True),
    ]
    if more:
        out.append(score(f"{prefix}rmse", rows, lambda kept: rmse(kept[:, 0], kept[:, 1]), lower=True))
        out.append(score(f"{prefix}r2", rows, lambda kept: r2(kept[:, 0], kept[:, 1])))
    return [*out, share(f"{prefix}answered", [x is not None for x in given])]


def _group_scores(predictions: Sequence[Prediction], correct: Sequence[bool]) -> list[Score]:
    """Questions that count only when every member of their group is right."""
    out = []
    for use in ("circular", "question_pair", "figure"):
        members = [(each.groups[use], right) for each, right in _zip(predictions, correct) if use in each.groups]
        if members:
            out.append(share(f"{use}_accuracy", all_right([right for _, right in members], [g for g, _ in members])))
    return out


def _mean_of_kinds(count: int) -> Metric:
    def metric(rows: np.ndarray) -> float:
        means = [rows[rows[:, 0] == kind, 1].mean() for kind in range(count) if (rows[:, 0] == kind).any()]
        return float(np.mean(means))

    return metric


def _zip(predictions: Sequence[Prediction], correct: Sequence[bool]) -> list[tuple[Prediction, bool]]:
    return list(zip(predictions, correct, strict=True))
