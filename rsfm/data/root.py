"""Where the data folder is: the environment variable RSFM_DATA, else `shared/data` beside the repository."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def data_root() -> Path:
    """The data folder. It need not exist: a dataset that finds nothing says what it expected and where to get it."""
    named = os.environ.get("RSFM_DATA", "")
    return Path(named).expanduser() if named else REPOSITORY.parent / "shared" / "data"


@contextlib.contextmanager
def data_folder(folder: Path | None) -> Iterator[None]:
    """Reads data sets from another data folder inside the block; None leaves it as it is."""
    before = os.environ.get("RSFM_DATA")
    if folder is not None:
        os.environ["RSFM_DATA"] = str(folder)
    try:
        yield
    finally:
        if folder is not None:
            os.environ.pop("RSFM_DATA")
            os.environ.update({} if before is None else {"RSFM_DATA": before})
