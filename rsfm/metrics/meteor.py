"""METEOR "exact+stem": alignment of words that are equal or share a stem, through nltk and without WordNet.

Banerjee, Lavie 2005, METEOR (ACL workshop). Without synonyms the number is lower than the Java program's: it is named
"meteor exact+stem" wherever it is printed.
"""

import functools
import importlib.util
from collections.abc import Callable, Sequence

from rsfm.errors import UserError
from rsfm.metrics.tokens import Tokenize, treebank

NAME = "meteor exact+stem"


class _Stems:
    """Porter stems, each word's worked out once: captions repeat their words thousands of times."""

    def __init__(self, stem: Callable[[str], str]) -> None:
        self.stem = functools.cache(stem)


class _NoSynonyms:
    """Stands where nltk wants WordNet, whose files are a download: no word has a synonym."""

    def synsets(self, word: str) -> list[str]:
        return []


def meteor(candidate: str, references: Sequence[str], *, tokenize: Tokenize = treebank) -> float:
    """METEOR of one sentence, the best over its references, 0..1; a corpus scores the mean of its sentences."""
    score, stemmer = _nltk()
    wanted = [tokenize(reference) for reference in references]
    return float(score(wanted, tokenize(candidate), stemmer=stemmer, wordnet=_NoSynonyms()))


def has_meteor() -> bool:
    """Whether nltk is installed; found, not imported, which takes a second."""
    return importlib.util.find_spec("nltk") is not None


@functools.cache
def _nltk() -> tuple[Callable[..., float], object]:
    try:
        from nltk.stem.porter import PorterStemmer
        from nltk.translate.meteor_score import meteor_score
    except ImportError as error:
        raise UserError("METEOR needs nltk: pip install 'rsfm[eval]', or leave the score out.") from error
    return meteor_score, _Stems(PorterStemmer().stem)
