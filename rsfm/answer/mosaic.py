"""What a model gives for windows of a scene, blended into strips of the whole at bounded memory.  k values · h w pixels"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Bool, Float
from tqdm import tqdm

from rsfm.answer.footprint import Footprint, RecordFootprint
from rsfm.answer.windows import StripBlender, Tiling
from rsfm.errors import UserError
from rsfm.types import Record


@dataclasses.dataclass(frozen=True, kw_only=True)
class Strip:
    """Finished rows of a scene.

    Attributes:
        first: their first row in the scene.
        values: the blended windows; 0 where none held data.
        valid: whether the scene holds data.
    """

    first: int
    values: Float[np.ndarray, "k h w"]
    valid: Bool[np.ndarray, "h w"]


def mosaic(
    footprint: Footprint,
    tiling: Tiling,
    count: int,
    run: Callable[[list[Record]], Float[np.ndarray, "n k size size"]],
    *,
    prepare: Callable[[Record], Record] = lambda record: record,
    batch_size: int = 16,
    progress: bool = False,
) -> Iterator[Strip]:
    """Runs a model over the windows of a footprint and hands out finished rows from the top down.

    Args:
        footprint: of any size.
        tiling: its windows.
        count: k, the values a pixel gets.
        run: values of up to `tiling.batch_size(batch_size)` windows; never called with none.
        prepare: takes from a window what the model does not read; what it leaves decides where there is data.
        batch_size: most windows to run at once.
        progress: show a bar on stderr.
    """
    blender, seen = StripBlender(tiling, count), _ValidStrip(tiling)
    with tqdm(total=len(tiling), unit="window", disable=None if progress else True, leave=False) as bar:
        for i, columns in tiling.batches(batch_size):
            windows = [prepare(record) for record in _read_windows(footprint, tiling, i, columns)]
            for j, record in zip(columns, windows, strict=True):
                seen.add(j, _any_valid(record, tiling.size))
            # Windows without data are left at zero, and no time is spent.
            full = [(j, record) for j, record in zip(columns, windows, strict=True) if seen.window(j).any()]
            if full:
                for (j, _), values in zip(full, run([record for _, record in full]), strict=True):
                    blender.add(i, j, values)
            bar.update(len(columns))
            if columns[-1] == len(tiling.columns) - 1:
                first, values = blender.finish(i)
                yield Strip(first=first, values=values, valid=seen.finish(i))
    if not seen.found:
        raise UserError("Every pixel of the scene is nodata. Check the file's nodata value and its masks.")


class _ValidStrip:
    """Where the rows of windows still open hold data."""

    def __init__(self, tiling: Tiling):
        self.tiling, self.found = tiling, False
        self._strip = np.zeros((tiling.size, max(tiling.width, tiling.size)), bool)

    def window(self, j: int) -> Bool[np.ndarray, "h w"]:
        left = self.tiling.columns[j]
        return self._strip[:, left : left + self.tiling.size]

    def add(self, j: int, valid: Bool[np.ndarray, "h w"]) -> None:
        self.window(j)[:] = valid
        self.found = self.found or bool(valid.any())

    def finish(self, i: int) -> Bool[np.ndarray, "h w"]:
        rows = self.tiling.rows
        below = self.tiling.height if i == len(rows) - 1 else rows[i + 1]
        return self._strip[: below - rows[i], : self.tiling.width].copy()


def _read_windows(footprint: Footprint, tiling: Tiling, i: int, columns: tuple[int, ...]) -> list[Record]:
    """The windows of one batch out of a single read: neighbours share pixels, and files are read by blocks."""
    top, lefts, size = tiling.rows[i], [tiling.columns[j] for j in columns], tiling.size
    together = RecordFootprint(footprint.read((top, lefts[0], size, lefts[-1] - lefts[0] + size)))
    return [
        dataclasses.replace(
            together.read((0, left - lefts[0], size, size)), location_deg=footprint.location((top, left, size, size))
        )
        for left in lefts
    ]


def _any_valid(record: Record, size: int) -> Bool[np.ndarray, "h w"]:
    """Pixels at which some sensor has data at some date."""
    valid = np.zeros((size, size), bool)
    for observation in record.observations.values():
        seen = observation.valid.any(axis=-3)
        if seen.shape == valid.shape:
            valid |= seen
    return valid
