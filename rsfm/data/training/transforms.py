"""Paired augmentation of Records: what happens to the pixels happens to masks, maps, boxes, images, grid and location.

All streams of a record cover one footprint. Sizes and boxes count in the pixels of its reference picture: the mask
or map of numbers if there is one, else the largest observation; a coarser stream is cut on its own pixels. Streams of one pixel (time
series, weather) have nothing to turn or cut.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Int, Shaped

from rsfm.data.reading.grids import location
from rsfm.data.resample import linear
from rsfm.pytree import replace
from rsfm.sensors.observe import at_dates
from rsfm.types import BAND_CODES, Array, Boxes, GeoGrid, Observation, Record

Window = tuple[int, int, int, int]  # row, column, height, width
BACKSCATTER = ("VV", "VH", "HH", "HV")
VISIBLE_UM = (0.45, 0.7)  # the bands that true-colour pictures are made of
Pixels = Shaped[Array, "..."]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """What may be varied in training.

    Attributes:
        flip: left-right and up-down, each with probability one half.
        rotate: quarter turns; half turns only for pictures that are not square.
        crop: edge in reference pixels of a random window; 0 keeps the whole picture.
        label_crop: the same for records whose pixels are labelled, where `crop` is 0: a map is made window by window, words are
            told of the whole picture made smaller.
        class_even: share of the windows of a labelled picture that hold a class drawn evenly among those present, so that
            rare classes are seen; the others hold any labelled pixel.
        mosaic: edge in pixels of tiles from random places, each turned and lit for itself, that a window of `crop` is made
            of; 0: one window. Where few scenes are labelled this hides their layout, which would be learned by heart.
        zoom: the window's edge is drawn between crop / (1 + zoom) and crop * (1 + zoom), and resampled to `crop`.
        band_drop: probability of each band to be marked missing at all dates; one band always stays, and a date that would
            lose all of its bands keeps them.
        visible_only: probability that of an optical stream only the bands the eye sees stay, so that what pictures of three
            bands teach holds for instruments with more; a date without any keeps what it has.
        date_drop: probability of each acquisition to be marked missing; one always stays.
        brightness: optical values are multiplied by 1 + u, |u| up to this.
        tilt: optical values are multiplied by 1 + u x, |u| up to this; x runs from -1 at 0.4 um to 1 at 2.5 um along the
            log wavelength.
        haze: optical values are raised by u (0.45 um / wavelength)^4, |u| up to this, as by Rayleigh scattering.
        offset: optical values are all raised by u, |u| up to this: what a product's numbers carry and its header does not say.
        band_gain: each optical band is multiplied by 1 + u of its own, |u| up to this: another instrument's responses and
            calibration, another correction of the atmosphere.
        backscatter_db: each radar band is raised by u dB, |u| up to this: incidence angle, calibration, terrain correction.
        elevation_m: an elevation is raised by u metres, |u| up to this, so that relief counts and not the height of a place.
        stream_drop: probability of each stream to be marked missing; one always stays.
        location_drop: probability of the location not to be told, so that places are not learned by heart.
        time_drop: probability of the dates not to be told: where few scenes are labelled a date tells which one it is.
        dates: so many acquisitions of each stream are drawn and kept, of those with data first; 0 keeps all.
    """

    flip: bool = True
    rotate: bool = True
    crop: int = 0
    label_crop: int = 0
    class_even: float = 0.5
    mosaic: int = 0
    zoom: float = 0.0
    band_drop: float = 0.0
    visible_only: float = 0.0
    date_drop: float = 0.0
    brightness: float = 0.0
    tilt: float = 0.0
    haze: float = 0.0
    offset: float = 0.0
    band_gain: float = 0.0
    backscatter_db: float = 0.0
    elevation_m: float = 0.0
    stream_drop: float = 0.0
    location_drop: float = 0.0
    time_drop: float = 0.0
    dates: int = 0


def augment(record: Record, rng: np.random.Generator, config: AugmentConfig | None = None) -> Record:
    """A random variant of a record. The same `rng` state gives the same variant."""
    config = config or AugmentConfig()
    if config.dates:
        record = draw_dates(record, rng, config.dates)
    if config.mosaic:
        return _finish(mosaic(record, rng, config), rng, config)
    labelled = record.mask is not None or record.value_map is not None
    crop = config.crop or (config.label_crop if labelled else 0)
    if crop and config.zoom:
        edge = round(crop * (1 + config.zoom) ** rng.uniform(-1, 1))
        record = random_crop(record, rng, min(edge, *reference_size(record)), config.class_even)
        record = resize(record, crop, crop)
    elif crop:
        record = random_crop(record, rng, crop, config.class_even)
    if config.flip:
        record = flip_columns(record) if rng.random() < 0.5 else record
        record = flip_rows(record) if rng.random() < 0.5 else record
    if config.rotate:
        height, width = reference_size(record)
        record = quarter_turns(record, int(rng.integers(4)) if height == width else 2 * int(rng.integers(2)))
    lit = {name: _raise(_light(each, rng, config), rng, config) for name, each in record.observations.items()}
    return _finish(replace(record, observations=lit), rng, config)


def mosaic(record: Record, rng: np.random.Generator, config: AugmentConfig) -> Record:
    """A square of `config.crop` pixels of tiles of `config.mosaic` pixels, every one a variant of the record by itself.

    All streams must have the reference picture's pixels, or one. Boxes, values and the grid are of no tile and are dropped.
    """
    side = max(1, config.crop // config.mosaic)
    each = AugmentConfig(
        flip=config.flip,
        rotate=config.rotate,
        crop=config.mosaic,
        class_even=config.class_even,
        brightness=config.brightness,
        tilt=config.tilt,
        haze=config.haze,
        offset=config.offset,
        band_gain=config.band_gain,
        backscatter_db=config.backscatter_db,
        elevation_m=config.elevation_m,
    )
    tiles = [[augment(record, rng, each) for _ in range(side)] for _ in range(side)]

    def join(pick: Callable[[Record], Pixels], row: int) -> Pixels:
        first = pick(tiles[0][0])
        if first.shape[row : row + 2] == (1, 1):
            return first
        return np.concatenate([np.concatenate([pick(t) for t in line], row + 1) for line in tiles], row)

    observations = {
        name: replace(
            seen,
            values=join(lambda tile, name=name: tile.observations[name].values, 1),  # type: ignore[misc]
            valid=join(lambda tile, name=name: tile.observations[name].valid, 1),  # type: ignore[misc]
        )
        for name, seen in record.observations.items()
    }
    labels, numbers = record.mask, record.value_map
    if labels is not None:
        labels = replace(labels, class_index=join(lambda tile: tile.mask.class_index, 0))  # type: ignore[union-attr]
    if numbers is not None:
        numbers = replace(numbers, values=join(lambda tile: tile.value_map.values, 0))  # type: ignore[union-attr]
    record = replace(record, observations=observations, mask=labels, value_map=numbers)
    return replace(record, boxes=None, images={}, values=(), grid=None)


def _finish(record: Record, rng: np.random.Generator, config: AugmentConfig) -> Record:
    """What is missing: bands, dates, streams, the location."""
    observations = {name: _drop(each, rng, config) for name, each in record.observations.items()}
    if config.stream_drop:
        observations = _drop_streams(observations, rng, config.stream_drop)
    if config.time_drop and rng.random() < config.time_drop:
        observations = {
            name: replace(each, time_days=np.full_like(each.time_days, np.nan)) for name, each in observations.items()
        }
    hidden = config.location_drop and rng.random() < config.location_drop
    return replace(record, observations=observations, location_deg=None if hidden else record.location_deg)


def reference_size(record: Record) -> tuple[int, int]:
    """Height and width of the picture that boxes and windows count in."""
    if record.mask is not None:
        return record.mask.class_index.shape[0], record.mask.class_index.shape[1]
    if record.value_map is not None:
        return record.value_map.values.shape[0], record.value_map.values.shape[1]
    sizes = [each.values.shape[1:3] for each in record.observations.values()]
    height, width = max(sizes, key=lambda size: size[0] * size[1], default=(1, 1))
    return height, width


def flip_columns(record: Record) -> Record:
    """Left becomes right."""
    width = reference_size(record)[1]
    corners = np.array([[-1.0, 0.0, width], [0.0, 1.0, 0.0]])
    return _move(record, lambda pixels, row: np.flip(pixels, row + 1), corners)


def flip_rows(record: Record) -> Record:
    """Top becomes bottom."""
    height = reference_size(record)[0]
    corners = np.array([[1.0, 0.0, 0.0], [0.0, -1.0, height]])
    return _move(record, lambda pixels, row: np.flip(pixels, row), corners)


def quarter_turns(record: Record, turns: int) -> Record:
    """Turned counter-clockwise by `turns` quarter turns."""
    for _ in range(turns % 4):
        width = reference_size(record)[1]
        corners = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, width]])  # x' = y, y' = width - x
        record = _move(record, lambda pixels, row: np.rot90(pixels, axes=(row, row + 1)), corners)
    return record


def random_crop(record: Record, rng: np.random.Generator, size: int, class_even: float = 0.5) -> Record:
    """A random window of `size` x `size` reference pixels, smaller where the picture is.

    With a mask or a map of numbers the window holds a labelled pixel wherever there is one; `class_even` as in AugmentConfig.
    """
    height, width = reference_size(record)
    rows, columns = min(size, height), min(size, width)
    if (rows, columns) == (height, width):
        return record
    label = _label(record)
    anchor = None if label is None else _labelled_pixel(label, rng, class_even)
    top = _start(rng, height, rows, None if anchor is None else anchor[0])
    left = _start(rng, width, columns, None if anchor is None else anchor[1])
    return crop_window(record, (top, left, rows, columns))


def resize(record: Record, height: int, width: int) -> Record:
    """Resampled to a size in reference pixels: numbers bilinearly, classes to the nearest; the GSD follows.

    A pixel is valid where all it was made of is.
    """
    rows, columns = reference_size(record)
    if (rows, columns) == (height, width):
        return record

    def resample(pixels: Pixels, row: int) -> Pixels:
        if pixels.shape[row : row + 2] == (1, 1):
            return pixels
        for axis, scale in ((row, height / rows), (row + 1, width / columns)):
            pixels = linear(np.asarray(pixels), axis, max(1, round(pixels.shape[axis] * scale)))
        return pixels

    moved = _move(record, resample, np.diag([width / columns, height / rows, 1.0])[:2])
    factor = np.float32((rows * columns / (height * width)) ** 0.5)
    spatial = {name for name, each in record.observations.items() if each.values.shape[1:3] != (1, 1)}
    observations = {
        name: replace(each, gsd_m=np.asarray(each.gsd_m * factor)) if name in spatial else each
        for name, each in moved.observations.items()
    }
    return replace(moved, observations=observations)


def crop_window(record: Record, window: Window) -> Record:
    """The part of a record inside a window of reference pixels.

    Boxes stay when their centre is inside. Values that are counts (unit "") are dropped, as they no longer hold; class,
    tags and sentences stay, as a window of a scene is mostly still that scene.
    """
    height, width = reference_size(record)
    top, left, rows, columns = window

    def cut(pixels: Pixels, row: int) -> Pixels:
        if pixels.shape[row : row + 2] == (1, 1):
            return pixels
        picked: list[slice] = [slice(None)] * pixels.ndim
        for axis, start, length, whole in ((row, top, rows, height), (row + 1, left, columns, width)):
            scale = pixels.shape[axis] / whole
            first = round(start * scale)
            picked[axis] = slice(first, first + max(1, round(length * scale)))
        return pixels[tuple(picked)]

    moved = _move(record, cut, np.array([[1.0, 0.0, -left], [0.0, 1.0, -top]]), size=(rows, columns))
    values = tuple(value for value in record.values if value.unit != "")
    return replace(moved, values=values, boxes=_inside(moved.boxes, rows, columns), location_deg=_centre(moved))


def _move(
    record: Record, pixels: Callable[[Pixels, int], Pixels], corners: np.ndarray, size: tuple[int, int] | None = None
) -> Record:
    """Moves everything that has a place, by `pixels(array, row_axis)` and [x' y'] = corners @ [x y 1]."""
    observations = {
        name: replace(each, values=pixels(each.values, 1), valid=pixels(each.valid, 1))
        for name, each in record.observations.items()
    }
    mask, boxes, numbers = record.mask, record.boxes, record.value_map
    moved = replace(
        record,
        observations=observations,
        mask=None if mask is None else replace(mask, class_index=pixels(mask.class_index, 0)),
        value_map=None if numbers is None else replace(numbers, values=pixels(numbers.values, 0)),
        boxes=None if boxes is None else replace(boxes, corners=boxes.corners @ corners[:, :2].T + corners[:, 2]),
        images={name: pixels(image, 0) for name, image in record.images.items()},
    )
    if record.grid is None:
        return moved
    return replace(
        moved, grid=_move_grid(record.grid, corners, *(size or reference_size(moved)), reference_size(record))
    )


def _move_grid(grid: GeoGrid, corners: np.ndarray, height: int, width: int, before: tuple[int, int]) -> GeoGrid:
    """The grid of the moved picture: old pixel -> map, after new pixel -> old pixel."""
    if (grid.height, grid.width) != before:
        return grid  # the grid of a footprint that is not the picture's, such as a pixel series
    to_map = np.vstack([np.reshape(grid.transform, (2, 3)), [0, 0, 1]])
    to_old = np.linalg.inv(np.vstack([corners, [0, 0, 1]]))
    a, b, c, d, e, f = (float(x) for x in (to_map @ to_old)[:2].ravel())
    return GeoGrid(crs=grid.crs, transform=(a, b, c, d, e, f), height=height, width=width)


def _centre(record: Record) -> tuple[float, float] | None:
    """Longitude and latitude of the middle of the grid; the known location where there is no CRS."""
    grid = record.grid
    if grid is None:
        return record.location_deg
    return location(grid) or record.location_deg


def _inside(boxes: Boxes | None, height: int, width: int) -> Boxes | None:
    if boxes is None:
        return None
    x, y = boxes.corners.mean(1).T
    keep = np.flatnonzero((x >= 0) & (x < width) & (y >= 0) & (y < height))
    return Boxes(corners=boxes.corners[keep], labels=tuple(boxes.labels[i] for i in keep))


def _label(record: Record) -> Int[np.ndarray, "h w"] | None:
    """The class of each pixel, -1 where unlabelled: of the mask, else of the map of numbers."""
    if record.mask is not None:
        return record.mask.class_index
    return None if record.value_map is None else record.value_map.class_index


def _labelled_pixel(
    label: Int[np.ndarray, "h w"], rng: np.random.Generator, class_even: float
) -> tuple[int, int] | None:
    labelled = label >= 0
    if not labelled.any():
        return None
    if rng.random() < class_even:
        present = np.unique(label[labelled])
        labelled = label == present[rng.integers(len(present))]
    flat = np.flatnonzero(labelled)
    row, column = np.unravel_index(flat[rng.integers(len(flat))], labelled.shape)
    return int(row), int(column)


def _start(rng: np.random.Generator, whole: int, length: int, anchor: int | None) -> int:
    """Where a window of `length` begins: anywhere it fits, and holds the anchor."""
    first, last = 0, whole - length
    if anchor is not None:
        first, last = max(first, anchor - length + 1), min(last, anchor)
    return int(rng.integers(first, last + 1))


def draw_dates(record: Record, rng: np.random.Generator, count: int) -> Record:
    """The record with at most `count` random acquisitions of each stream, in their order; those without a valid pixel come last."""

    def draw(each: Observation) -> Observation:
        empty = ~np.any(each.valid, axis=(1, 2))
        kept = np.sort(np.argsort(empty + rng.random(len(empty)))[:count])
        return at_dates(each, kept)

    return dataclasses.replace(record, observations={name: draw(each) for name, each in record.observations.items()})


def _light(each: Observation, rng: np.random.Generator, config: AugmentConfig) -> Observation:
    """Another light, air and calibration on the optical bands of one stream."""
    optical = (each.band_code == 0) & (each.wavelength_um > 0)
    if not optical.any():
        return each
    wavelength_um = np.where(optical, each.wavelength_um, 1.0)
    gain, shift = np.ones_like(wavelength_um), np.zeros_like(wavelength_um)
    if config.brightness or config.tilt or config.haze:
        place = np.clip(2 * np.log(wavelength_um / 0.4) / np.log(2.5 / 0.4) - 1, -1, 1)
        level, slope, scatter = rng.uniform(-1, 1, 3) * (config.brightness, config.tilt, config.haze)
        gain, shift = (1 + level) * (1 + slope * place), scatter * (0.45 / wavelength_um) ** 4
    if config.band_gain:
        gain = gain * (1 + config.band_gain * rng.uniform(-1, 1, len(gain)))
    if config.offset:
        shift = shift + config.offset * rng.uniform(-1, 1)
    lit = each.values * gain + shift
    return replace(each, values=np.where(optical, lit, each.values).astype(each.values.dtype))


def _raise(each: Observation, rng: np.random.Generator, config: AugmentConfig) -> Observation:
    """Other levels of backscatter and elevation."""
    span = np.zeros(len(each.band_code), np.float32)
    for codes, most in ((BACKSCATTER, config.backscatter_db), (("elevation",), config.elevation_m)):
        span[np.isin(each.band_code, [BAND_CODES[code] for code in codes])] = most
    if not span.any():
        return each
    return replace(each, values=each.values + (rng.uniform(-1, 1, len(span)) * span).astype(each.values.dtype))


def _drop(each: Observation, rng: np.random.Generator, config: AugmentConfig) -> Observation:
    """Band and date dropout of one stream."""
    band_valid, valid = each.band_valid, each.valid
    if config.visible_only and rng.random() < config.visible_only:
        band_valid = _visible(each)
    if config.band_drop:
        keep = _keep(rng, np.any(band_valid, axis=0), config.band_drop)
        band_valid = _spared(band_valid & keep, band_valid)
    if config.date_drop:
        valid = valid & _keep(rng, np.any(valid, axis=(1, 2)), config.date_drop)[:, None, None]
    return replace(each, valid=valid, band_valid=band_valid)


def _visible(each: Observation) -> np.ndarray:
    """Bands that stay at each date when an optical stream is seen as by the eye; all of them where that would leave none."""
    optical = (each.band_code == 0) & (each.wavelength_um > 0)
    seen = each.band_valid & (~optical | ((each.wavelength_um > VISIBLE_UM[0]) & (each.wavelength_um < VISIBLE_UM[1])))
    return _spared(seen, each.band_valid) if (seen & optical).any() else each.band_valid


def _spared(kept: Bool[Array, "t c"], before: Bool[Array, "t c"]) -> np.ndarray:
    """The bands that are kept at each date; at a date that is left without one, those that were there before."""
    return np.asarray(np.where(np.any(kept, axis=-1, keepdims=True), kept, before), bool)


def _drop_streams(
    observations: dict[str, Observation], rng: np.random.Generator, probability: float
) -> dict[str, Observation]:
    """Some streams without a valid pixel; one that has data stays."""
    seen = np.array([bool(np.any(each.valid)) for each in observations.values()])
    keep = _keep(rng, seen, probability)
    return {
        name: each if stays else replace(each, valid=np.zeros_like(each.valid))
        for (name, each), stays in zip(observations.items(), keep, strict=True)
    }


def _keep(rng: np.random.Generator, usable: Pixels, probability: float) -> np.ndarray:
    """Which entries survive dropout; one of the usable ones always does."""
    keep = rng.random(usable.shape) >= probability
    alive = np.flatnonzero(usable)
    spared = int(rng.integers(max(len(alive), 1)))
    if len(alive) and not (keep & usable).any():
        keep[alive[spared]] = True
    return keep
