"""One place seen by one or several instruments, read by windows: from files of any size, or from a Record in memory."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from rsfm.data.reading.arrays import is_array
from rsfm.data.reading.grids import location, moved
from rsfm.data.reading.labels import check_same_ground
from rsfm.data.reading.scene import Scene, open_scene
from rsfm.data.reading.wavelengths import Spectrum
from rsfm.errors import UserError
from rsfm.pytree import replace
from rsfm.types import GeoGrid, Observation, Record

Window = tuple[int, int, int, int]  # first row, first column, height, width, in pixels of the footprint


@runtime_checkable
class Footprint(Protocol):
    """What prediction reads from.

    `read` pads what lies outside with valid = False; `overview` shrinks, never grows; `location` is the longitude and
    latitude of a window's middle, of the whole place where only that is known.
    """

    @property
    def height(self) -> int: ...

    @property
    def width(self) -> int: ...

    @property
    def grid(self) -> GeoGrid | None: ...

    @property
    def notes(self) -> tuple[str, ...]: ...

    def read(self, window: Window) -> Record: ...

    def overview(self, size: int) -> Record: ...

    def location(self, window: Window) -> tuple[float, float] | None: ...


class SceneFootprint:
    """Scenes of different sensors on one grid, read together lazily."""

    def __init__(self, scenes: Sequence[Scene]):
        """Takes scenes of different sensors. Raises UserError where their grids differ."""
        first = scenes[0]
        ground = []
        for scene in scenes[1:]:
            _check_same_grid(first, scene)
            ground.append(check_same_ground(first.grid, scene.grid))
        self.scenes = tuple(scenes)
        self.height, self.width, self.grid = first.height, first.width, first.grid
        self.notes: tuple[str, ...] = tuple(
            dict.fromkeys([*(note for scene in scenes for note in scene.notes), *filter(None, ground)])
        )

    def read(self, window: Window) -> Record:
        """The window of every scene, physical units."""
        return merge([scene.read(window) for scene in self.scenes])

    def overview(self, size: int) -> Record:
        """The whole footprint with its longer edge at most `size` pixels."""
        return merge([scene.overview(size) for scene in self.scenes])

    def location(self, window: Window) -> tuple[float, float] | None:
        """Longitude and latitude of the middle of a window; None without a CRS."""
        return location(moved(self.grid, *window))


class RecordFootprint:
    """A Record in memory. Observations of another pixel size, as of weather, are cut in proportion."""

    def __init__(self, record: Record):
        self.record = record
        shapes = [observation.values.shape[-3:-1] for observation in record.observations.values()]
        if not shapes:
            raise UserError(f"{record.id}: the record holds no observation. Give at least one sensor's values.")
        self.height, self.width = max(shape[0] for shape in shapes), max(shape[1] for shape in shapes)
        self.grid = record.grid
        self.notes: tuple[str, ...] = ()

    def read(self, window: Window) -> Record:
        """The window of every observation."""
        observations = {name: self._cut(observation, window) for name, observation in self.record.observations.items()}
        return Record(id=self.record.id, observations=observations, location_deg=self.record.location_deg)

    def overview(self, size: int) -> Record:
        """The record without its labels: it is in memory already, and the processor fits it to the model."""
        return Record(
            id=self.record.id,
            observations=self.record.observations,
            location_deg=self.record.location_deg,
            grid=self.grid,
        )

    def location(self, window: Window) -> tuple[float, float] | None:
        """The record's own location: what it is told with in training, too."""
        return self.record.location_deg

    def _cut(self, observation: Observation, window: Window) -> Observation:
        height, width = observation.values.shape[-3:-1]
        down, right = height / self.height, width / self.width
        top, left = int(window[0] * down), int(window[1] * right)
        rows, columns = max(1, round(window[2] * down)), max(1, round(window[3] * right))
        cut = (slice(top, top + rows), slice(left, left + columns))
        values, valid = observation.values[..., *cut, :], observation.valid[..., *cut]
        pad = ((0, rows - values.shape[-3]), (0, columns - values.shape[-2]))
        return replace(
            observation,
            values=np.pad(values, ((0, 0), *pad, (0, 0))),
            valid=np.pad(valid, ((0, 0), *pad)),
        )


def as_footprint(source: Footprint | Scene | Record) -> Footprint:
    """A footprint of whatever can be predicted."""
    if isinstance(source, Record):
        return RecordFootprint(source)
    return SceneFootprint([source]) if isinstance(source, Scene) else source


