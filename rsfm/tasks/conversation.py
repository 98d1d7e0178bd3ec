"""One record as a conversation in words alone, for models that read text: numbers are written out, maps are left out."""

import zlib
from collections.abc import Sequence

import numpy as np

from rsfm.errors import UserError
from rsfm.tasks import TASKS, converse
from rsfm.tasks.dialogue import MASK, VALUE
from rsfm.tasks.vqa import Vqa
from rsfm.types import Record, Value

DRAWS = 8  # for each turn wanted: as often is a new fact tried for


def conversation(names: Sequence[str], record: Record, *, turns: int, seed: int = 0) -> tuple[tuple[str, str], ...]:
    """Questions with their answers about a record; the same for the same record and seed.

    No answer comes twice, so that no fact is asked for in two wordings; a task with one kind of question has one turn.

    Args:
        names: keys of TASKS, asked in turn; those the labels do not allow are left out.
        record: with labels.
        turns: the most turns wanted; fewer where the labels tell less.
        seed: of the choice of questions and wordings.

    Example:
        >>> conversation(("instruction", "description"), record, turns=3)
        (('Count the ships.', 'There are 3 ships.'), ...)
    """
    if turns < 1:
        raise UserError(f"A conversation needs one turn at least, found {turns}.")
    rng = np.random.default_rng([seed, zlib.crc32(record.id.encode())])
    said: dict[str, str] = {}  # answer -> question
    left = list(names)
    for draw in range(DRAWS * turns):
        if not left or len(said) >= turns:
            break
        name = left[draw % len(left)]
        dialogue = converse([name], record, rng)
        values = [] if dialogue is None else list(dialogue.spans)
        for question, answer in () if dialogue is None else dialogue.turns:
            used, values = values[: answer.count(VALUE)], values[answer.count(VALUE) :]
            if MASK not in answer and question not in said.values():
                said.setdefault(written(answer, used), question)
        if not isinstance(TASKS[name], Vqa):
            left.remove(name)
    return tuple((question, answer) for answer, question in said.items())[:turns]


def written(answer: str, values: Sequence[Value]) -> str:
    """The answer with each `<value>` written as a number of three digits; counts stay whole."""
    for value in values:
        whole = value.unit == "" and float(value.value).is_integer()
        answer = answer.replace(VALUE, f"{value.value:.0f}" if whole else f"{float(f'{value.value:.3g}'):g}", 1)
    return answer
