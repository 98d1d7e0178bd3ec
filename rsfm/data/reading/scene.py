"""A user's images of one place by one instrument, opened lazily and read by windows in physical units.

t acquisitions · h w pixels · c bands
"""

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from rsfm.data.reading.bands import all_bands, check_parts, pick_bands
from rsfm.data.reading.dates import date_of, series_order
from rsfm.data.reading.files import open_rasters
from rsfm.data.reading.geotiff import GeoRaster
from rsfm.data.reading.grids import location, moved, pixel_size, same_grid, shrunk
from rsfm.data.reading.raster import Raster, Window, sample_pixels
from rsfm.data.reading.units import Calibration, calibrate, check_range
from rsfm.errors import UserError, lookup
from rsfm.pytree import replace
from rsfm.sensors import SENSORS
from rsfm.sensors.infer import infer_sensor
from rsfm.sensors.observe import choose_bands, days_since_2000, observe
from rsfm.types import GeoGrid, Record, Sensor


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Acquisition:
    raster: Raster
    indexes: tuple[int, ...]  # of the raster's bands with a valid pixel in the sample
    present: Bool[np.ndarray, " c"]  # which of Scene.bands these are, in their order
    calibration: Calibration  # of these


class Scene:
    """What `open_scene` returns.

    Attributes:
        sensor: the instrument.
        bands: names of the bands that are there at any date, a subset of the sensor's.
        grid: map grid of the whole scene; `crs` is None where the files have none.
        height, width: in pixels.
        time_days: (t) days since 2000-01-01 UTC, NaN where unknown.
        gsd_m: ground sampling distance in metres.
        location_deg: longitude and latitude of the centre, None where unknown.
        notes: what was assumed, for the reader of the answer.
    """

    def __init__(
        self,
        acquisitions: Sequence[_Acquisition],
        *,
        sensor: Sensor,
        bands: tuple[str, ...],
        time_days: Float[np.ndarray, " t"],
        notes: tuple[str, ...],
    ):
        """Takes opened rasters on one grid; use `open_scene`."""
        header = acquisitions[0].raster.header
        self._acquisitions = tuple(acquisitions)
        self.sensor, self.bands, self.time_days = sensor, bands, time_days
        self.height, self.width = header.height, header.width
        self.grid = _grid(acquisitions[0].raster)
        self.location_deg = location(self.grid)
        nominal = min(band.gsd_m for band in choose_bands(sensor, bands))
        self.gsd_m, assumed = pixel_size(self.grid, self.location_deg, nominal)
        self.notes = tuple(dict.fromkeys((*notes, *assumed)))
        self._present = np.stack([acquisition.present for acquisition in acquisitions])

    def read(self, window: Window | None = None) -> Record:
        """One window of all dates.

        Args:
            window: first row, first column, height, width; None for all. What lies outside the scene is not valid.
        """
        window = window or (0, 0, self.height, self.width)
        row, column, height, width = window
        shape = (len(self._acquisitions), height, width)
        values, valid = np.zeros((*shape, len(self.bands)), np.float32), np.zeros(shape, bool)
        top, left = max(row, 0), max(column, 0)
        bottom, right = min(row + height, self.height), min(column + width, self.width)
        if bottom > top and right > left:
            inside = (slice(top - row, bottom - row), slice(left - column, right - column))
            for i in range(len(self._acquisitions)):
                values[i, *inside], valid[i, *inside] = self._pixels(i, (top, left, bottom - top, right - left))
        return self._record(values, valid, moved(self.grid, row, column, height, width), self.gsd_m)

    def overview(self, size: int) -> Record:
        """The whole scene with its longer edge at most `size` pixels, by averaging."""
        shrink = max(1.0, max(self.height, self.width) / size)
        shape = (max(1, round(self.height / shrink)), max(1, round(self.width / shrink)))
        pixels = [self._pixels(i, (0, 0, self.height, self.width), shape) for i in range(len(self._acquisitions))]
        values, valid = (np.stack(part) for part in zip(*pixels, strict=True))
        coarser = math.sqrt(self.height * self.width / (shape[0] * shape[1]))
        return self._record(values, valid, shrunk(self.grid, *shape), self.gsd_m * coarser)

    def _pixels(self, i: int, window: Window, shape: tuple[int, int] | None = None) -> tuple[np.ndarray, np.ndarray]:
        acquisition = self._acquisitions[i]
        numbers, valid = acquisition.raster.read(window, shape)
        held = acquisition.calibration.apply(numbers[..., acquisition.indexes])
        seen = (valid[..., acquisition.indexes] & np.isfinite(held)).all(-1)
        cloudy = acquisition.raster.cloudy(window, shape)
        seen = seen if cloudy is None else seen & ~cloudy
        values = np.zeros((*seen.shape, len(self.bands)), np.float32)
        values[..., acquisition.present] = np.where(seen[..., None], held, np.float32(0))
        return values, seen

    def _record(self, values: np.ndarray, valid: np.ndarray, grid: GeoGrid, gsd_m: float) -> Record:
        observation = observe(self.sensor, values, valid=valid, time_days=self.time_days, gsd_m=gsd_m, bands=self.bands)
        return Record(
            id=self._acquisitions[0].raster.header.path.stem,
            observations={self.sensor.name: replace(observation, band_valid=self._present)},
            location_deg=location(grid),
            grid=grid,
        )


