"""One writer at a time for an output: a second process is refused, and a process that died holds nothing."""

import contextlib
import errno
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows: the owner's record alone
    fcntl = None  # type: ignore[assignment]

from rsfm.errors import UserError

CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)  # a folder of others, or of a disk that is only read
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}  # of a file system that knows none
_HELD: set[Path] = set()  # by this process, to which the system grants its own lock again


@contextlib.contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Holds the lock of a file or folder, `.NAME.lock` beside it, which need not be there yet.

    The operating system holds it for this process and lets go however the process ends; where a file system has no
    locks, the record of the owner in the file is looked up among the running processes.

    Raises:
        UserError: another process writes there.
    """
    place = hidden_home(path) / f".{path.name[:200]}.lock"
    if place in _HELD:
        raise _busy(path, "this process")
    descriptor = _take(place, path)
    _HELD.add(place)
    try:
        yield
    finally:
        _HELD.discard(place)
        with contextlib.suppress(OSError):
            place.unlink()
        os.close(descriptor)


def hidden_home(path: Path) -> Path:
    """Where the lock and the scratch folders of an output lie: beside it, or in it where nothing can be put beside it."""
    inside = path.is_dir() and (path.is_mount() or not os.access(path.parent, os.W_OK))
    return path if inside else path.parent


def _take(place: Path, path: Path) -> int:
    """The open lock file with this process's record in it."""
    while True:
        try:
            descriptor = os.open(place, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            if error.errno not in CLOSED:
                raise
            raise UserError(
                f"{path}: cannot be written to ({error.strerror}). Choose another folder with --out."
            ) from error
        try:
            _claim(descriptor, path)
            if _is_at(descriptor, place):  # else its last owner took it away just now
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, json.dumps(_record(os.getpid())).encode(), 0)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _claim(descriptor: int, path: Path) -> None:
    owner = _read(descriptor)
    try:
        if fcntl is None:
            raise OSError(errno.ENOSYS, "no locks")
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # of the process: its children do not keep it
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            raise _busy(path, _named(owner)) from None
        if error.errno not in NO_LOCKS:
            raise
        if owner and (owner.get("host") != socket.gethostname() or owner == _record(owner.get("pid", -1))):
            raise _busy(path, _named(owner)) from None


def _is_at(descriptor: int, place: Path) -> bool:
    with contextlib.suppress(OSError):
        return os.fstat(descriptor).st_ino == place.stat().st_ino
    return False


def _record(process: int) -> dict[str, Any]:
    """A process as no later one of the same number is: with the machine, its boot, and the start of the process."""
    stat = _text(f"/proc/{process}/stat").rpartition(")")[2].split()
    return {
        "pid": process if stat or process == os.getpid() else None,
        "host": socket.gethostname(),
        "boot": _text("/proc/sys/kernel/random/boot_id").strip(),
        "start": stat[19] if len(stat) > 19 else "",  # field 22 of proc(5), in ticks since the boot
    }


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _read(descriptor: int) -> dict[str, Any]:
    try:
        found = json.loads(os.pread(descriptor, 4096, 0) or b"{}")
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _named(owner: dict[str, Any]) -> str:
    return f"process {owner.get('pid', '?')} on {owner.get('host', '?')}"


def _busy(path: Path, who: str) -> UserError:
    return UserError(f"{path}: {who} is writing there now. Wait for it to end, or choose another --out.")
