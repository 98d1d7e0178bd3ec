"""An output folder that appears whole or not at all, and what every command prints alike."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rsfm.errors import UserError
from rsfm.finite import to_text


@contextlib.contextmanager
def output_folder(out: Path) -> Iterator[Path]:
    """A scratch folder whose files move into `out` at the end; on any failure nothing is left, not even `out`.

    Files of the same name in `out` are replaced, others stay.
    """
    out = Path(out).absolute()
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: expected a folder to write to, found a file. Choose another --out.")
    missing = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        home = out if out.exists() else out.parent  # the same file system as `out`: the move is a rename
        scratch = Path(tempfile.mkdtemp(prefix=".rsfm-", dir=home))
    except OSError as error:
        _remove_empty(missing)
        raise UserError(f"{out}: cannot write there ({error.strerror}). Choose another --out.") from error
    try:
        yield scratch
        out.mkdir(exist_ok=True)
        for path in sorted(scratch.iterdir()):
            os.replace(path, out / path.name)
        scratch.rmdir()
    except BaseException as error:
        shutil.rmtree(scratch, ignore_errors=True)
        _remove_empty(missing)
        if isinstance(error, UserError):  # name the file where the user will look for it
            raise UserError(str(error).replace(str(scratch), str(out))) from error
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            raise UserError(f"{out}: writing failed ({error.strerror or error}). Nothing was left behind.") from error
        raise


def print_json(data: Any) -> None:
    """JSON on stdout, nothing else."""
    print(to_text(data))


def columns(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows as text in aligned columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
