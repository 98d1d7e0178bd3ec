"""Whether a short answer is right: words, numbers in the bins of RSVQA, refusals, and consistency over question groups.

Bins: Lobry et al. 2020, RSVQA (IEEE TGRS 58). Pairs and figures: Guan et al. 2024, HallusionBench (CVPR). Circular
evaluation: Liu et al. 2024, MMBench (ECCV).
"""

import re
from collections.abc import Hashable, Sequence

import numpy as np
from jaxtyping import Bool

# Counts: 0, 1-10, 11-100, 101-1000, more. Areas ("41m2") share them.
BINS = (0.0, 10.0, 100.0, 1000.0)
_WORDS = dict(
    zip(
        "no none zero one two three four five six seven eight nine ten eleven twelve".split(),
        (0, 0, 0, *range(1, 13)),
        strict=True,
    )
)
_NUMBER = re.compile(r"(?<![\w.])-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")
_REFUSAL = re.compile(
    r"\b(?:can(?:no|')t|can ?not|unable|not able|impossible|not possible|insufficient|not enough|unanswerable|"
    r"(?:do|does|is|are) ?n[o']t (?:\w+ ){0,3}(?:show|shown|contain|provide|visible|clear|known|answer|sure|determine)|"
    r"(?:i am|i'm) (?:sorry|unsure)|sorry|no information|unknown|unclear)\b"
)


def normalized(text: str) -> str:
    """Lower-case words and numbers with single blanks: "Yes." and "yes" are the same answer, "3.5" stays one word."""
    return " ".join(re.findall(r"\d+(?:[.,]\d+)*|[^\W\d_]+", text.lower()))


def number_in(text: str) -> float | None:
    """The first number of an answer, in digits ("about 1,200 m2") or as a word up to twelve; None without one."""
    found = _NUMBER.search(text)
    if found:
        return float(found[0].replace(",", ""))
    return next((float(_WORDS[word]) for word in re.findall(r"[a-z]+", text.lower()) if word in _WORDS), None)


def number_bin(value: float) -> int:
    """The bin a count or an area falls into: 0 = none, 1 = up to 10, 2 = up to 100, 3 = up to 1000, 4 = more."""
    return sum(value > edge for edge in BINS)


def is_refusal(text: str) -> bool:
    """Whether an answer declines to answer, by its wording ("This cannot be told from the image.")."""
    return bool(_REFUSAL.search(text.lower().replace("’", "'")))


def is_right(answer: str, references: Sequence[str]) -> bool:
    """Whether an answer is one of the accepted ones: the same words, the same number, or a refusal where one is due."""
    given = normalized(answer)
    return any(given == normalized(each) or (is_refusal(each) and is_refusal(answer)) for each in references)


def all_right(correct: Sequence[bool], groups: Sequence[Hashable]) -> Bool[np.ndarray, " n"]:
    """For each group, in order of its first member, whether every one of its answers is right.

    The groups decide what is measured: the rotations of one multiple-choice question (CircularEval), the figures of one
    question (HallusionBench's question pairs), or the questions about one figure (its figure accuracy).
    """
    verdicts: dict[Hashable, bool] = {}
    for right, group in zip(correct, groups, strict=True):
        verdicts[group] = verdicts.get(group, True) and bool(right)
    return np.array(list(verdicts.values()), dtype=bool)
