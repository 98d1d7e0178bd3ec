"""What became of every tensor when weights of another layout were loaded."""

import dataclasses
import fnmatch
from collections.abc import Iterable, Sequence

from rsfm.errors import UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoadReport:
    """Attributes:
    where: the checkpoint.
    loaded: (our name, shape, their name) of what was read; a name of a stacked tensor has "*" for the layer.
    missing: our tensors that the checkpoint lacks; drawn afresh, because the caller allowed it.
    unexpected: their tensors that have no place here; left out, because the caller allowed it.
    resized: (our name, from what size to what, how), of loaded tensors.
    notes: what was assumed or done besides, for the reader.
    """

    where: str
    loaded: tuple[tuple[str, tuple[int, ...], str], ...]
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    resized: tuple[tuple[str, str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def table(self) -> str:
        """A line a tensor, in aligned columns, and a line of totals."""
        rows = [("loaded", name, " x ".join(map(str, shape)), theirs) for name, shape, theirs in self.loaded]
        rows += [("missing", name, "drawn afresh", "") for name in self.missing]
        rows += [("unexpected", "", "left out", name) for name in self.unexpected]
        rows += [("resized", *row) for row in self.resized]
        widths = [max((len(row[i]) for row in rows), default=0) for i in range(4)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        counts = (
            f"{len(self.loaded)} loaded, {len(self.missing)} missing, "
            f"{len(self.unexpected)} unexpected, {len(self.resized)} resized"
        )
        return "\n".join([*lines, f"{self.where}: {counts}", *(f"note: {note}" for note in self.notes)])


def refuse(where: str, missing: Sequence[str], unexpected: Sequence[str], allow: Iterable[str]) -> None:
    """Raises unless every missing and unexpected name fits a pattern of `allow`, such as "text_head.*"."""
    patterns = tuple(allow)
    told = []
    for kind, names in (("missing", missing), ("unexpected", unexpected)):
        bad = [name for name in names if not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]
        if bad:
            more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
            told.append(f"{kind} {', '.join(bad[:3])}{more}")
    if told:
        raise UserError(
            f"{where}: {'; '.join(told)}. Weights and config.json must be of one checkpoint; "
            "allow=('name or pattern',) goes on without."
        )
