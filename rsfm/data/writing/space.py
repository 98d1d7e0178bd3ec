"""Whether files that are about to be written fit on their disk."""

import shutil
from pathlib import Path

from rsfm.errors import UserError


def check_space(path: Path, needed: float, *, advice: str) -> None:
    """Raises UserError where files of so many bytes would not fit beside what the disk of `path` holds.

    Args:
        path: the file or folder to write, which need not be there yet.
        needed: bytes, about.
        advice: what the user can do instead.
    """
    free = free_bytes(path)
    if free is not None and needed > free:
        raise UserError(
            f"{path}: the files would take about {needed / 1e6:,.1f} MB, of {free / 1e6:,.1f} MB that are free on that disk. {advice}"
        )


def free_bytes(path: Path) -> int | None:
    """What may still be written where `path` is or will be; None where the system does not say."""
    place = path.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        return shutil.disk_usage(place).free
    except OSError:
        return None
