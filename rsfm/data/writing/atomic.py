"""The one way in which rsfm writes what stays: whole or not at all, by one process at a time.

Everything is written into a scratch folder beside its place and gets its name at the end. What a killed process left
is swept when the same place is next written to.
"""

import contextlib
import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rasterio._err import CPLE_BaseError  # what GDAL raises below RasterioError; it has no public name
from rasterio.errors import RasterioError

from rsfm.data.addresses import check_local
from rsfm.data.writing.lock import hidden_home, only_writer
from rsfm.data.writing.space import free_bytes
from rsfm.data.writing.swap import clear, new_scratch, publish
from rsfm.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
PLACE = (PermissionError, NotADirectoryError, FileExistsError, FileNotFoundError)
# What libraries say: tensorstore and safetensors with the number of the system's error, GDAL and ArrayRecord without.
_NUMBER = re.compile(r"\bos[ _]error(?:_code)?\W+(\d+)", re.IGNORECASE)
_SAID_FULL = re.compile(
    "|".join(
        [*(re.escape(os.strerror(number)) for number in FULL), "write error", "error writing", r"write\(\) failed"]
    ),
    re.IGNORECASE,
)


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """An empty folder for the file and what belongs to it: at the end all in it is moved beside `path`.

    Its parent is a scratch folder that goes away at the end.

    Raises:
        UserError: the folder cannot be written to, the disk is full, or another process writes the file. Nothing is
            left behind then.
    """
    check_local(path)
    if path.is_dir():
        raise UserError(f"{path}: is a folder. Expected the name of a file to write.")
    with _prepared(path) as scratch:
        whole = scratch / "whole"
        whole.mkdir()
        try:
            yield whole
        except (RasterioError, CPLE_BaseError) as error:
            raise write_error(path, error) from error
        _move_beside(path, whole)


def _move_beside(path: Path, whole: Path) -> None:
    """Moves what a folder holds beside `path`, the file itself last: it is new only when all that belongs to it is."""
    moved: list[str] = []
    for part in sorted(whole.iterdir(), key=lambda part: part.name == path.name):
        try:
            os.replace(part, path.parent / part.name)
        except OSError as error:
            if not moved:
                raise
            raise UserError(
                f"{path}: {part.name} could not be replaced ({error.strerror or error}). New already: {', '.join(moved)}; "
                "as before: the rest. Mend the cause and write again."
            ) from error
        moved.append(part.name)


@contextlib.contextmanager
def written_folder(folder: Path | str) -> Iterator[Path]:
    """A scratch folder whose entries appear in `folder` at once; on any failure nothing is left, not even `folder`.

    Entries of the same name in `folder` are replaced, others stay.

    Raises:
        UserError: it cannot be written, the disk is full, or another process writes to it. It is as it was then.
    """
    check_local(folder)
    folder = Path(os.path.realpath(folder))
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: expected a folder to write to, found a file. Choose another --out.")
    with _prepared(folder) as scratch:
        if folder.exists() and not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        yield scratch
        publish(scratch, folder)


def write_text(path: str | Path, text: str) -> None:
    """Writes UTF-8, whole or not at all."""
    path = Path(path)
    with written_whole(path) as folder:
        (folder / path.name).write_text(text, encoding="utf-8")


def write_json(path: str | Path, content: Any) -> None:
    """Writes JSON, whole or not at all."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def append_text(path: Path, text: str) -> None:
    """Adds to the end of a text file, which then holds all of it or is as it was."""
    with written_whole(path) as folder:
        if path.exists():
            shutil.copy2(path, folder / path.name)
        with (folder / path.name).open("a", encoding="utf-8") as file:
            file.write(text)


@contextlib.contextmanager
def made_parents(path: Path) -> Iterator[None]:
    """Makes the folders above `path`; those that are empty after a failure are taken away again."""
    missing = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for folder in missing:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


@contextlib.contextmanager
def _prepared(path: Path) -> Iterator[Path]:
    """A scratch folder for `path` under its lock, and one line for whatever cannot be written."""
    scratch = None
    try:
        with made_parents(path), only_writer(path):
            home = hidden_home(path)
            clear(home, path.name, path)
            scratch = new_scratch(home, path.name)
            try:
                yield scratch
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
    except UserError as error:  # name the file where the user will look for it
        if scratch is not None and str(scratch) in str(error):
            raise UserError(str(error).replace(str(scratch), str(path))) from error
        raise
    except Exception as error:
        if _of_writing(path, error):
            raise write_error(path, error) from error
        raise


def write_error(path: Path, error: BaseException, *, next_step: str = "Nothing was left behind.") -> UserError:
    """One line for an error that was met in writing `path`."""
    if _is_full(path, error):
        return UserError(
            f"{path}: could not be written, disk full or at its quota ({_free_mb(path.parent)}). Free some space or write "
            f"elsewhere. {next_step}"
        )
    if isinstance(error, PLACE):
        reason = error.strerror or str(error)
        return UserError(f"{path}: cannot be written to ({reason}). Choose another folder with --out.")
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return UserError(f"{path}: could not be written ({first[:160]}). Check the folder and the disk. {next_step}")


def _of_writing(path: Path, error: Exception) -> bool:
    """Whether an error is of writing here, not of reading a picture elsewhere. A full disk names no file."""
    if isinstance(error, BrokenPipeError):
        return False
    if isinstance(error, OSError) and error.filename is not None:
        place, folder = Path(os.fsdecode(error.filename)).absolute(), path.parent.absolute()
        return place.is_relative_to(folder) or folder.is_relative_to(place)
    return isinstance(error, OSError) or _is_full(path, error)


def _is_full(path: Path, error: BaseException) -> bool:
    """By the number of the error; where a library lost it, by what it says apart from the names of files."""
    number = _numbered(error)
    if number is not None:
        return number in FULL
    said = f"{error} {error.__cause__ or ''}"
    for name in (str(path), str(path.parent), path.name, path.parent.name):
        said = said.replace(name, "") if name else said
    return bool(_SAID_FULL.search(said))


def _numbered(error: BaseException | None) -> int | None:
    while error is not None:
        if isinstance(error, OSError) and error.errno:
            return error.errno
        if match := _NUMBER.search(str(error)):
            return int(match[1])
        error = error.__cause__
    return None


def _free_mb(folder: Path) -> str:
    free = free_bytes(folder)
    return "free space unknown" if free is None else f"{free / 1e6:,.1f} MB free"
