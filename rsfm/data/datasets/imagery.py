"""Anybody's folder of unlabelled images, of any instruments, read by random windows.

h w pixels
"""

import functools
import hashlib
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from rsfm.data.datasets.base import EmptySplit
from rsfm.data.datasets.plots import Plot, Plots, find_plots
from rsfm.data.reading.scene import Scene, open_scene
from rsfm.errors import UserError, one_line, unknown
from rsfm.pytree import replace
from rsfm.types import Record

WINDOW = 256  # edge in pixels; each stands for one record of an epoch
MOST_WINDOWS = 64  # of a plot in an epoch, so that one mosaic does not drown a thousand chips
HELD_OUT = 10  # one place in so many is for validation
LEAST_ROWS = 32  # of the strip that is held out where there is one place only
TRIES = 16  # middles looked at for a measurement before a plot is looked through
LOOKS = 32  # at most so many rows and columns of middles of a plot that is looked through
OPEN = 8  # plots whose files stay open

Region = tuple[int, int]  # first row, and the one after the last


class Imagery:
    """Windows of every image below a folder that `rsfm.data.reading.scene.open_scene` reads; none has labels.

    Images of one instrument on one georeferenced grid are dates of a series, those of several instruments on it streams of one
    record. A scene is never read whole, but for PNG and JPEG pictures, which have no windows.

    Splits are by place: images that share ground are one place, an image without georeference is one by itself. One place in ten
    is "val". Where all images show one place and have one grid, the lowest tenth of its rows is.

    Attributes:
        notes: for people: what was skipped and why.
        plots: those of the split.
        kinds: windows of an epoch by set of instruments.
    """

    SPLITS = ("train", "val", "all")

    def __init__(self, root: Path | str, split: str = "all", *, sensors: Sequence[str] = ()) -> None:
        """Opens every image once.

        Args:
            root: the folder.
            split: "train", "val" or "all".
            sensors: only plots of exactly these instruments; all plots without any.

        Raises:
            UserError: no image can be read, or the split holds none.
        """
        if split not in self.SPLITS:
            raise unknown("split of unlabelled images", split, self.SPLITS)
        self.root, self.split, found = Path(root), split, find_plots(Path(root))
        self.notes = found.skipped
        of_split = _of_split(found, split, self.root)
        wanted = {plot: rows for plot, rows in of_split.items() if not sensors or set(plot.sensors) == set(sensors)}
        if not wanted:
            raise EmptySplit(f"{root}: the split '{split}' of its images holds nothing{_of(sensors)}.")
        self.plots, self._rows = tuple(wanted), tuple(wanted.values())
        self.kinds = Counter[tuple[str, ...]]()
        counts = [_windows(plot, rows) for plot, rows in wanted.items()]
        for plot, count in zip(self.plots, counts, strict=True):
            self.kinds[tuple(sorted(plot.sensors))] += count
        self._last = np.cumsum(counts)
        self._open = functools.lru_cache(maxsize=OPEN)(_opened)
        self._middles = functools.lru_cache(maxsize=None)(self._look_through)
        self._failed: set[int] = set()

    def __len__(self) -> int:
        return int(self._last[-1])

    def __getitem__(self, i: int) -> Record:
        """A window of its own for each number."""
        if not -len(self) <= i < len(self):
            raise IndexError(f"{self.root} {self.split} has {len(self)} windows, asked for number {i}.")
        return self.window(i % len(self), np.random.default_rng(i % len(self)), WINDOW)

    def group(self, i: int) -> str:
        """The place that window i lies in."""
        return str(self.plots[self._plot(i)].place)

    def window(self, i: int, rng: np.random.Generator, edge: int) -> Record:
        """A random window of at most `edge` pixels around a measurement, of the plot that number i is of.

        A plot whose pixels turn out to be damaged is told of once, and the next one is read in its place.
        """
        first = self._plot(i)
        for step in range(len(self.plots)):
            number = (first + step) % len(self.plots)
            try:
                return self._draw(number, rng, edge or WINDOW)
            except (UserError, OSError) as error:
                if number not in self._failed:
                    self._failed.add(number)
                    print(f"skipped: {one_line(error)}", file=sys.stderr)
        raise UserError(f"{self.root}: no image of the split '{self.split}' can be read any more.")

    def _plot(self, i: int) -> int:
        return int(np.searchsorted(self._last, i, side="right"))

    def _draw(self, number: int, rng: np.random.Generator, edge: int) -> Record:
        plot, (top, bottom) = self.plots[number], self._rows[number]
        row, column = self._middle(number, rng)
        height, width = min(edge, bottom - top), min(edge, plot.grid.width)
        start = int(np.clip(row - rng.integers(height), top, bottom - height))
        left = int(np.clip(column - rng.integers(width), 0, plot.grid.width - width))
        records = [scene.read((start, left, height, width)) for scene in self._open(plot)]
        observations = {name: each for record in records for name, each in record.observations.items()}
        return replace(records[0], id=f"{records[0].id}@{start},{left}", observations=observations)

    def _middle(self, number: int, rng: np.random.Generator) -> tuple[int, int]:
        """A random pixel with a measurement; any pixel where looking through the plot finds none."""
        plot, (top, bottom) = self.plots[number], self._rows[number]
        tried = rng.integers((top, 0), (bottom, plot.grid.width), (TRIES, 2))
        for row, column in tried:
            if self._measured(number, int(row), int(column)):
                return int(row), int(column)
        middles = self._middles(number)
        row, column = middles[rng.integers(len(middles))] if len(middles) else tried[0]
        return int(row), int(column)

    def _look_through(self, number: int) -> Int[np.ndarray, "n 2"]:
        """Pixels with a measurement, of an even net over the plot."""
        plot, (top, bottom) = self.plots[number], self._rows[number]
        rows, columns = _net(top, bottom), _net(0, plot.grid.width)
        held = [(row, column) for row in rows for column in columns if self._measured(number, row, column)]
        return np.array(held, np.int64).reshape(-1, 2)

    def _measured(self, number: int, row: int, column: int) -> bool:
        scene = self._open(self.plots[number])[0]
        return any(bool(each.valid.any()) for each in scene.read((row, column, 1, 1)).observations.values())


