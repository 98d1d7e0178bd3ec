"""A user's images of one place by one instrument, opened lazily and read by windows in physical units.

t acquisitions · h w pixels · c bands
"""

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from rsfm.data.reading.arrays import is_array, named_rasters
from rsfm.data.reading.bands import Part, all_bands, check_parts
from rsfm.data.reading.dates import date_of, series_order
from rsfm.data.reading.files import open_rasters
from rsfm.data.reading.geotiff import GeoRaster
from rsfm.data.reading.grids import ground_edge, location, moved, pixel_size, same_grid, shrunk
from rsfm.data.reading.masks import without_mask_layer
from rsfm.data.reading.nodata import NoData, count_note, few_numbers, no_data
from rsfm.data.reading.product import identify
from rsfm.data.reading.raster import Raster, Window, sample_pixels
from rsfm.data.reading.series import check_one_place
from rsfm.data.reading.units import Calibration, calibrate, check_range
from rsfm.data.reading.wavelengths import Spectrum, spectrum
from rsfm.errors import UserError
from rsfm.pytree import replace
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import choose_bands, days_since_2000, observe
from rsfm.sensors.own import find_sensor
from rsfm.types import GeoGrid, Record, Sensor


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Acquisition:
    raster: Raster
    indexes: tuple[int, ...]  # of the raster's bands with a valid pixel in the sample
    present: Bool[np.ndarray, " c"]  # which of Scene.bands these are, in their order
    calibration: Calibration  # of these
    nothing: NoData  # of these
    notes: tuple[str, ...] = ()


