"""A person's question as plain text: bounded, valid Unicode, without letters that steer a terminal or stand for tokens."""

import re

from rsfm.errors import UserError

LONGEST = 8_000  # characters; some two thousand tokens
_RUN = 64  # of one character, above which it tells nothing more
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_PRIVATE = re.compile("[\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd\ud800-\udfff]")
_SAME = re.compile(rf"(.)\1{{{_RUN},}}", re.DOTALL)


def plain(question: str) -> str:
    """The question with half pairs of UTF-16 and private letters replaced, control characters and endless runs cut.

    >>> plain("Map the\\x1b[2J water." + "?" * 1000) == "Map the[2J water." + "?" * 64
    True

    Raises:
        UserError: it is longer than any prompt.
    """
    if len(question) > LONGEST * 4:
        raise UserError(f"The question has {len(question):,} characters, expected {LONGEST:,} at most. Shorten it.")
    text = _PRIVATE.sub("\ufffd", _STEERING.sub("", question))
    text = _SAME.sub(lambda run: run[1] * _RUN, text)
    if len(text) > LONGEST:
        raise UserError(f"The question has {len(text):,} characters, expected {LONGEST:,} at most. Shorten it.")
    return text
