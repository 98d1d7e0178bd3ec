"""SHA-256 of every file of a folder, in the folder: a bit that flips later is noticed before it is used.

The file is that of the command sha256sum, so that `sha256sum -c SHA256SUMS` checks a folder without rsfm.

    python -m rsfm.data.writing.digests FOLDER     # writes it anew, after a change on purpose
"""

import hashlib
import os
import sys
from collections.abc import Collection
from pathlib import Path

from rsfm.errors import UserError

DIGESTS = "SHA256SUMS"


def sha256(path: Path) -> str:
    """SHA-256 of a file in hexadecimal digits, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_digests(folder: Path, *, without: Collection[str] = ()) -> None:
    """Writes SHA256SUMS over all files that the folder holds, but for those named in `without`."""
    _write(folder, {name: sha256(folder / name) for name in _names(folder) if name not in without})


def add_digests(folder: Path) -> None:
    """Adds to SHA256SUMS the files that it does not name yet."""
    known = _read(folder / DIGESTS) if has_digests(folder) else {}
    if new := {name: sha256(folder / name) for name in _names(folder) if name not in known}:
        _write(folder, known | new)


def has_digests(folder: Path) -> bool:
    """Whether a folder can be checked: those of rsfm 0.1 cannot."""
    return (folder / DIGESTS).exists()


def check_digests(folder: Path) -> None:
    """Compares each file that SHA256SUMS names with its digest; files it does not name are not looked at.

    Raises:
        UserError: a file is missing or differs, or SHA256SUMS cannot be read. Nothing is said of a folder without one.
    """
    if not has_digests(folder):
        return
    for name, expected in _read(folder / DIGESTS).items():
        path = folder / name
        if not path.is_file():
            raise UserError(f"{path}: is missing, though {DIGESTS} names it. Copy the folder again.")
        if (found := sha256(path)) != expected:
            raise UserError(
                f"{path}: is not what was written: expected SHA-256 {expected[:12]}..., found {found[:12]}... Copy the folder "
                f"again; if it was changed on purpose, write the digests anew: python -m {__spec__.name} {folder}"
            )


def _read(path: Path) -> dict[str, str]:
    try:
        rows = [line.split("  ", 1) for line in path.read_text(encoding="utf-8").splitlines()]
        digests = {name: digest for digest, name in rows}
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: expected lines of sha256sum, found: {error}. Copy the folder again.") from error
    outside = [name for name in digests if Path(name).is_absolute() or ".." in Path(name).parts]
    if outside or not digests:
        raise UserError(f"{path}: expected names of files in the folder, found {outside[:1]}. Copy the folder again.")
    return digests


def _write(folder: Path, digests: dict[str, str]) -> None:
    draft = folder / f".{DIGESTS}.part"
    with draft.open("w", encoding="utf-8") as file:
        file.writelines(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, folder / DIGESTS)


def _names(folder: Path) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in (DIGESTS, f".{DIGESTS}.part")]
    return sorted(path.relative_to(folder).as_posix() for path in files)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        write_digests(Path(argument))