class Scene:
    """What `open_scene` returns.

    Attributes:
        sensor: the instrument.
        bands: names of the bands that are there at any date, a subset of the sensor's.
        grid: map grid of the whole scene; `crs` is None where the files have none.
        height, width: in pixels.
        time_days: (t) days since 2000-01-01 UTC, NaN where unknown.
        gsd_m: ground sampling distance in metres, in the middle; that of a window is its own.
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
        gsd_m: float | None = None,
    ):
        """Takes opened rasters on one grid; use `open_scene`. `gsd_m`: of pixels whose grid does not tell."""
        header = acquisitions[0].raster.header
        self._acquisitions = tuple(acquisitions)
        self.sensor, self.bands, self.time_days = sensor, bands, time_days
        self.height, self.width = header.height, header.width
        self.grid = _grid(acquisitions[0].raster)
        self.location_deg = location(self.grid)
        nominal = min(band.gsd_m for band in choose_bands(sensor, bands))
        self.gsd_m, assumed = pixel_size(self.grid, nominal)
        if gsd_m is not None and self.grid.crs is not None:
            raise UserError(
                f"{header.path.name}: gsd_m is {gsd_m:g}, but its grid says pixels of {self.gsd_m:g} m. Leave gsd_m out."
            )
        if gsd_m is not None:
            self.gsd_m, assumed = gsd_m, (f"no georeference: pixels are {gsd_m:g} m, as given",)
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
        numbers = numbers[..., acquisition.indexes]
        held = acquisition.calibration.apply(numbers)
        there = valid[..., acquisition.indexes] & ~acquisition.nothing(numbers, held)
        seen = there.any(-1)
        cloudy = acquisition.raster.cloudy(window, shape)
        seen = seen if cloudy is None else seen & ~cloudy
        values = np.zeros((*seen.shape, len(self.bands)), np.float32)
        cells = np.where(there, held, np.float32(np.nan))
        values[..., acquisition.present] = np.where(seen[..., None], cells, np.float32(0))
        return values, seen

    def _record(self, values: np.ndarray, valid: np.ndarray, grid: GeoGrid, gsd_m: float) -> Record:
        gsd_m = ground_edge(grid) or gsd_m
        observation = observe(self.sensor, values, valid=valid, time_days=self.time_days, gsd_m=gsd_m, bands=self.bands)
        return Record(
            id=self._acquisitions[0].raster.header.path.stem,
            observations={self.sensor.name: replace(observation, band_valid=self._present)},
            location_deg=location(grid),
            grid=grid,
        )


def open_scene(
    paths: Sequence[Any],
    *,
    sensor: str | None = None,
    dates: Sequence[str] | None = None,
    series: bool = False,
    gsd_m: float | None = None,
    unit: str | None = None,
    bands: Sequence[str] | None = None,
    wavelengths_um: Sequence[float] | np.ndarray | Spectrum = (),
    scale: float | None = None,
    offset: float | None = None,
    allow_vrt: bool = False,
) -> Scene:
    """Opens images of one place by one instrument. Reads a small sample of the pixels, no more.

    Args:
        paths: one a date: GeoTIFF, COG, JPEG 2000, PNG, JPEG, ENVI (.hdr), .mat, .npy, or a folder of one-band files
            (Sentinel-2 SAFE, BigEarthNet, Landsat, HLS); one-band files of one product may be named one by one. A date may
            lack bands that others have; a file may hold several dates, told apart by the names of its bands. Or images in
            memory: numpy arrays, Pillow pictures, xarray and rioxarray objects.
        sensor: a key of SENSORS, or a .toml or .json file of one's own; None to find it out from names, bands and
            wavelengths where that is unambiguous.
        dates: one a date, YYYY-MM-DD, each another; None to read them from tags and names. The scene is sorted by them.
        series: they are dates of one place, though their grids do not show it.
        gsd_m: metres of a pixel's edge, of images without a georeference.
        unit: what the numbers are where that is not plain, see `rsfm.data.reading.units.calibrate`.
        bands: names of each file's layers in order, "skip" for one to leave out.
        wavelengths_um: centres of the layers in micrometres, or centres and widths; they come before the files' own.
        scale, offset: physical = number * scale + offset, where the files and their products do not say so.
        allow_vrt: read a VRT, too, if all it is made of lies in its own folder.

    >>> open_scene(["S2A_MSIL2A_20170613T101031_87_48"]).read((0, 0, 64, 64))
    """
    if gsd_m is not None and not 0 < gsd_m < math.inf:
        raise UserError(f"gsd_m {gsd_m}: expected metres of a pixel's edge, above 0.")
    if not paths:
        raise UserError("No scene given. Name at least one image file or folder of one-band images.")
    chosen = find_sensor(sensor) if sensor is not None else None
    times = len(dates) if dates and len(paths) == 1 else None
    files = _opened(paths, chosen, times, allow_vrt)
    check_one_place(files, said=series or dates is not None)
    notes: list[str] = [note for raster in files for note in raster.header.notes]
    if bands is None:
        looked_at = [without_mask_layer(raster) for raster in files]
        files = [raster for raster, _ in looked_at]
        notes.extend(note for _, note in looked_at if note)
    given = _spectrum(wavelengths_um)
    largest = max(files, key=lambda raster: raster.header.count)
    first = identify(largest.header, sensor=chosen, bands=bands, spectrum=given)
    chosen = first.sensor
    pairs: list[tuple[Raster, Part]] = []
    for raster in files:
        same = raster is largest or raster.header.path == largest.header.path
        named = None if chosen.name in SENSORS and SENSORS[chosen.name] is chosen else chosen
        product = first if same else identify(raster.header, sensor=named or chosen, bands=bands, spectrum=given)
        notes.extend(product.notes)
        pairs.extend((raster.select(part.places), part) for part in product.parts)
    rasters = [raster for raster, _ in pairs]
    held = [part.bands for _, part in pairs]
    names = held[0] if bands else all_bands(chosen, held)
    time_days, dated = _dates(rasters, dates, [part.day for _, part in pairs])
    rasters, moved = _on_one_grid(rasters)
    order, sorted_note = series_order([raster.header.path.name for raster in rasters], time_days)
    rasters, held, time_days = [rasters[i] for i in order], [held[i] for i in order], time_days[order]
    check_parts(rasters, held, time_days)
    how = {"unit": unit, "scale": scale, "offset": offset}
    opened = [
        _prepare(raster, chosen, names, here, float(day), how)
        for raster, here, day in zip(rasters, held, time_days, strict=True)
    ]
    absent = [band.name for band in SENSORS.get(chosen.name, chosen).bands if band.name not in names]
    if absent:
        notes.append(f"{chosen.name}: without the bands {_listed(absent)}")
    for acquisition, here in zip(opened, held, strict=True):
        notes.extend((*acquisition.calibration.notes, *acquisition.notes))
        file = acquisition.raster.header.path.name
        missing = [name for name, there in zip(names, acquisition.present, strict=True) if not there]
        lacking, empty = ([name for name in missing if (name in here) == there] for there in (False, True))
        notes.extend([f"{file}: without the bands {_listed(lacking)}, missing at that date"] if lacking else [])
        notes.extend([f"{file}: no valid pixel found in {_listed(empty)}"] if empty else [])
    sorting = (sorted_note,) if sorted_note else ()
    return Scene(
        opened, sensor=chosen, bands=names, time_days=time_days, notes=(*notes, *sorting, *dated, *moved), gsd_m=gsd_m
    )


def _opened(sources: Sequence[Any], sensor: Sensor | None, times: int | None, allow_vrt: bool) -> list[Raster]:
    in_memory = [is_array(source) for source in sources]
    if all(in_memory):
        return list(named_rasters(sources, bands=len(sensor.bands) if sensor else None, times=times))
    if any(in_memory):
        raise UserError(
            "Files and arrays together: expected one or the other. Open the files as arrays, or save the arrays."
        )
    return open_rasters([Path(path) for path in sources], sensor, times, allow_vrt=allow_vrt)


def _spectrum(wavelengths_um: Sequence[float] | np.ndarray | Spectrum) -> Spectrum:
    pair: list[Any] = list(wavelengths_um)
    if len(pair) == 2 and all(np.ndim(part) == 1 for part in pair):
        centers, widths = ([float(x) for x in np.asarray(part)] for part in pair)
    else:
        centers, widths = [float(x) for x in np.asarray(pair, np.float64).reshape(-1)], []
    found = spectrum(centers, widths, "um")
    if centers and not found[0]:
        raise UserError("wavelengths_um: expected positive numbers in micrometres, one for each band.")
    return found


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:3])} ... {names[-1]} ({len(names)} of them)"


def _dates(
    rasters: Sequence[Raster], dates: Sequence[str] | None, days: Sequence[float]
) -> tuple[np.ndarray, list[str]]:
    """Days since 2000 of each acquisition, with notes. `days`: by the names of its bands, NaN where these have none."""
    if dates is not None:
        if len(dates) != len(rasters):
            raise UserError(
                f"{len(rasters)} image{'s' * (len(rasters) != 1)} but {len(dates)} date{'s' * (len(dates) != 1)}: "
                "give one for each image, in the same order."
            )
        return np.array([days_since_2000(date) for date in dates]), []
    told = [date_of(raster.header.product, raster.header.tags) for raster in rasters]
    of_file = Counter((raster.header.path, day) for raster, (day, _) in zip(rasters, told, strict=True))
    found: list[tuple[float, str | None]] = []
    for raster, day, own in zip(rasters, days, told, strict=True):
        if not math.isnan(day):
            found.append((day, None))
        elif of_file[raster.header.path, own[0]] > 1:  # a file's one date does not tell its acquisitions apart
            found.append((math.nan, None))
        else:
            found.append(own)
    written = Counter(day for day, note in found if note)  # two files written at once were not taken at once
    found = [(math.nan, None) if note and written[day] > 1 else (day, note) for day, note in found]
    notes = [note for _, note in found if note]
    unknown = [raster.header.path.name for raster, (day, _) in zip(rasters, found, strict=True) if math.isnan(day)]
    if unknown:
        notes.append(f"no date known for {', '.join(dict.fromkeys(unknown))}")
    return np.array([day for day, _ in found]), notes


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


def _commonest(numbers: np.ndarray) -> float:
    values, counts = np.unique(numbers, return_counts=True)
    return float(values[counts.argmax()])


def _prepare(
    raster: Raster,
    sensor: Sensor,
    names: tuple[str, ...],
    held: tuple[str, ...],
    day: float,
    how: Mapping[str, Any],
) -> _Acquisition:
    """Looks at a sample of the pixels: decides the calibration, refuses what cannot be the unit, finds empty bands.

    Args:
        raster: one acquisition.
        sensor: its instrument.
        names: the bands of the scene.
        held: the raster's bands.
        day: of the acquisition.
        how: unit, scale and offset by the user.
    """
    header, where = raster.header, str(raster.header.path)
    indexes = tuple(held.index(name) for name in names if name in held)
    told = [held[i] for i in indexes]
    bands = choose_bands(sensor, told)
    numbers, valid = sample_pixels(raster, indexes)
    if not valid.any():
        raise UserError(
            f"{where}: no valid pixel: all nodata, transparent or NaN. Check the file and its nodata value."
        )
    converted = how["unit"] is None and header.dtype.kind in "iu" or how["unit"] in ("dn", "dn_offset", "dn_no_offset")
    cut = bool(re.search(r"harmoni[sz]ed", header.product.lower())) or how["unit"] == "dn_no_offset"
    nothing = no_data(sensor, bands, header.dtype, converted=converted, plausible_zero=cut)
    measured = valid & ~nothing.stored(numbers)
    if not measured.any():
        raise UserError(
            f"{where}: no valid pixel: all that is not nodata is {numbers[valid].flat[0]:g}, which is no measurement of "
            f"{sensor.name}. Check the file."
        )
    calibration = calibrate(
        sensor,
        bands,
        where=where,
        dtype=header.dtype,
        scales=[header.scales[i] for i in indexes] if header.scales else None,
        offsets=[header.offsets[i] for i in indexes] if header.offsets else None,
        product=header.product,
        tags=header.tags,
        time_days=day,
        sample=np.where(measured, numbers, np.float32(np.nan)),
        **how,
    )
    values = np.where(measured, calibration.apply(numbers), np.float32(np.nan))
    outside = measured & nothing(numbers, values)
    if few_numbers(numbers[outside]) and (measured & ~outside).any():
        values = np.where(outside, np.float32(np.nan), values)
    check_range(where, bands, values, converted=converted)
    found = np.asarray((valid & ~nothing(numbers, calibration.apply(numbers))).any(0))
    note = count_note(header.path.name, told, numbers, valid, nothing(numbers, calibration.apply(numbers)))
    fills = numbers[valid & np.isin(numbers, nothing.fills)]
    if fills.size and isinstance(raster, GeoRaster):
        raster = raster.with_nodata(_commonest(fills))
    some = {name for name, any_there in zip(told, found, strict=True) if any_there}
    return _Acquisition(
        raster=raster,
        indexes=tuple(held.index(name) for name in names if name in some),
        present=np.array([name in some for name in names]),
        calibration=dataclasses.replace(calibration, scale=calibration.scale[found], offset=calibration.offset[found]),
        nothing=nothing.select(found),
        notes=(note,) if note else (),
    )
