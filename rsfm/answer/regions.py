"""Regions that the decoder names in a sentence, "water <mask>": the word before the token says which class of which legend.

What the decoder sees is the scene shrunk to one window. The region itself is read from the scene's own map of that legend, so
that it is the one that every other question about the class gets.
"""

import dataclasses
from collections.abc import Sequence

from rsfm.heads import MaskHead
from rsfm.processor import Asked, Taught, View
from rsfm.processor.asked import LEGENDS, about, question_words

LONGEST = 5  # words of a class's name


def classes_opened(text: str, known: Sequence[Taught], view: View) -> tuple[str, list[Asked]]:
    """A text without its <mask> tokens, and what each that can be read stands for.

    A token behind no word of a taught class cannot be read: it is left out.
    """
    pieces = text.split(MaskHead.token)
    opened = []
    for piece in pieces[:-1]:
        words = question_words(piece)[-LONGEST:]
        found = (about("map", (" ".join(words[start:]),), known, view) for start in range(len(words)))
        asked = next((each for each in found if each.taught and each.entry and each.entry.task in LEGENDS), None)
        if asked is not None:
            opened.append(asked)
    return without_tokens(text), opened


def without_tokens(text: str) -> str:
    """A text without its <mask> tokens and the space before each."""
    pieces = text.split(MaskHead.token)
    return "".join([*(piece.rstrip(" ") for piece in pieces[:-1]), pieces[-1]])


def of_one_legend(opened: Sequence[Asked]) -> Asked | None:
    """The regions of the first legend named, as one: classes of two legends share no map."""
    if not opened:
        return None
    same = [asked for asked in opened if asked.entry == opened[0].entry]
    return dataclasses.replace(opened[0], subjects=tuple(dict.fromkeys(s for asked in same for s in asked.subjects)))
