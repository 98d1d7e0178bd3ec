"""Addresses of cloud storage where a place on this machine is expected."""

import re
from pathlib import Path

from rsfm.errors import UserError

# A Path drops the second slash. One letter before the colon is a drive of Windows.
_ADDRESS = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+):/{1,3}(?=[^/])")


def check_local(path: str | Path) -> None:
    """Raises UserError for an address such as gs://bucket/folder: rsfm reads and writes files of this machine."""
    match = _ADDRESS.match(str(path))
    if match and not Path(f"{match[1]}:").exists():
        shown = f"{match[1]}://{str(path)[match.end() :]}"
        raise UserError(
            f"{shown}: is an address; rsfm reads and writes folders of this machine. Mount the storage (gcsfuse, "
            "mountpoint-s3, rclone mount), or copy from and to it, and give the local path."
        )
