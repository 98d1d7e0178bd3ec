"""What the decoder opens on the ground in a sentence, "water <mask>": which turn is read window by window to see it.

What the decoder sees is the scene shrunk to one window. What it names is read from the scene itself, with the turn that was
taught for that name, so that it is the one that every other question about it gets.
"""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from rsfm.processor import Asked, Taught, View
from rsfm.processor.asked import TEACHERS, about, question_words
from rsfm.tasks import TASKS
from rsfm.tasks.dialogue import ground_tokens, special_tokens

LONGEST = 5  # words of a name


def tokens_opened(text: str) -> tuple[str, ...]:
    """The special tokens in a text that open heads which lie on the ground, each once."""
    return tuple(dict.fromkeys(token for token in special_tokens(text) if token in ground_tokens()))


def subjects_opened(text: str, token: str, known: Sequence[Taught], view: View) -> list[Asked]:
    """What each of a token stands for, by the words before it; one behind no word of a taught name cannot be read.

    Args:
        text: of an answer.
        token: special token of a head whose spans are named.
        known: what was taught.
        view: the sensors.
    """
    wish = next((kind for kind, tasks in TEACHERS.items() if any(_opens(task) == token for task in tasks)), "")
    opened = []
    for piece in text.split(token)[:-1]:
        words = question_words(without_tokens(piece))[-LONGEST:]
        found = (about(wish, (" ".join(words[start:]),), known, view) for start in range(len(words)))
        opened.append(
            next((each for each in found if each.taught and each.entry and _opens(each.entry.task) == token), None)
        )
    return [asked for asked in opened if asked is not None]


def without_tokens(text: str, tokens: Sequence[str] | None = None) -> str:
    """A text without some special tokens and the space before each; without all that lie on the ground if none are given."""
    dropped = tokens_opened(text) if tokens is None else tokens
    return re.sub(" *(?:" + "|".join(map(re.escape, dropped)) + ")", "", text) if dropped else text


def of_one_legend(opened: Sequence[Asked]) -> Asked | None:
    """The subjects of the first legend named, as one: classes of two legends share no map."""
    if not opened:
        return None
    same = [asked for asked in opened if asked.entry == opened[0].entry]
    return dataclasses.replace(opened[0], subjects=tuple(dict.fromkeys(s for asked in same for s in asked.subjects)))


def _opens(task: str) -> str:
    known: Any = TASKS.get(task)
    return str(getattr(known, "opens", ""))
