"""Which files are the pictures: named one by one, or in folders."""

from collections.abc import Sequence
from pathlib import Path

from rsfm.data.labels.base import PICTURES
from rsfm.data.reading.files import check_exists
from rsfm.errors import UserError

SUFFIXES = (*PICTURES, ".hdr", ".npy", ".mat", ".nc", ".h5", ".he5")
PRODUCTS = (".SAFE", ".zarr")  # folders that are one picture


def find_pictures(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The pictures in paths, in the order of paths and of names.

    Args:
        paths: files; folders of files; folders that are one product of one-band files, by their names or as they hold others'.

    Raises:
        UserError: a path that is not there, a folder without a picture.
    """
    found: list[Path] = []
    for path in paths:
        check_exists(path)
        found += [path] if path.is_file() or path.suffix in PRODUCTS else _inside(path)
    return tuple(dict.fromkeys(path.absolute() for path in found))


def _inside(folder: Path) -> list[Path]:
    entries = sorted(folder.iterdir())
    files = [path for path in entries if path.is_file() and path.suffix.lower() in SUFFIXES]
    products = [path for path in entries if path.is_dir() and path.suffix in PRODUCTS]
    if not files and not products:
        raise UserError(
            f"{folder}: no picture in it. Expected files such as {', '.join(SUFFIXES[:5])}; each folder with pictures is "
            "named for itself."
        )
    return files + products
