"""Files that are written whole or not at all: beside their place under a hidden name, and moved there at the end."""

import contextlib
import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rasterio._err import CPLE_BaseError  # what GDAL raises below RasterioError; it has no public name
from rasterio.errors import RasterioError

from rsfm.errors import UserError


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """An empty folder for the file and what belongs to it: at the end all in it is moved beside `path`.

    Its parent is a scratch folder that goes away at the end.

    Raises:
        UserError: the folder cannot be written to, or the disk is full. Nothing is left behind then.
    """
    folder = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise UserError(f"{path}: is a folder. Expected the name of a file to write.")
        whole = folder / "whole"
        whole.mkdir(parents=True)
        yield whole
        for part in sorted(
            whole.iterdir(), key=lambda part: part.name == path.name
        ):  # the file itself comes last: it stands only when all is there
            os.replace(part, path.parent / part.name)
    except (OSError, RasterioError, CPLE_BaseError) as error:
        raise _told(path, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_json(path: str | Path, content: Any) -> None:
    """Writes JSON, whole or not at all."""
    path = Path(path)
    with written_whole(path) as folder:
        (folder / path.name).write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _told(path: Path, error: Exception) -> UserError:
    text = f"{error} {error.__cause__ or ''}".lower()
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or "space" in text or "write" in text:
        free = _free_mb(path.parent)
        return UserError(
            f"{path}: could not be written, disk full or at its quota ({free}). Free some space or write elsewhere."
        )
    if isinstance(error, (PermissionError, NotADirectoryError, FileExistsError, FileNotFoundError)):
        return UserError(
            f"{path}: the folder {path.parent} cannot be written to ({error.strerror}). Choose another with --out."
        )
    return UserError(f"{path}: could not be written ({str(error)[:160]}). Check the folder and the disk.")


def _free_mb(folder: Path) -> str:
    try:
        return f"{shutil.disk_usage(folder).free / 2**20:.0f} MB free"
    except OSError:
        return "free space unknown"