def _opened(plot: Plot) -> tuple[Scene, ...]:
    return tuple(open_scene(paths, series=True) for paths in plot.layers)


def _windows(plot: Plot, rows: Region) -> int:
    cells = -(-(rows[1] - rows[0]) // WINDOW) * -(-plot.grid.width // WINDOW)
    return min(cells, MOST_WINDOWS)


def _net(start: int, stop: int) -> list[int]:
    step = max(WINDOW // 2, -(-(stop - start) // LOOKS))
    return list(range(start + min(step, stop - start) // 2, stop, step))


def _of(sensors: Sequence[str]) -> str:
    return f" of {' with '.join(sensors)}" if sensors else ""


def _of_split(found: Plots, split: str, root: Path) -> dict[Plot, Region]:
    """The plots of a split, and which of their rows."""
    whole = {plot: (0, plot.grid.height) for plot in found.plots}
    if split == "all":
        return whole
    places = {plot.place for plot in found.plots}
    if len(places) > 1:
        held = _held_out(found, root)
        return {plot: rows for plot, rows in whole.items() if (plot.place in held) == (split == "val")}
    cut = _cut(found)
    if cut is None:
        return whole if split == "train" else {}
    return {plot: (0, cut) if split == "train" else (cut, plot.grid.height) for plot in whole}


def _held_out(found: Plots, root: Path) -> set[int]:
    """One place in ten, at least one, by the names of their first files: the same wherever the folder lies."""
    names: dict[int, str] = {}
    for plot in found.plots:
        names.setdefault(plot.place, plot.layers[0][0].relative_to(root).as_posix())
    order = sorted(names, key=lambda place: hashlib.sha256(names[place].encode(errors="surrogateescape")).digest())
    return set(order[: max(1, round(len(order) / HELD_OUT))])


def _cut(found: Plots) -> int | None:
    """The row below which the one grid of all plots is held out; None where they have several, or too few rows."""
    grids = {(plot.grid.transform, plot.grid.height, plot.grid.width) for plot in found.plots}
    height = found.plots[0].grid.height
    strip = height // HELD_OUT
    return height - strip if len(grids) == 1 and strip >= LEAST_ROWS else None
