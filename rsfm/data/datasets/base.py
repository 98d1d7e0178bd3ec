"""What every dataset is: facts about it, a folder in a published layout, splits, and records in physical units."""

import abc
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from rsfm.errors import UserError, unknown
from rsfm.types import MapScale, Record, Value


@dataclasses.dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """The facts `rsfm data list` prints.

    Attributes:
        name: the key in DATASETS.
        title: full name for people.
        url: where the data is had officially.
        licence: as stated by its publisher.
        citation: the paper or report to cite.
        layout: the files expected, in words.
        splits: names of splits, each with what it holds and how it was made.
        sensors: keys of SENSORS in its records.
        tasks: keys of TASKS its labels serve.
        folder: where it lies below the data folder.
        needs: paths below `folder` that must exist; "a|b" = one of them.
    """

    name: str
    title: str
    url: str
    licence: str
    citation: str
    layout: str
    splits: dict[str, str]
    sensors: tuple[str, ...]
    tasks: tuple[str, ...]
    folder: str
    needs: tuple[str, ...]


class EmptySplit(UserError):
    """A split of the published set that this copy holds nothing of."""


class Dataset(abc.ABC):
    """Records of one split. Reading a record opens its files; building the dataset reads only tables.

    Args:
        root: the data folder (see rsfm.data.root), or the dataset's own folder.
        split: a key of `info.splits`.
    """

    info: ClassVar[DatasetInfo]
    maps: tuple[MapScale, ...] = ()  # of the maps of numbers in its records, one a name; `index` may set it
    legends: Mapping[str, tuple[str, ...]] = {}  # classes by what they are together called, where they have such a name

    def __init__(self, root: Path | str, split: str) -> None:
        if split not in self.info.splits:
            raise unknown(f"split of {self.info.name}", split, self.info.splits)
        self.split = split
        self.folder = self.find(Path(root))
        self.index()
        if not len(self):
            raise EmptySplit(
                f"{self.info.name}: the split '{split}' ({self.info.splits[split]}) holds nothing in {self.folder}. "
                f"Choose another split of {', '.join(self.info.splits)}, or get the whole dataset from {self.info.url}."
            )

    def find(self, root: Path) -> Path:
        """The folder of its files."""
        return find_folder(root, self.info)

    @abc.abstractmethod
    def index(self) -> None:
        """Finds out what the split holds."""

    @abc.abstractmethod
    def __len__(self) -> int: ...

    @abc.abstractmethod
    def __getitem__(self, i: int) -> Record: ...

    def label_values(self, i: int) -> tuple[Value, ...]:
        """The numbers among record i's labels; a data set that knows them without reading the record says them at once."""
        return self[i].values

    @abc.abstractmethod
    def group(self, i: int) -> str:
        """The site, tile, region or picture record i comes from: none is in two splits."""

    def __iter__(self) -> Iterator[Record]:
        return (self[i] for i in range(len(self)))

    def check_index(self, i: int) -> int:
        """The index counted from the front. Raises IndexError beyond the end, so that plain iteration stops."""
        n = len(self)
        if not -n <= i < n:
            raise IndexError(f"{self.info.name} {self.split} has {n} records, asked for number {i}.")
        return i % n


def find_folder(root: Path, info: DatasetInfo) -> Path:
    """The dataset's folder below `root`, or `root` itself where that holds the files."""
    for folder in (root / info.folder, root):
        if not _missing(folder, info):
            return folder
    place = root / info.folder
    found = f"no {', '.join(_missing(place, info))} there" if place.is_dir() else "no such folder"
    raise UserError(
        f"{info.name}: expected the data in {place}, found {found}. Layout: {info.layout} "
        f"Get it from {info.url} and set RSFM_DATA (or --data) to the folder that holds '{info.folder}'."
    )


def _missing(folder: Path, info: DatasetInfo) -> list[str]:
    return [paths for paths in info.needs if not any((folder / path).exists() for path in paths.split("|"))]


def read_error(name: str, path: Path, error: object) -> UserError:
    """The one line for a file that is there and cannot be read."""
    return UserError(f"{name}: cannot read {path}: {error}. The file may be truncated; fetch it again.")
