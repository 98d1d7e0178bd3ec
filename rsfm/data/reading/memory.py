"""Whether an array fits this machine, before anything is made for it."""

import contextlib
import math
import os
import resource
from collections.abc import Sequence
from pathlib import Path

from rsfm.errors import UserError

SHARE = 0.6  # of what is free that one array may take: what is made of it needs room, too
_CONTROL_GROUP = (  # limit and use of a container, version 2 and 1 of Linux' control groups
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def check_fits(
    path: Path | str,
    shape: Sequence[int],
    itemsize: int,
    *,
    advice: str = "Convert it to a tiled GeoTIFF, which is read by windows.",
) -> None:
    """Raises UserError where an array of this shape would not fit into what is free of the machine's memory.

    Args:
        path: the file that declares the shape.
        shape: its axes.
        itemsize: bytes of one number.
        advice: what the user can do instead.
    """
    needed, free = math.prod(int(n) for n in shape) * itemsize, available_bytes()
    if needed > SHARE * free:
        size = " x ".join(f"{int(n):,}" for n in shape) if len(shape) <= 6 else f"{len(shape)} axes"
        raise UserError(
            f"{path}: its {size} numbers take {_gigabytes(needed)}, of {_gigabytes(free)} of memory that are free. {advice}"
        )


def available_bytes() -> int:
    """Memory that this process may still take: the least of the machine's, its container's and its own limit."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    with contextlib.suppress(OSError, ValueError, IndexError):
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        limits.append(int(text.split("MemAvailable:")[1].split()[0]) * 1024)
    for most, used in _CONTROL_GROUP:
        with contextlib.suppress(OSError, ValueError):  # "max" is no number: no limit
            limits.append(int(Path(most).read_text()) - int(Path(used).read_text()))
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        with contextlib.suppress(OSError, ValueError, IndexError):
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
            limits.append(soft - pages * os.sysconf("SC_PAGE_SIZE"))
    return max(0, min(limits))


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count < 10**15 else "far more than any machine has"
