"""The errors a user can cause: one clear line each, with what was expected, what was found and what to do next."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")
# Letters that steer a terminal, turn the direction of writing, or are half a letter; not the tab and the new line.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class UserError(ValueError):
    """Something a user can mend. The command line prints it as one line and exits with code 2."""


def unknown(kind: str, name: object, known: Iterable[str]) -> UserError:
    """`Unknown head 'msk'. Did you mean 'mask'? Known: mask, text, value.`"""
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return UserError(f"Unknown {kind} '{name}'.{hint} Known: {', '.join(names)}.")


def lookup(table: Mapping[str, T], kind: str, name: str) -> T:
    """The entry of a table, or an error that lists what the table holds."""
    if name not in table:
        raise unknown(kind, name, table)
    return table[name]


def printable(text: str) -> str:
    """A text from outside (a file's name, a model's answer) as it may be shown in a terminal.

    >>> printable("scene\x1b[2J.tif")
    'scene\\x1b[2J.tif'
    """
    return _STEERING.sub(lambda letter: letter[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)