def open_scene(
    paths: Sequence[str | Path],
    *,
    sensor: str | None = None,
    dates: Sequence[str] | None = None,
    unit: str | None = None,
    bands: Sequence[str] | None = None,
    allow_vrt: bool = False,
) -> Scene:
    """Opens images of one place by one instrument. Reads a small sample of the pixels, no more.

    Args:
        paths: one a date: GeoTIFF, COG, JPEG 2000, PNG, JPEG, ENVI (.hdr), .mat, .npy, or a folder of one-band files
            (Sentinel-2 SAFE, BigEarthNet, Landsat, HLS); one-band files of one product may be named one by one. A date may
            lack bands that others have.
        sensor: a key of SENSORS; None to tell it from names and bands where that is unambiguous.
        dates: one a path, YYYY-MM-DD, each another; None to read them from tags and names. The scene is sorted by them.
        unit: what the numbers are where that is not plain, see `rsfm.data.reading.units.calibrate`.
        bands: names of the file's bands where they are not all of the sensor's in order.
        allow_vrt: read a VRT, too, if all it is made of lies in its own folder.

    >>> open_scene(["S2A_MSIL2A_20170613T101031_87_48"]).read((0, 0, 64, 64))
    """
    if not paths:
        raise UserError("No scene given. Name at least one image file or folder of one-band images.")
    chosen = lookup(SENSORS, "sensor", sensor) if sensor is not None else None
    rasters = open_rasters([Path(path) for path in paths], chosen, allow_vrt=allow_vrt)
    notes: list[str] = [note for raster in rasters for note in raster.header.notes]
    if chosen is None:
        header = max((raster.header for raster in rasters), key=lambda header: header.count)
        chosen, note = infer_sensor(
            str(header.path),
            count=header.count,
            dtype=header.dtype,
            descriptions=header.descriptions,
            product=header.product,
        )
        notes.append(note)
    picked = [pick_bands(raster, chosen, bands) for raster in rasters]
    names = tuple(bands) if bands else all_bands(chosen, [held for _, held in picked])
    time_days, dated = _dates(rasters, dates, len(paths))
    rasters, moved = _on_one_grid(rasters)
    order, sorted_note = series_order([raster.header.path.name for raster in rasters], time_days)
    rasters, picked, time_days = [rasters[i] for i in order], [picked[i] for i in order], time_days[order]
    check_parts(rasters, [held for _, held in picked], time_days)
    opened = [
        _prepare(raster, chosen, names, dict(zip(held, indexes, strict=True)), unit, float(day))
        for raster, (indexes, held), day in zip(rasters, picked, time_days, strict=True)
    ]
    absent = [band for band in (b.name for b in chosen.bands) if band not in names]
    if absent:
        notes.append(f"{chosen.name}: without the bands {', '.join(absent)}")
    for acquisition, (_, held) in zip(opened, picked, strict=True):
        notes.extend(acquisition.calibration.notes)
        file = acquisition.raster.header.path.name
        missing = [name for name, there in zip(names, acquisition.present, strict=True) if not there]
        lacking, empty = ([name for name in missing if (name in held) == there] for there in (False, True))
        notes.extend([f"{file}: without the bands {', '.join(lacking)}, missing at that date"] if lacking else [])
        notes.extend([f"{file}: no valid pixel found in {', '.join(empty)}"] if empty else [])
    sorting = (sorted_note,) if sorted_note else ()
    return Scene(opened, sensor=chosen, bands=names, time_days=time_days, notes=(*notes, *sorting, *dated, *moved))