def open_footprint(
    paths: Sequence[Any],
    *,
    sensors: Sequence[str] = (),
    dates: Sequence[str] = (),
    series: bool = False,
    gsd_m: float | None = None,
    unit: str | None = None,
    bands: Sequence[str] = (),
    wavelengths_um: Sequence[float] | np.ndarray | Spectrum = (),
    scale: float | None = None,
    offset: float | None = None,
    allow_vrt: bool = False,
) -> SceneFootprint:
    """Opens files or folders as one footprint: those of one sensor are its dates, of several sensors its streams.

    Args:
        paths: images, or folders of one-band images; or images in memory, see `open_scene`.
        sensors: one name for all, or one for each path; empty to tell them from the files.
        dates: acquisition dates, one for each path; empty to tell them from the files.
        series: images of one sensor are dates of one place, though their grids do not show it.
        gsd_m: metres of a pixel's edge, of images without a georeference.
        unit: of the values where the files are already in physical units.
        bands, wavelengths_um, scale, offset: of every file, see `open_scene`; for scenes of one sensor.
        allow_vrt: read a VRT, too, if all it is made of lies in its own folder.

    >>> open_footprint(["s2.tif", "s1.tif"], sensors=["sentinel2_l2a", "sentinel1_rtc"])
    """
    if not paths:
        raise UserError("No scene given. Name at least one image file or folder of one-band images.")
    if len(sensors) not in (0, 1, len(paths)):
        raise UserError(f"sensor: expected one name, or one for each of {len(paths)} scenes, found {len(sensors)}.")
    how: dict[str, Any] = {"unit": unit, "bands": bands or None, "wavelengths_um": wavelengths_um}
    how |= {"scale": scale, "offset": offset, "allow_vrt": allow_vrt, "series": series, "gsd_m": gsd_m}
    named: list[str | None] = [None] * len(paths)
    if sensors:
        named = [*sensors] * (len(paths) if len(sensors) == 1 else 1)
    elif len(paths) > 1:
        named = [open_scene([path], **how).sensor.name for path in paths]
    if len(set(named)) == 1:
        return SceneFootprint([open_scene(paths, sensor=named[0], dates=dates or None, **how)])
    if bands or len(wavelengths_um) or scale is not None or offset is not None:
        raise UserError(
            f"bands, wavelengths, scale and offset are of one sensor; the scenes are of {', '.join(map(str, dict.fromkeys(named)))}. "
            "Ask of one sensor, or write them into the files."
        )
    if len(dates) not in (0, len(paths)):
        raise UserError(f"{len(paths)} scenes but {len(dates)} dates: give one for each scene, in the same order.")
    scenes = []
    for sensor in dict.fromkeys(named):
        members = [i for i, name in enumerate(named) if name == sensor]
        when = [dates[i] for i in members] if dates else None
        scenes.append(open_scene([paths[i] for i in members], sensor=sensor, dates=when, **how))
    return SceneFootprint(scenes)


def open_source(source: Any, *, sensor: str | None = None, dates: Sequence[str] | None = None, **how: Any) -> Footprint:
    """A footprint of whatever can be predicted: a path, several, a Scene, a Record, or a footprint as it is.

    Args:
        source: see above, or an image in memory (numpy, Pillow, xarray), or several; several are dates of one sensor, or sensors
            of one place.
        sensor: a key of SENSORS; told from the files where it can be.
        dates: ISO date of each file; read from names and tags where not given.
        how: of `open_footprint`, what the files' numbers and bands are.
    """
    if isinstance(source, (str, Path)) or is_array(source):
        source = [source]
    if isinstance(source, (list, tuple)):
        return open_footprint(list(source), sensors=[sensor] if sensor else [], dates=dates or (), **how)
    if isinstance(source, Record):
        return RecordFootprint(source)
    return SceneFootprint([source]) if isinstance(source, Scene) else source


def merge(records: Sequence[Record]) -> Record:
    """One record of several sensors' records of the same place."""
    observations = {name: value for record in records for name, value in record.observations.items()}
    return dataclasses.replace(records[0], observations=observations)


def _check_same_grid(first: Scene, other: Scene) -> None:
    def told(scene: Scene) -> str:
        grid = scene.grid
        place = f"{grid.crs} {tuple(round(number, 6) for number in grid.transform)}" if grid.crs else "no CRS"
        return f"{scene.height} x {scene.width} pixels, {place}"

    same = (first.height, first.width) == (other.height, other.width)
    if first.grid.crs and other.grid.crs:
        pixel = max(abs(first.grid.transform[0]), abs(first.grid.transform[1]))
        near = np.allclose(first.grid.transform, other.grid.transform, rtol=1e-9, atol=pixel / 100)
        same = same and near and first.grid.crs == other.grid.crs
    if not same:
        raise UserError(
            f"{first.sensor.name} and {other.sensor.name} are not on one grid: {told(first)}; {told(other)}. "
            "Warp one onto the other first: rio warp B.tif B_on_A.tif --like A.tif"
        )
