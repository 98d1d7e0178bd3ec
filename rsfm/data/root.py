"""Where the data folder is: the environment variable RSFM_DATA, else `shared/data` beside the repository."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def data_root() -> Path:
    """The data folder. It need not exist: a dataset that finds nothing says what it expected and where to get it."""
    named = os.environ.get("RSFM_DATA", "")
    return Path(named).expanduser() if named else REPOSITORY.parent / "shared" / "data"
