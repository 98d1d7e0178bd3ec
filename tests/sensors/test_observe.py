"""Values of an instrument become an Observation: shapes, missing numbers, dates, and messages that say what to do."""

import dataclasses
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import at_dates, days_since_2000, observe

NAN = float("nan")


@pytest.mark.parametrize("name", SENSORS)
def test_every_sensor_observes(name: str) -> None:
    sensor = SENSORS[name]
    values = np.ones((2, 3, 4, len(sensor.bands)))
    observation = observe(sensor, values, time_days=[1.0, NAN], gsd_m=10.0)
    assert observation.values.dtype == np.float32 and observation.valid.all() and observation.band_valid.all()
    assert observation.wavelength_um == pytest.approx([band.center_um for band in sensor.bands])
    assert np.isnan(observation.time_days[1]) and float(observation.gsd_m) == 10


def test_missing_numbers_are_a_mask_not_a_number() -> None:
    values = np.ones((1, 2, 2, 3), np.float32)
    values[0, 0, 1, 2] = NAN
    values[0, 1, 1, 0] = np.inf
    observation = observe(SENSORS["aerial_rgb"], values, time_days=[NAN], gsd_m=1.0)
    assert observation.valid.all() and np.array_equal(observation.cells, np.isfinite(values)), "a hole costs its band"
    assert np.isnan(observation.values[~observation.cells]).all() and (observation.values[observation.cells] == 1).all()


def test_a_band_without_numbers_is_missing_and_harms_no_other() -> None:
    values = np.ones((1, 2, 2, 3), np.float32)
    values[..., 1] = NAN
    observation = observe(SENSORS["aerial_rgb"], values, time_days=[NAN], gsd_m=1.0)
    assert observation.band_valid.tolist() == [[True, False, True]] and observation.valid.all()


def test_a_band_is_missing_at_a_date_by_itself() -> None:
    values = np.ones((3, 2, 2, 3), np.float32)
    values[1, ..., 1], values[2] = NAN, NAN
    values[1, 0, 0, 0] = NAN
    observation = observe(SENSORS["aerial_rgb"], values, time_days=[0.0, 1.0, 2.0], gsd_m=1.0)
    assert observation.band_valid.tolist() == [[True] * 3, [True, False, True], [False] * 3]
    assert observation.valid[0].all() and observation.cells[1, ..., 0].tolist() == [[False, True], [True, True]]
    assert not observation.valid[2].any(), "a date without any band"


@pytest.mark.parametrize("dates", [slice(1, 3), np.array([2, 0])])
def test_some_dates_keep_all_that_is_theirs(dates: slice | np.ndarray) -> None:
    values = np.arange(36.0).reshape(3, 2, 2, 3)
    values[2, ..., 0] = NAN
    whole = observe(SENSORS["aerial_rgb"], values, time_days=[5.0, 6.0, 7.0], gsd_m=1.0)
    some = at_dates(whole, dates)
    chosen = observe(SENSORS["aerial_rgb"], values[dates], time_days=np.array([5.0, 6.0, 7.0])[dates], gsd_m=1.0)
    for field in dataclasses.fields(whole):
        np.testing.assert_array_equal(getattr(some, field.name), getattr(chosen, field.name))


def test_a_subset_of_bands_is_named() -> None:
    observation = observe(
        SENSORS["sentinel2_l2a"], np.zeros((1, 1, 1, 2)), time_days=[0.0], gsd_m=10.0, bands=("B12", "B02")
    )
    assert observation.wavelength_um == pytest.approx([2.2024, 0.4924])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"values": np.zeros((1, 2, 2, 5))}, ["sentinel2_l2a has 12 bands", "c=5", "bands="]),
        ({"bands": ("B02", "B8B")}, ["Unknown sentinel2_l2a band 'B8B'", "Did you mean 'B8A'"]),
        ({"time_days": [0.0, 1.0]}, ["1 acquisitions but 2 dates"]),
        ({"values": np.zeros((2, 2, 12))}, ["(t, h, w, c)"]),
        ({"valid": np.ones((2, 2), bool)}, ["valid must be (1, 2, 2)"]),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(change: dict, words: list[str]) -> None:
    arguments = {"values": np.zeros((1, 2, 2, 12)), "time_days": [0.0], "gsd_m": 10.0, **change}
    with pytest.raises(UserError) as caught:
        observe(SENSORS["sentinel2_l2a"], arguments.pop("values"), **arguments)
    assert "\n" not in str(caught.value) and all(word in str(caught.value) for word in words)


def test_dates() -> None:
    assert days_since_2000("2000-01-01") == 0 and days_since_2000("19991231") == -1
    assert days_since_2000("2000-01-02T12:00:00Z") == days_since_2000("2000:01:02 12:00:00") == 1.5
    assert days_since_2000("2021-07-23T13:22:41.000000000") == pytest.approx(7874.5574, abs=1e-4)
    east = datetime(2000, 1, 2, tzinfo=timezone(timedelta(hours=12)))
    assert days_since_2000(east) == 0.5


@pytest.mark.parametrize("text", ["13/06/2017", "yesterday", "", "2017-13-01", "2017"])
def test_a_date_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UserError, match="expected YYYY-MM-DD"):
        days_since_2000(text)


@given(st.datetimes(datetime(1972, 1, 1), datetime(2049, 1, 1)))
def test_dates_round_trip(when: datetime) -> None:
    days = days_since_2000(when.isoformat())
    assert abs(datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=days) - when.replace(tzinfo=UTC)) < timedelta(
        seconds=1
    )
