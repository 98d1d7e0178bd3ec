"""Unlabelled images below a folder as plots: what several dates and instruments saw on one grid, each with its place.

n plots
"""

import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from rsfm.data.reading.grids import same_grid
from rsfm.data.reading.ground import degrees
from rsfm.data.reading.listing import acquisitions
from rsfm.data.reading.scene import Scene, open_scene
from rsfm.errors import UserError, one_line
from rsfm.types import GeoGrid

MOST_DATES = 8  # of one instrument that are read together
SHARED = (
    0.05  # of the smaller of two footprints: neighbours on a map share less by the slant of their grids, one place more
)

Paths = tuple[Path, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Acquisition:
    """One file or product that can be read.

    Attributes:
        paths: as `open_scene` takes them.
        sensor: key of SENSORS, or the name of a spectrum without one.
        grid: of its pixels.
        days: dates, days since 2000; NaN where unknown.
    """

    paths: Paths
    sensor: str
    grid: GeoGrid
    days: tuple[float, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plot:
    """Attributes:
    layers: the paths that are opened together, one entry an instrument.
    sensors: of the layers.
    grid: that all of them have.
    place: number of the place; plots that overlap have the same.
    """

    layers: tuple[Paths, ...]
    sensors: tuple[str, ...]
    grid: GeoGrid
    place: int = -1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plots:
    """Attributes:
    plots: in the order of their files' names.
    skipped: a line for each file that cannot be read.
    """

    plots: tuple[Plot, ...]
    skipped: tuple[str, ...]


def find_plots(folder: Path) -> Plots:
    """Opens every acquisition below a folder once; looks at it again only if something there has changed.

    Raises:
        UserError: there is no such folder, nothing in it that looks like an image, or nothing that can be read.
    """
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise UserError(f"{folder}: expected a folder of images, found {found}. Give the folder that holds them.")
    listed = tuple(acquisitions(folder))
    if not listed:
        raise UserError(
            f"{folder}: expected images (GeoTIFF, JPEG 2000, NetCDF, ENVI, .npy, .mat, PNG, JPEG, products), found none in it "
            "or below it. Give another folder."
        )
    changed = tuple(path.stat().st_mtime_ns for paths in listed for path in paths)
    return _read(folder, listed, changed)


@functools.lru_cache(maxsize=4)
def _read(folder: Path, listed: tuple[Paths, ...], changed: tuple[int, ...]) -> Plots:
    acquired: list[Acquisition] = []
    skipped: list[str] = []
    for paths in listed:
        made, problems = _acquired(paths)
        acquired.extend(made)
        skipped.extend(problems)
    if not acquired:
        some = " ".join(skipped[:1])
        raise UserError(f"{folder}: none of {len(listed)} images can be read. The first: {some}")
    plots = tuple(_placed(list(_stacked(acquired))))
    return Plots(plots=plots, skipped=tuple(skipped))


def _acquired(paths: Paths) -> tuple[list[Acquisition], list[str]]:
    """What can be read of a file or of a product's files: together, or else those of them that are whole by themselves."""
    try:
        return [_acquisition(paths, open_scene(paths))], []
    except Exception as error:  # of whatever a reader makes of a broken file: one of thousands must not end the run
        problem = one_line(error) if isinstance(error, (UserError, OSError)) else f"{paths[0]}: {one_line(error)}"
    if len(paths) == 1:
        return [], [problem]
    alone = [_acquired((path,)) for path in paths]
    made = [each for acquired, _ in alone for each in acquired]
    return made, [line for _, lines in alone for line in lines] if made else [problem]


def _acquisition(paths: Paths, scene: Scene) -> Acquisition:
    days = tuple(float(day) for day in scene.time_days)
    return Acquisition(paths=paths, sensor=scene.sensor.name, grid=scene.grid, days=days)


def _stacked(acquired: Sequence[Acquisition]) -> Iterator[Plot]:
    """Acquisitions of one georeferenced grid together: dates of an instrument as one layer, instruments as layers."""
    grids: dict[object, list[Acquisition]] = {}
    for i, each in enumerate(acquired):
        grids.setdefault(_rough(each.grid) if each.grid.crs else i, []).append(each)
    for group in grids.values():
        same = [each for each in group if same_grid(group[0].grid, each.grid)]
        for together in (same, *([each] for each in group if each not in same)):
            yield from _plots(together)


def _rough(grid: GeoGrid) -> tuple[object, ...]:
    """The same for grids that are the same."""
    pixel = abs(grid.transform[0]) + abs(grid.transform[1])
    return grid.crs, grid.height, grid.width, *(round(grid.transform[i] / pixel) for i in (2, 5))


def _plots(group: Sequence[Acquisition]) -> Iterator[Plot]:
    by_sensor: dict[str, list[list[Acquisition]]] = {}
    for each in sorted(group, key=lambda a: a.days):
        layers = by_sensor.setdefault(each.sensor, [])
        if layers and _follows(layers[-1], each):
            layers[-1].append(each)
        else:
            layers.append([each])
    for i in range(max(len(layers) for layers in by_sensor.values())):
        chosen = {sensor: layers[i % len(layers)] for sensor, layers in by_sensor.items()}
        paths = tuple(tuple(path for each in layer for path in each.paths) for layer in chosen.values())
        yield Plot(layers=paths, sensors=tuple(chosen), grid=group[0].grid)


def _follows(layer: Sequence[Acquisition], each: Acquisition) -> bool:
    """Whether an acquisition is one more date of a layer: one file a date, every date known and another."""
    days = [day for one in (*layer, each) for day in one.days]
    known = all(math.isfinite(day) for day in days) and len(set(days)) == len(days)
    return known and len(days) <= MOST_DATES and all(len(one.paths) == 1 for one in (*layer, each))


def _placed(plots: Sequence[Plot]) -> Iterator[Plot]:
    """Plots with the number of their place; one without a place on Earth is a place of its own."""
    boxes = np.array([_box(plot.grid) for plot in plots])
    place = np.arange(len(plots))
    order = np.argsort(boxes[:, 0])
    for at, i in enumerate(order):
        later = order[at + 1 :]
        later = later[: np.searchsorted(boxes[later, 0], boxes[i, 2])] if np.isfinite(boxes[i, 0]) else later[:0]
        for j in later[_shared(boxes[i], boxes[later]) > SHARED]:
            place[place == place[j]] = place[i]
    numbers = {old: new for new, old in enumerate(dict.fromkeys(place))}
    yield from (dataclasses.replace(plot, place=numbers[old]) for plot, old in zip(plots, place, strict=True))


def _box(grid: GeoGrid) -> tuple[float, float, float, float]:
    """West, south, east and north in degrees; NaN without a place on Earth."""
    right, down = np.meshgrid(np.linspace(0, grid.width, 3), np.linspace(0, grid.height, 3))
    points = degrees(grid, right.ravel(), down.ravel())
    if not np.isfinite(points).all():
        return math.nan, math.nan, math.nan, math.nan
    (west, south), (east, north) = points.min(0), points.max(0)
    return float(west), float(south), float(east), float(north)


def _shared(one: Float[np.ndarray, "4"], others: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, " n"]:
    """Area two boxes share, of the smaller one's."""
    across = np.minimum(one[2], others[:, 2]) - np.maximum(one[0], others[:, 0])
    down = np.minimum(one[3], others[:, 3]) - np.maximum(one[1], others[:, 1])
    areas = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    smaller = np.minimum(areas, (one[2] - one[0]) * (one[3] - one[1]))
    return np.clip(across, 0, None) * np.clip(down, 0, None) / np.maximum(smaller, 1e-30)
