"""The errors a user can cause: one clear line each, with what was expected, what was found and what to do next."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")
LONGEST = 1_200  # characters of a message
# Letters that steer a terminal, turn the direction of writing, or are half a letter; not the tab and the new line.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
TRACE = "Add --debug for the trace."


class UserError(ValueError):
    """Something a user can mend. The command line prints it as one line and exits with code 2.

    What a file or a user put into it is cut in the middle where it is long: a line stays a line.
    """

    def __init__(self, message: str):
        line = " ".join(str(message).splitlines())
        super().__init__(line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 3 :]}")


def unknown(kind: str, name: object, known: Iterable[str]) -> UserError:
    """`Unknown head 'msk'. Did you mean 'mask'? Known: mask, text, value.`"""
    names, shown = sorted(known), str(name)[:80]
    near = difflib.get_close_matches(shown, names, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return UserError(f"Unknown {kind} '{shown}'.{hint} Known: {', '.join(names)}.")


def lookup(table: Mapping[str, T], kind: str, name: str) -> T:
    """The entry of a table, or an error that lists what the table holds."""
    if name not in table:
        raise unknown(kind, name, table)
    return table[name]


def printable(text: str) -> str:
    r"""A text from outside (a file's name, a model's answer) as it may be shown in a terminal.

    >>> printable("scene\x1b[2J.tif")
    'scene\\x1b[2J.tif'
    """
    return _STEERING.sub(lambda letter: letter[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python, numpy or XLA says that an allocation failed."""
    return isinstance(error, MemoryError) or (
        type(error).__name__ in ("JaxRuntimeError", "XlaRuntimeError") and "RESOURCE_EXHAUSTED" in str(error)
    )


def one_line(error: BaseException) -> str:
    """Any error in one line: a user's mistake in its own words, a failure of ours by its kind and where to look."""
    if isinstance(error, UserError):
        return _joined(str(error))
    if out_of_memory(error):
        return _joined(
            f"out of memory ({_first_line(error)}). Use a smaller scene, window or batch, or a machine with more. {TRACE}"
        )
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return _joined(f"{where}{error.strerror or error}.")
    return _joined(f"unexpected {type(error).__name__}: {_first_line(error)}. This is a fault of rsfm's. {TRACE}")


def _joined(text: str) -> str:
    return printable(" ".join(text.split()))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0][:300].rstrip(".")
