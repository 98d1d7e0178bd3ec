"""What the numbers or colours of a mask mean, and one list of classes for all rows of a table."""

import dataclasses
import re
from collections.abc import Iterable
from typing import Any

from rsfm.data.datasets.cells import is_missing
from rsfm.errors import UserError

_WHOLE = re.compile(r"\s*([-+]?\d{1,18})(?:\.0*)?\s*")
_COLOUR = re.compile(r"\s*#([0-9a-fA-F]{6})\s*")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Legend:
    """Names of classes by number; several numbers may be one class.

    Attributes:
        names: number or colour (red * 65536 + green * 256 + blue) -> name.
        coloured: the keys are colours.
    """

    names: dict[int, str] = dataclasses.field(default_factory=dict)
    coloured: bool = False

    def __bool__(self) -> bool:
        return bool(self.names)


def read_legend(where: str, cell: Any) -> Legend:
    """A legend out of a cell: "0=other;1=field", "#ff0000=roof;#00ff00=tree", or an object {"1": "water"}.

    Raises:
        UserError: no number or colour, no name, a number that is there twice, numbers mixed with colours.
    """
    if is_missing(cell):
        return Legend()
    mapping = isinstance(cell, dict)
    pairs = list(cell.items()) if mapping else [p.partition("=")[::2] for p in str(cell).split(";") if p.strip()]
    names: dict[int, str] = {}
    coloured = [bool(_COLOUR.fullmatch(str(key))) for key, _ in pairs]
    for (key, name), colour in zip(pairs, coloured, strict=True):
        whole = _COLOUR.fullmatch(str(key)) if colour else _WHOLE.fullmatch(str(key))
        if whole is None or not isinstance(name, str) or not name.strip() or colour != coloured[0]:
            raise UserError(
                f"{where}, column 'legend': expected 1=water;2=trees or #0000ff=water;#00ff00=trees, found '{cell}'."
            )
        index = int(whole[1], 16 if colour else 10)
        if names.get(index, name.strip()) != name.strip():
            raise UserError(
                f"{where}, column 'legend': {key} is '{names[index]}' and '{name.strip()}'. Give a number one meaning."
            )
        names[index] = name.strip()
    return Legend(names=names, coloured=any(coloured))


def joined_legend(legends: Iterable[Legend]) -> tuple[str, ...]:
    """The classes of all legends, in the order they are first named; capitals make no other class."""
    first: dict[str, str] = {}
    for legend in legends:
        for name in legend.names.values():
            first.setdefault(name.lower(), name)
    return tuple(first.values())
