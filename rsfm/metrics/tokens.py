"""From a sentence to the tokens that caption scores count: plain words, or tokens as of the Penn Treebank."""

import collections
import re
from collections.abc import Callable, Sequence

Tokenize = Callable[[str], list[str]]
Grams = collections.Counter[tuple[str, ...]]

# What the COCO caption scores drop after cutting. Their list has the brackets in capitals, the tokens are lower case: so
# brackets stay in, and a score that is to equal theirs counts them.
DROPPED = frozenset(("''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";", '"', "“", "”", "‘"))
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}

# Words that are two in the treebank: "cannot" -> "can not".
_TWO = {
    "cannot": "can not",
    "gonna": "gon na",
    "gotta": "got ta",
    "wanna": "wan na",
    "gimme": "gim me",
    "lemme": "lem me",
}
# Shortenings whose full stop belongs to the word.
_SHORT = r"(?:approx|ca|vs|etc|no|st|mt|ft|sq|dr|mr|mrs|ms|jr|sr|inc|ltd|co|corp|ave|blvd|rd|dept|fig|min|max|e\.g|i\.e|u\.s|a\.m|p\.m)\."
_TOKEN = re.compile(
    rf"""
    {_SHORT}(?=\s+[a-z0-9(])            # approx. 20 (a full stop at the end of the sentence is its own token)
  | (?:[a-z]\.){{2,}}                   # u.s.
  | \d+(?:[.,:/]\d+)*(?:[a-z²³][a-z\d²³]*)?   # 1,200  0.5  12:30  3/4  10m2
  | [^\W_]+(?=n['’]t\b)                 # do | n't
  | n['’]t\b
  | ['’](?:s|m|d|re|ve|ll)\b            # it | 's
  | [^\W_]+(?:[-_&/.][^\W_]+)*          # words and hyphenated words
  | \.\.\.|--|``|''
  | \S                                  # every other sign alone
    """,
    re.VERBOSE,
)


def words(text: str) -> list[str]:
    """Lower-case words; punctuation is dropped, as the caption benchmarks do before counting n-grams."""
    return re.findall(r"[\w'<>-]+", text.lower())


def treebank(text: str) -> list[str]:
    """Tokens close to the Penn Treebank's, lower case and without punctuation, as the COCO caption scores count them.

    Contractions and possessives are cut ("doesn't" -> "does n't", "it's" -> "it 's"), hyphenated words and numbers with
    separators stay whole, brackets become "-lrb-" and "-rrb-".

    Example:
        >>> treebank("The river's banks aren't green, but semi-arid.")
        ['the', 'river', "'s", 'banks', 'are', "n't", 'green', 'but', 'semi-arid']
    """
    pieces = [piece for word in text.lower().split() for piece in _TWO.get(word, word).split()]
    found = (_BRACKETS.get(token, token.replace("’", "'")) for token in _TOKEN.findall(" ".join(pieces)))
    return [token for token in found if token not in DROPPED]


def blanks(text: str) -> list[str]:
    """Tokens of a sentence that is cut already: what stands between blanks."""
    return text.split()


def ngrams(tokens: Sequence[str], n: int) -> Grams:
    """How often each run of n tokens occurs."""
    return collections.Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))
