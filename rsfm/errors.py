"""The errors a user can cause: one clear line each, with what was expected, what was found and what to do next."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


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
