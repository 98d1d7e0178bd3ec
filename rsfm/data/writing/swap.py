"""New contents of a folder that take the place of the old at one moment: a process killed at any other leaves one of them.

Entries of the same name are replaced, others stay. A folder that is new gets its name. One that stands is exchanged for
a copy in one call of the system; where that cannot be (a mount point, the folder somebody works in, folders in it that
stay, a file system without such a call), entries are moved one by one, and what a killed process did not move is moved
at the next start.
"""

import contextlib
import ctypes
import errno
import os
import re
import shutil
import uuid
from pathlib import Path

PART, READY = "part", "ready"  # endings of scratch folders: being written; complete, being moved
EXCHANGE, HERE = 2, -100  # RENAME_EXCHANGE of renameat2(2), AT_FDCWD


def new_scratch(home: Path, name: str) -> Path:
    """A new folder for what will be called `name`."""
    scratch = home / f".{name[:200]}.{uuid.uuid4().hex[:8]}.{PART}"
    scratch.mkdir(parents=True)
    return scratch


def clear(home: Path, name: str, folder: Path) -> None:
    """Ends what a killed process began: half-written folders go, complete ones are moved into `folder`."""
    ours = re.compile(rf"\.{re.escape(name[:200])}\.[0-9a-f]{{8}}\.({PART}|{READY})")
    for entry in list(home.iterdir()) if home.is_dir() else []:
        if match := ours.fullmatch(entry.name):
            _move(entry, folder) if match[1] == READY else shutil.rmtree(entry, ignore_errors=True)


def publish(scratch: Path, folder: Path) -> None:
    """All entries of a scratch folder appear in `folder`."""
    if not folder.exists():
        scratch.rename(folder)
        return
    try:
        _exchange_with_others(scratch, folder)
    except OSError:
        ready = scratch.with_suffix(f".{READY}")
        for name in _linked(scratch, folder):
            (scratch / name).unlink()
        scratch.rename(ready)
        _move(ready, folder)


def _exchange_with_others(scratch: Path, folder: Path) -> None:
    """Afterwards `scratch` holds what `folder` held."""
    if scratch.parent != folder.parent or Path.cwd().is_relative_to(folder):
        raise OSError(errno.EBUSY, "in use", str(folder))
    for other in folder.iterdir():
        if not (scratch / other.name).exists():
            os.link(other, scratch / other.name, follow_symlinks=False)
    shutil.copymode(folder, scratch)
    _exchange(scratch, folder)


def _linked(scratch: Path, folder: Path) -> list[str]:
    """Names under which both hold the same file."""
    both = [path.name for path in scratch.iterdir() if (folder / path.name).exists()]
    return [name for name in both if os.path.samefile(scratch / name, folder / name)]


def _exchange(first: Path, second: Path) -> None:
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if rename(HERE, os.fsencode(first), HERE, os.fsencode(second), EXCHANGE):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(second))


def _move(ready: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for entry in sorted(ready.iterdir()):
        target = folder / entry.name
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        os.replace(entry, target)
    with contextlib.suppress(OSError):
        ready.rmdir()
