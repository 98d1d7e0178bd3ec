"""Tables of labelled pixels as CSV, packed or not: columns as arrays, and places dealt to splits by a hash of their name.

n rows · k columns
"""

import csv
import gzip
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from rsfm.data.datasets.base import read_error
from rsfm.errors import UserError

TEST_SHARE, VAL_SHARE = 0.2, 0.2
BY_HASH = {
    "train": "three fifths of the places, by a hash of the place's name",
    "val": "a fifth of the places",
    "test": "another fifth of the places",
}
MISSING = ("", "NA", "NaN", "nan")


class Rows:
    """The rows of a CSV file with a header, .gz or plain.

    Args:
        name: the data set, for error messages.
        path: the file.
        needs: columns that must be there.
    """

    def __init__(self, name: str, path: Path, needs: Sequence[str]) -> None:
        self._name, self._path = name, path
        open_text = gzip.open if path.suffix == ".gz" else open
        try:
            with open_text(path, "rt", newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                self.names = tuple(reader.fieldnames or ())
                self._rows = list(reader)
        except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
            raise read_error(name, path, error) from error
        missing = [column for column in needs if column not in self.names]
        if missing:
            raise UserError(
                f"{name}: {path} lacks the columns {', '.join(missing)}. It has {', '.join(self.names[:40])}."
            )

    def __len__(self) -> int:
        return len(self._rows)

    def texts(self, column: str) -> list[str]:
        return [row[column] for row in self._rows]

    def numbers(self, columns: Sequence[str]) -> Float[np.ndarray, "n k"]:
        """Columns side by side, NaN where a cell is empty or NA."""
        try:
            cells = [[_number(row[column]) for column in columns] for row in self._rows]
        except (TypeError, ValueError) as error:
            raise read_error(self._name, self._path, error) from error
        return np.array(cells, np.float64).reshape(len(cells), len(columns))


def _number(cell: str) -> float:
    return float("nan") if cell in MISSING else float(cell)


def part_of(place: str) -> str:
    """The split of a place, by a hash of its name, so that no other place decides: a key of BY_HASH."""
    share = int(hashlib.sha256(place.encode()).hexdigest()[:8], 16) / 2**32
    return "test" if share < TEST_SHARE else "val" if share < TEST_SHARE + VAL_SHARE else "train"


def cell(lon: float, lat: float, degrees: float) -> str:
    """The name of the square of a longitude-latitude grid that a point lies in."""
    return f"{np.floor(lon / degrees) * degrees:g} {np.floor(lat / degrees) * degrees:g}"
