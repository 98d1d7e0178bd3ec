"""ROUGE-L of captions: the longest common subsequence, recall weighed above precision.  n sentences

Lin 2004, ROUGE (ACL workshop); the COCO caption scores take the best precision and the best recall over the references.
"""

from collections.abc import Sequence

from rsfm.metrics.tokens import Tokenize, treebank

BETA = 1.2


def rouge_l(candidate: str, references: Sequence[str], *, tokenize: Tokenize = treebank) -> float:
    """ROUGE-L of one sentence against its references, 0..1; a corpus scores the mean of its sentences."""
    found, wanted = tokenize(candidate), [tokenize(reference) for reference in references]
    common = [longest_common(found, reference) for reference in wanted]
    precision = max((length / len(found) for length in common if found), default=0.0)
    recall = max((length / len(tokens) for length, tokens in zip(common, wanted, strict=True) if tokens), default=0.0)
    if not precision or not recall:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def longest_common(left: Sequence[str], right: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(right) + 1)
    for token in left:
        diagonal = 0
        for j, other in enumerate(right, start=1):
            above = row[j]
            row[j] = diagonal + 1 if token == other else max(above, row[j - 1])
            diagonal = above
    return row[-1]
