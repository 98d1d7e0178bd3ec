"""Whether an HDF5 file holds all it shows: its format can name other files and go in circles."""

from pathlib import Path
from typing import Any

from rsfm.errors import UserError

MAX_OBJECTS = 20_000
MAX_DEPTH = 32


def check_contained(path: Path, file: Any) -> None:
    """Walks all groups and data sets of an open file without following what leads out of it.

    Raises:
        UserError: a link to another file, numbers stored in or gathered from other files, groups in a circle, or more
            objects than any product has.
    """
    _check_group(path, file, (_address(file),), [0])


def _check_group(path: Path, group: Any, above: tuple[int, ...], count: list[int]) -> None:
    import h5py

    for name in group:
        count[0] += 1
        if count[0] > MAX_OBJECTS or len(above) > MAX_DEPTH:
            raise UserError(f"{path}: more than {MAX_OBJECTS:,} objects or {MAX_DEPTH} groups in each other.")
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise _refused(path, name, f"is a link to the file '{link.filename}'")
        item = group.get(name)  # None where a link leads nowhere
        if isinstance(item, h5py.Dataset):
            _check_numbers(path, name, item)
        elif isinstance(item, h5py.Group):
            if _address(item) in above:
                raise _refused(path, name, "is a group that holds itself")
            _check_group(path, item, (*above, _address(item)), count)


def _check_numbers(path: Path, name: str, item: Any) -> None:
    if item.external:
        raise _refused(path, name, f"keeps its numbers in the file '{item.external[0][0]}'")
    if item.is_virtual:
        raise _refused(path, name, "gathers its numbers from other files")


def _address(item: Any) -> int:
    import h5py

    return int(h5py.h5o.get_info(item.id).addr)


def _refused(path: Path, name: str, why: str) -> UserError:
    return UserError(f"{path}: '{name}' {why}, which is never followed. Copy the product again, in one file.")