def _dates(rasters: Sequence[Raster], dates: Sequence[str] | None, files: int) -> tuple[np.ndarray, list[str]]:
    """Days since 2000 of each raster, with notes. `files`: how many were named; one may hold several acquisitions."""
    if dates is not None:
        if len(dates) != len(rasters):
            raise UserError(
                f"{len(rasters)} image{'s' * (len(rasters) != 1)} but {len(dates)} date{'s' * (len(dates) != 1)}: "
                "give one for each image, in the same order."
            )
        return np.array([days_since_2000(date) for date in dates]), []
    told = [date_of(raster.header.product, raster.header.tags) for raster in rasters]
    if len(rasters) > files:  # a file's one date does not tell its acquisitions apart
        of_file = Counter(raster.header.path for raster in rasters)
        told = [
            (day, note) if of_file[raster.header.path] == 1 else (math.nan, None)
            for raster, (day, note) in zip(rasters, told, strict=True)
        ]
    written = Counter(day for day, note in told if note)  # two files written at once were not taken at once
    told = [(math.nan, None) if note and written[day] > 1 else (day, note) for day, note in told]
    notes = [note for _, note in told if note]
    unknown = [raster.header.path.name for raster, (day, _) in zip(rasters, told, strict=True) if math.isnan(day)]
    if unknown:
        notes.append(f"no date known for {', '.join(dict.fromkeys(unknown))}")
    return np.array([day for day, _ in told]), notes


def _on_one_grid(rasters: list[Raster]) -> tuple[list[Raster], list[str]]:
    """All images on the first one's grid, warped bilinearly where they lie on another."""
    first, out, warped = rasters[0].header, [rasters[0]], []
    grid = _grid(rasters[0])
    for raster in rasters[1:]:
        header = raster.header
        if same_grid(grid, _grid(raster)):
            out.append(raster)
        elif isinstance(raster, GeoRaster) and header.crs and grid.crs:
            out.append(raster.warped(grid))
            warped.append(header.path.name)
        else:
            raise UserError(
                f"{header.path}: {header.height} x {header.width} pixels, but {first.path.name} has {grid.height} x "
                f"{grid.width} and there is no common georeference to align them by. Bring them onto one grid first."
            )
    return out, [f"warped onto the grid of {first.path.name}: {', '.join(warped)}"] if warped else []


def _grid(raster: Raster) -> GeoGrid:
    header = raster.header
    return GeoGrid(crs=header.crs, transform=header.transform, height=header.height, width=header.width)


def _prepare(
    raster: Raster, sensor: Sensor, names: tuple[str, ...], index: Mapping[str, int], unit: str | None, day: float
) -> _Acquisition:
    """Looks at a sample of the pixels: decides the calibration, refuses what cannot be the unit, finds empty bands.

    Args:
        raster: one acquisition.
        sensor: its instrument.
        names: the bands of the scene.
        index: of the raster's bands, by their names.
        unit: as told by the user.
        day: of the acquisition.
    """
    header = raster.header
    told = [name for name in names if name in index]
    bands, indexes = choose_bands(sensor, told), tuple(index[name] for name in told)
    numbers, valid = sample_pixels(raster, indexes)
    if not valid.any():
        raise UserError(
            f"{header.path}: no valid pixel: all nodata, transparent or NaN. Check the file and its nodata value."
        )
    found = np.asarray(valid.any(0))
    usable = valid[:, found].all(1)
    calibration = calibrate(
        sensor,
        bands,
        where=str(header.path),
        dtype=header.dtype,
        unit=unit,
        scales=[header.scales[i] for i in indexes] if header.scales else None,
        offsets=[header.offsets[i] for i in indexes] if header.offsets else None,
        product=header.product,
        tags=header.tags,
        time_days=day,
        sample=numbers[usable] if usable.any() else None,
    )
    values = np.where(valid, calibration.apply(numbers), np.nan)
    converted = unit is None and header.dtype.kind in "iu" or unit in ("dn", "dn_offset", "dn_no_offset")
    check_range(str(header.path), bands, values, converted=converted)
    some = {name for name, there in zip(told, found, strict=True) if there}
    return _Acquisition(
        raster=raster,
        indexes=tuple(index[name] for name in names if name in some),
        present=np.array([name in some for name in names]),
        calibration=dataclasses.replace(calibration, scale=calibration.scale[found], offset=calibration.offset[found]),
    )
