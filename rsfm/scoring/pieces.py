"""Pictures cut into windows that are answered one by one, as papers on change score theirs.   h w pixels"""

from rsfm.data.training.pipeline import Records
from rsfm.data.training.transforms import crop_window, reference_size
from rsfm.types import Record


class Pieces:
    """The windows of a split's pictures, side by side and without overlap, each a record of its own.

    Those at the right and lower edge are smaller where the picture does not divide.
    """

    def __init__(self, records: Records, edge: int) -> None:
        """Reads each record once for its size.

        Args:
            records: of a split.
            edge: of a window in pixels of the labels.
        """
        self._records, self._edge = records, edge
        self._at = [
            (i, row, column) for i in range(len(records)) for row, column in _corners(reference_size(records[i]), edge)
        ]
        self._last: tuple[int, Record] | None = None

    def __len__(self) -> int:
        return len(self._at)

    def __getitem__(self, i: int) -> Record:
        if not 0 <= i < len(self._at):
            raise IndexError(i)
        number, row, column = self._at[i]
        if self._last is None or self._last[0] != number:
            self._last = number, self._records[number]
        record = self._last[1]
        height, width = reference_size(record)
        window = row, column, min(self._edge, height - row), min(self._edge, width - column)
        return crop_window(record, window)


def _corners(size: tuple[int, int], edge: int) -> list[tuple[int, int]]:
    return [(row, column) for row in range(0, size[0], edge) for column in range(0, size[1], edge)]
