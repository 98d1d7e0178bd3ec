"""Pixels, masks, boxes, images and the map grid move together."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsfm.data.training.transforms import (
    AugmentConfig,
    augment,
    crop_window,
    flip_columns,
    flip_rows,
    quarter_turns,
    random_crop,
    reference_size,
    resize,
)
from rsfm.pytree import replace
from rsfm.types import Boxes, GeoGrid, Mask, Observation, Record, Value, ValueMap

sizes = st.tuples(st.integers(2, 9).map(lambda n: 2 * n), st.integers(2, 9).map(lambda n: 2 * n))
seeds = st.integers(0, 2**32 - 1)


def observation(values: np.ndarray) -> Observation:
    t, h, w, c = values.shape
    return Observation(
        values=values.astype(np.float32),
        valid=np.ones((t, h, w), bool),
        band_valid=np.ones((t, c), bool),
        wavelength_um=np.linspace(0.4, 0.9, c).astype(np.float32),
        bandwidth_um=np.full(c, 0.1, np.float32),
        band_code=np.zeros(c, np.int32),
        time_days=np.arange(t, dtype=np.float32),
        gsd_m=np.asarray(10.0, np.float32),
    )


def record(height: int, width: int) -> Record:
    """Every pixel holds its own number in picture, mask, map and image; with a stream at half resolution and a series."""
    number = np.arange(height * width).reshape(height, width)
    coarse = number[::2, ::2]
    corners = np.array([[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]])
    row, column = np.divmod(number.ravel(), width)
    boxes = corners + np.stack([column, row], -1)[:, None]
    return Record(
        id="numbers",
        observations={
            "fine": observation(np.stack([number, number + 0.5])[..., None].repeat(3, -1)),
            "coarse": observation(coarse[None, ..., None]),
            "series": observation(np.arange(10.0).reshape(5, 1, 1, 2)),
        },
        location_deg=(15.0, 46.0),
        grid=GeoGrid(
            crs="EPSG:32633", transform=(10.0, 0.0, 500000.0, 0.0, -10.0, 5100000.0), height=height, width=width
        ),
        values=(Value(name="cover", value=3.0, unit="%"), Value(name="trees", value=9.0, unit="")),
        boxes=Boxes(corners=boxes, labels=tuple(map(str, number.ravel()))),
        mask=Mask(class_index=number.astype(np.int32), legend=tuple(map(str, number.ravel()))),
        value_map=ValueMap(values=number.astype(np.float32), name="number", unit="1", edges=(0.0, 4.0, 64.0)),
        images={"rgb": np.stack([number] * 3, -1)},
    )


NUMBERS = record(64, 64)


def assert_same(a: Record, b: Record) -> None:
    for name in a.observations:
        for field in dataclasses.fields(Observation):
            np.testing.assert_array_equal(
                getattr(a.observations[name], field.name), getattr(b.observations[name], field.name)
            )
    assert a.mask is not None and b.mask is not None and a.boxes is not None and b.boxes is not None
    np.testing.assert_array_equal(a.mask.class_index, b.mask.class_index)
    assert a.value_map is not None and b.value_map is not None
    np.testing.assert_array_equal(a.value_map.values, b.value_map.values)
    np.testing.assert_allclose(a.boxes.corners, b.boxes.corners)
    np.testing.assert_array_equal(a.images["rgb"], b.images["rgb"])
    assert a.boxes.labels == b.boxes.labels and a.values == b.values
    assert a.grid is not None and b.grid is not None
    np.testing.assert_allclose(a.grid.transform, b.grid.transform)
    assert (a.grid.height, a.grid.width) == (b.grid.height, b.grid.width)


def assert_paired(moved: Record, width: int) -> None:
    """Mask, map of numbers, image, box and map coordinate of every pixel still tell the number the pixel holds."""
    assert moved.mask is not None and moved.boxes is not None and moved.grid is not None
    number = np.asarray(moved.observations["fine"].values[0, :, :, 0]).astype(int)
    np.testing.assert_array_equal(moved.mask.class_index, number)
    assert moved.value_map is not None
    np.testing.assert_array_equal(moved.value_map.values, number)
    np.testing.assert_array_equal(moved.images["rgb"][..., 1], number)
    x, y = np.floor(moved.boxes.corners.mean(1)).astype(int).T
    np.testing.assert_array_equal(number[y, x], [int(label) for label in moved.boxes.labels])
    assert len(x) == number.size
    a, b, c, d, e, f = moved.grid.transform
    rows, columns = np.indices(number.shape) + 0.5
    east, south = a * columns + b * rows + c - 500000, 5100000 - (d * columns + e * rows + f)
    np.testing.assert_array_equal(np.floor(south / 10).astype(int) * width + np.floor(east / 10).astype(int), number)
    assert (moved.grid.height, moved.grid.width) == number.shape


@pytest.mark.parametrize("move", [flip_columns, flip_rows])
@given(size=sizes)
def test_flipping_twice_changes_nothing(move: Callable[[Record], Record], size: tuple[int, int]) -> None:
    before = record(*size)
    once = move(before)
    assert_paired(once, size[1])
    assert not np.array_equal(once.observations["fine"].values, before.observations["fine"].values)
    assert_same(move(once), before)


@given(size=sizes, turns=st.integers(-3, 7))
def test_four_quarter_turns_change_nothing(size: tuple[int, int], turns: int) -> None:
    before = record(*size)
    turned = quarter_turns(before, turns)
    assert_paired(turned, size[1])
    assert_same(quarter_turns(turned, 4 - turns), before)


@given(size=sizes, crop=st.integers(1, 20), seed=seeds)
def test_a_window_keeps_everything_in_place(size: tuple[int, int], crop: int, seed: int) -> None:
    cut = random_crop(record(*size), np.random.default_rng(seed), crop)
    assert_paired(cut, size[1])
    assert cut.observations["fine"].values.shape[1:3] == (min(crop, size[0]), min(crop, size[1]))
    assert cut.observations["series"].values.shape == (5, 1, 1, 2)


@given(size=sizes, seed=seeds)
def test_augmented_pixels_mask_boxes_and_grid_agree(size: tuple[int, int], seed: int) -> None:
    moved = augment(record(*size), np.random.default_rng(seed), AugmentConfig(crop=5))
    assert_paired(moved, size[1])
    assert_same(moved, augment(record(*size), np.random.default_rng(seed), AugmentConfig(crop=5)))


def test_a_coarse_stream_is_cut_to_the_same_footprint() -> None:
    cut = crop_window(record(16, 12), (4, 6, 8, 4))
    np.testing.assert_array_equal(cut.observations["coarse"].values[0, :, :, 0], cut.images["rgb"][::2, ::2, 0])


def test_location_follows_the_window_and_counts_are_dropped() -> None:
    whole = record(16, 16)
    left, right = (crop_window(whole, (0, column, 16, 8)) for column in (0, 8))
    assert left.location_deg is not None and right.location_deg is not None
    east_m = (right.location_deg[0] - left.location_deg[0]) * 111320 * np.cos(np.deg2rad(left.location_deg[1]))
    assert east_m == pytest.approx(80, rel=0.01)
    assert left.location_deg[1] == pytest.approx(right.location_deg[1], abs=1e-5)
    assert [value.name for value in left.values] == ["cover"]
    placeless = replace(whole, grid=None)
    assert crop_window(placeless, (0, 0, 4, 4)).location_deg == placeless.location_deg


@given(seed=seeds)
def test_a_window_holds_a_label_where_there_is_one(seed: int) -> None:
    before = NUMBERS
    index = np.full((64, 64), -1, np.int32)
    index[50, 3], index[7, 60] = 0, 1
    sparse = replace(before, mask=Mask(class_index=index, legend=("a", "b")))
    cut = random_crop(sparse, np.random.default_rng(seed), 8)
    assert cut.mask is not None and (cut.mask.class_index >= 0).any()
    unlabelled = replace(before, mask=Mask(class_index=np.full((64, 64), -1, np.int32), legend=("a", "b")))
    assert random_crop(unlabelled, np.random.default_rng(seed), 8).observations["fine"].values.shape[1:3] == (8, 8)


def labelled_by_map_alone(whole: Record) -> Record:
    """With the fine stream and the map, which hold the same numbers."""
    fine = {"fine": whole.observations["fine"]}
    return replace(whole, observations=fine, mask=None, boxes=None, images={}, grid=None)


@given(seed=seeds, crop=st.integers(1, 20), mosaic=st.sampled_from([0, 4]))
def test_a_map_of_numbers_alone_moves_with_the_pixels(seed: int, crop: int, mosaic: int) -> None:
    before = labelled_by_map_alone(record(12, 12))
    moved = augment(before, np.random.default_rng(seed), AugmentConfig(crop=crop, mosaic=mosaic))
    assert moved.value_map is not None and moved.value_map.edges == (0.0, 4.0, 64.0)
    np.testing.assert_array_equal(moved.value_map.values, moved.observations["fine"].values[0, :, :, 0])


@given(seed=seeds, class_even=st.sampled_from([0.0, 1.0]))
def test_a_window_holds_a_number_where_there_is_one(seed: int, class_even: float) -> None:
    values = np.full((64, 64), np.nan, np.float32)
    values[50, 3], values[7, 60] = 1.0, 99.0
    before = labelled_by_map_alone(NUMBERS)
    sparse = replace(before, value_map=replace(before.value_map, values=values))
    cut = random_crop(sparse, np.random.default_rng(seed), 8, class_even)
    assert cut.value_map is not None and np.isfinite(cut.value_map.values).sum() == 1
    empty = replace(before, value_map=replace(before.value_map, values=np.full_like(values, np.nan)))
    assert random_crop(empty, np.random.default_rng(seed), 8).observations["fine"].values.shape[1:3] == (8, 8)


def test_windows_are_cut_of_labelled_pixels_and_words_are_told_of_the_whole() -> None:
    whole, config = record(8, 8), AugmentConfig(label_crop=4)
    for labelled in (replace(whole, mask=None), replace(whole, value_map=None)):
        assert reference_size(augment(labelled, np.random.default_rng(0), config)) == (4, 4)
    words = replace(whole, mask=None, value_map=None)
    assert reference_size(augment(words, np.random.default_rng(0), config)) == (8, 8)


def test_a_map_keeps_to_its_pixels_when_resized() -> None:
    before = labelled_by_map_alone(record(8, 8))
    holed = np.array(before.value_map.values)  # type: ignore[union-attr]
    holed[:, 4:] = np.nan
    after = resize(replace(before, value_map=replace(before.value_map, values=holed)), 16, 16)
    assert after.value_map is not None and after.value_map.values.shape == (16, 16)
    np.testing.assert_array_equal(np.isfinite(after.value_map.values), np.arange(16) < [[7]] * 16)
    known = after.value_map.values[:, :7]
    np.testing.assert_allclose(known, after.observations["fine"].values[0, :, :7, 0], rtol=1e-6)


@given(seed=seeds, probability=st.floats(0.1, 1.0))
def test_dropout_marks_bands_and_dates_and_leaves_one(seed: int, probability: float) -> None:
    before = record(4, 4)
    after = augment(
        before,
        np.random.default_rng(seed),
        AugmentConfig(flip=False, rotate=False, band_drop=probability, date_drop=probability),
    )
    for name, each in after.observations.items():
        np.testing.assert_array_equal(each.values, before.observations[name].values)
        assert np.any(each.band_valid) and np.any(each.valid)
        dates = np.asarray(each.valid)
        assert ((dates.all((1, 2))) | (~dates.any((1, 2)))).all(), "a date is dropped whole"
    if probability == 1.0:
        assert (np.sum(after.observations["fine"].band_valid, axis=-1) == 1).all()


def test_dropout_spares_a_date_that_holds_something() -> None:
    before = record(4, 4)
    fine = before.observations["fine"]
    cloudy = replace(fine, valid=np.stack([np.zeros((4, 4), bool), np.ones((4, 4), bool)]))
    for seed in range(20):
        after = augment(
            replace(before, observations={"fine": cloudy}),
            np.random.default_rng(seed),
            AugmentConfig(flip=False, rotate=False, date_drop=0.9),
        )
        np.testing.assert_array_equal(after.observations["fine"].valid, cloudy.valid)


def test_brightness_changes_optical_values_alone() -> None:
    before = record(4, 4)
    coded = replace(before.observations["coarse"], band_code=np.ones(1, np.int32))
    before = replace(before, observations={"fine": before.observations["fine"], "coarse": coded})
    after = augment(before, np.random.default_rng(0), AugmentConfig(flip=False, rotate=False, brightness=0.2))
    np.testing.assert_array_equal(after.observations["coarse"].values, coded.values)
    ratio = after.observations["fine"].values[0, 1:] / before.observations["fine"].values[0, 1:]
    assert np.ptp(ratio) < 1e-6 and 0.8 <= ratio.mean() <= 1.2 and abs(ratio.mean() - 1) > 1e-3


def test_light_keeps_radar_and_follows_the_wavelength() -> None:
    before = record(4, 4)
    radar = replace(
        before.observations["coarse"], wavelength_um=np.array([55465.8], np.float32), band_code=np.ones(1, np.int32)
    )
    fine = replace(before.observations["fine"], wavelength_um=np.array([0.4, 1.0, 2.5], np.float32))
    before = replace(before, observations={"fine": fine, "coarse": radar})
    still = AugmentConfig(flip=False, rotate=False)
    tilted = augment(before, np.random.default_rng(1), dataclasses.replace(still, tilt=0.3))
    ratio = tilted.observations["fine"].values[0, 1, 1] / fine.values[0, 1, 1] - 1
    assert ratio[0] == pytest.approx(-ratio[2], rel=1e-3) and abs(ratio[1]) < 0.1 * abs(ratio[0])
    hazy = augment(before, np.random.default_rng(1), dataclasses.replace(still, haze=0.3))
    added = hazy.observations["fine"].values[0, 1, 1] - fine.values[0, 1, 1]
    assert added[0] / added[1] == pytest.approx(2.5**4, rel=0.05)
    for after in (tilted, hazy):
        np.testing.assert_array_equal(after.observations["coarse"].values, radar.values)


def test_an_offset_is_one_number_and_a_band_gain_one_a_band() -> None:
    """What differs between products of one ground: a constant on all bands of a picture, a factor on each band."""
    before = record(4, 4)
    coded = replace(before.observations["coarse"], band_code=np.ones(1, np.int32))
    before = replace(before, observations={"fine": before.observations["fine"], "coarse": coded})
    still = AugmentConfig(flip=False, rotate=False)
    seen = {}
    for seed in range(3):
        raised = augment(before, np.random.default_rng(seed), dataclasses.replace(still, offset=0.1))
        added = raised.observations["fine"].values - before.observations["fine"].values
        assert np.ptp(added) < 1e-5 and 0 < abs(added.mean()) <= 0.1
        scaled = augment(before, np.random.default_rng(seed), dataclasses.replace(still, band_gain=0.2))
        ratio = scaled.observations["fine"].values[0, 1:] / before.observations["fine"].values[0, 1:]
        assert (
            np.ptp(ratio, axis=(0, 1)).max() < 1e-5 < np.ptp(ratio, axis=2).min() and abs(ratio - 1).max() <= 0.2 + 1e-5
        )
        for after in (raised, scaled):
            np.testing.assert_array_equal(after.observations["coarse"].values, coded.values)
        seen[seed] = float(added.mean()), float(ratio[0, 0, 0])
    assert len(set(seen.values())) == 3, "another draw, another product"


@given(seed=seeds)
def test_a_dropped_stream_has_no_valid_pixel_and_one_with_data_stays(seed: int) -> None:
    before = record(4, 4)
    empty = replace(before.observations["series"], valid=np.zeros_like(before.observations["series"].valid))
    before = replace(before, observations={**before.observations, "series": empty})
    after = augment(before, np.random.default_rng(seed), AugmentConfig(flip=False, rotate=False, stream_drop=0.9))
    kept = [name for name, each in after.observations.items() if np.any(each.valid)]
    assert kept and "series" not in kept
    for name in kept:
        np.testing.assert_array_equal(after.observations[name].valid, before.observations[name].valid)


def test_a_place_is_hidden_with_the_probability_asked_for() -> None:
    before, config = record(4, 4), AugmentConfig(location_drop=0.5)
    places = [augment(before, np.random.default_rng(seed), config).location_deg for seed in range(200)]
    assert 70 < sum(place is None for place in places) < 130


def test_dates_are_hidden_in_all_streams_at_once() -> None:
    before, config = record(4, 4), AugmentConfig(time_drop=0.5)
    told = [
        {
            bool(np.isnan(each.time_days).all())
            for each in augment(before, np.random.default_rng(seed), config).observations.values()
        }
        for seed in range(200)
    ]
    assert all(len(each) == 1 for each in told) and 70 < sum(True in each for each in told) < 130


@given(seed=seeds, probability=st.floats(0.1, 1.0), eye=st.booleans())
def test_dropout_leaves_no_date_without_the_bands_it_had(seed: int, probability: float, eye: bool) -> None:
    before = record(4, 4)
    fine = before.observations["fine"]  # 0.4, 0.65 and 0.9 micrometres
    held = np.array([[True, True, False], [False, False, True]])
    fine = replace(fine, band_valid=held)
    change = AugmentConfig(flip=False, rotate=False, band_drop=probability, visible_only=float(eye))
    after = augment(replace(before, observations={"fine": fine}), np.random.default_rng(seed), change)
    kept = np.asarray(after.observations["fine"].band_valid)
    assert kept.any(-1).all() and not (kept & ~held).any()
    if eye:
        assert kept.tolist() == [[False, True, False], [False, False, True]]


@given(seed=seeds)
def test_drawn_dates_keep_their_bands(seed: int) -> None:
    before = record(4, 4)
    held = np.array([[True, True], [True, False], [False, True], [True, True], [False, True]])
    series = replace(before.observations["series"], band_valid=held)
    config = AugmentConfig(flip=False, rotate=False, dates=3)
    drawn = augment(replace(before, observations={"series": series}), np.random.default_rng(seed), config)
    seen = drawn.observations["series"]
    np.testing.assert_array_equal(seen.band_valid, held[seen.time_days.astype(int)])


def test_dates_are_drawn_those_with_data_first() -> None:
    before = record(4, 4)
    series = before.observations["series"]
    valid = np.ones_like(series.valid)
    valid[1] = False
    before = replace(before, observations={"series": replace(series, valid=valid)})
    config = AugmentConfig(flip=False, rotate=False, dates=2)
    drawn = [augment(before, np.random.default_rng(seed), config).observations["series"] for seed in range(20)]
    assert all(len(each.time_days) == 2 and np.all(each.valid) for each in drawn)
    assert all(each.time_days[0] < each.time_days[1] for each in drawn)
    assert len({tuple(each.time_days) for each in drawn}) > 1


def test_only_squares_are_turned_by_quarters() -> None:
    for seed in range(12):
        assert augment(record(4, 8), np.random.default_rng(seed)).images["rgb"].shape[:2] == (4, 8)


def test_switched_off_it_changes_nothing() -> None:
    off = AugmentConfig(flip=False, rotate=False)
    assert_same(augment(record(6, 4), np.random.default_rng(0), off), record(6, 4))


@given(size=sizes, factor=st.integers(2, 4))
def test_resized_by_a_whole_number_all_stays_in_place(size: tuple[int, int], factor: int) -> None:
    before = record(*size)
    after = resize(before, size[0] * factor, size[1] * factor)
    assert after.mask is not None and before.mask is not None and after.boxes is not None and after.grid is not None
    np.testing.assert_array_equal(
        after.mask.class_index, np.kron(before.mask.class_index, np.ones((factor, factor), int))
    )
    x, y = np.floor(after.boxes.corners.mean(1)).astype(int).T
    np.testing.assert_array_equal(after.mask.class_index[y, x], [int(label) for label in after.boxes.labels])
    assert float(after.observations["fine"].gsd_m) == pytest.approx(10 / factor)
    assert after.grid.transform[0] == pytest.approx(10 / factor) and after.grid.width == size[1] * factor
    assert after.observations["series"].values.shape == (5, 1, 1, 2) and float(after.observations["series"].gsd_m) == 10
    fine = np.asarray(after.observations["fine"].values)
    assert fine.dtype == np.float32
    np.testing.assert_allclose(fine.mean(), np.mean(before.observations["fine"].values), rtol=1e-5)


def test_a_straight_ramp_stays_straight_and_missing_pixels_do_not_spread_without_weight() -> None:
    before = record(16, 16)
    fine = before.observations["fine"]
    values, valid = np.array(fine.values), np.array(fine.valid)
    values[:, 3, 3], valid[:, 3, 3] = np.nan, False
    holed = replace(before, observations={"fine": replace(fine, values=values, valid=valid)})
    for size in (11, 24, 32, 8):
        after = resize(holed, size, size).observations["fine"]
        seen, usable = np.asarray(after.values), np.asarray(after.valid)
        assert usable.any() and not usable.all() and np.isfinite(seen[usable]).all()
        wanted = resize(before, size, size).observations["fine"].values
        np.testing.assert_allclose(seen[usable], wanted[usable], rtol=1e-5)
        inner = np.diff(wanted[0, :, 2:-2, 0], axis=1)
        np.testing.assert_allclose(inner, 16 / size, rtol=1e-3)


@given(seed=seeds, zoom=st.floats(0.1, 1.5))
def test_zoomed_windows_have_the_size_asked_for(seed: int, zoom: float) -> None:
    after = augment(record(18, 14), np.random.default_rng(seed), AugmentConfig(crop=8, zoom=zoom))
    assert after.mask is not None and after.mask.class_index.shape == (8, 8)
    assert after.observations["fine"].values.shape == (2, 8, 8, 3)
    assert 10 / (1 + zoom) - 1 <= float(after.observations["fine"].gsd_m) <= 10 * (1 + zoom) + 1
    assert after.grid is not None and abs(after.grid.transform[0] or after.grid.transform[1]) == pytest.approx(
        float(after.observations["fine"].gsd_m), rel=1e-4
    )


@pytest.mark.parametrize(
    ("wavelength_um", "stay"),
    [((0.49, 0.665, 0.842), (True, True, False)), ((0.865, 1.61, 2.2), (True, True, True))],
)
def test_an_optical_stream_may_be_seen_as_by_the_eye(wavelength_um: tuple[float, ...], stay: tuple[bool, ...]) -> None:
    before = record(4, 4)
    fine = replace(before.observations["fine"], wavelength_um=np.array(wavelength_um, np.float32))
    radar = before.observations["coarse"]
    radar = replace(radar, band_code=np.full_like(radar.band_code, 1))
    before = replace(before, observations={"fine": fine, "coarse": radar})
    config = AugmentConfig(flip=False, rotate=False, visible_only=1.0)
    after = augment(before, np.random.default_rng(0), config).observations
    np.testing.assert_array_equal(after["fine"].band_valid, [stay, stay])
    np.testing.assert_array_equal(after["coarse"].band_valid, radar.band_valid)


def test_backscatter_and_elevation_are_raised_band_by_band_and_nothing_else() -> None:
    before = record(4, 4)
    coarse, fine = before.observations["coarse"], before.observations["fine"]
    codes = np.resize(np.array([1, 2], np.int32), len(coarse.band_code))  # VV VH
    heights = replace(fine, band_code=np.full_like(fine.band_code, 5))
    before = replace(before, observations={"radar": replace(coarse, band_code=codes), "height": heights, "fine": fine})
    config = AugmentConfig(flip=False, rotate=False, backscatter_db=4.0, elevation_m=100.0)
    after = augment(before, np.random.default_rng(0), config).observations
    for name, most in (("radar", 4.0), ("height", 100.0)):
        raised = after[name].values - before.observations[name].values
        np.testing.assert_allclose(raised, np.broadcast_to(raised[:1, :1, :1], raised.shape), atol=1e-3)
        assert 0 < np.abs(raised).max() <= most
    np.testing.assert_array_equal(after["fine"].values, fine.values)
