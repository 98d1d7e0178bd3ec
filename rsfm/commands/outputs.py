"""What every command prints and writes alike."""

from collections.abc import Sequence
from typing import Any

from rsfm.data.writing.atomic import written_folder as output_folder
from rsfm.finite import to_text

__all__ = ["columns", "output_folder", "print_json"]


def print_json(data: Any) -> None:
    """JSON on stdout, nothing else."""
    print(to_text(data))


def columns(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows as text in aligned columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)
