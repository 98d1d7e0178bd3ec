"""Dates of a series: read from names and tags, sorted and said so, refused where two files claim one date."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsfm.data.reading.dates import date_text, series_order
from rsfm.data.reading.scene import open_scene
from rsfm.errors import UserError
from rsfm.sensors.observe import days_since_2000
from tests.data.rasters import sentinel2, write_tif


def files(folder: Path, names: list[str]) -> list[Path]:
    """One image a name; each holds its number in the order of names, so that it can be told."""
    return [
        write_tif(folder / name, np.full((8, 8, 12), 1000 + 100 * i, np.uint16), compress="deflate")
        for i, name in enumerate(names)
    ]


def test_names_out_of_order_are_sorted_and_said(tmp_path: Path) -> None:
    scene = open_scene(
        files(tmp_path, ["S2_20200801.tif", "S2_20200603.tif", "S2_20200713.tif"]), sensor="sentinel2_l2a"
    )
    assert scene.time_days.tolist() == [days_since_2000(date) for date in ("2020-06-03", "2020-07-13", "2020-08-01")]
    observation = scene.read().observations["sentinel2_l2a"]
    assert observation.values[:, 0, 0, 0] == pytest.approx([0.11, 0.12, 0.10]), "each image went with its date"
    assert observation.time_days == pytest.approx(scene.time_days, abs=0.01)
    assert "dates out of order: sorted, from 2020-06-03 on (S2_20200603.tif first)" in scene.notes


def test_given_dates_out_of_order_are_sorted_too(tmp_path: Path) -> None:
    scene = open_scene(files(tmp_path, ["a.tif", "b.tif"]), sensor="sentinel2_l2a", dates=["2021-01-02", "2021-01-01"])
    assert scene.read().observations["sentinel2_l2a"].values[:, 0, 0, 0] == pytest.approx([0.11, 0.10])
    assert any("dates out of order" in note for note in scene.notes)


def test_dates_in_order_are_no_news(tmp_path: Path) -> None:
    scene = open_scene(files(tmp_path, ["S2_20200603.tif", "S2_20200713.tif"]), sensor="sentinel2_l2a")
    assert not any("order" in note for note in scene.notes)


def test_unknown_dates_come_last(tmp_path: Path) -> None:
    scene = open_scene(files(tmp_path, ["unknown.tif", "S2_20200713.tif"]), sensor="sentinel2_l2a")
    assert scene.time_days[0] == days_since_2000("2020-07-13") and np.isnan(scene.time_days[1])
    assert "no date known for unknown.tif" in scene.notes


@pytest.mark.parametrize("dates", [None, ["2020-06-03", "20200603"], ["2020-06-03", "2020-06-03T00:00:00Z"]])
def test_one_date_twice_is_refused(tmp_path: Path, dates: list[str] | None) -> None:
    with pytest.raises(UserError) as told:
        open_scene(files(tmp_path, ["A_20200603.tif", "B_20200603.tif"]), sensor="sentinel2_l2a", dates=dates)
    assert "A_20200603.tif and B_20200603.tif: both dated 2020-06-03" in str(told.value)
    assert "leave one out" in str(told.value)


def test_two_times_of_one_day_are_two_dates(tmp_path: Path) -> None:
    paths = files(tmp_path, ["S2_20200603T101031.tif", "S2_20200603T103021.tif"])
    assert len(open_scene(paths, sensor="sentinel2_l2a").time_days) == 2


def test_an_unparsable_date_is_named(tmp_path: Path) -> None:
    paths = files(tmp_path, ["a.tif", "b.tif"])
    for wrong in ("2020-13-01", "June", "2020-02-30", ""):
        with pytest.raises(UserError, match="cannot be read: expected YYYY-MM-DD"):
            open_scene(paths, sensor="sentinel2_l2a", dates=["2020-01-01", wrong])


def test_files_written_at_once_were_not_taken_at_once(tmp_path: Path, rng: np.random.Generator) -> None:
    tags = {"TIFFTAG_DATETIME": "2024:01:01 10:00:00"}
    paths = [write_tif(tmp_path / name, sentinel2(rng, 8, 8), tags=tags) for name in ("a.tif", "b.tif")]
    scene = open_scene(paths, sensor="sentinel2_l2a")
    assert np.isnan(scene.time_days).all() and any("no date known for a.tif, b.tif" in note for note in scene.notes)
    assert np.isfinite(open_scene(paths[:1], sensor="sentinel2_l2a").time_days).all()


def test_a_cube_of_dates_has_none_of_its_name(tmp_path: Path) -> None:
    np.save(tmp_path / "cube_20200603.npy", np.full((3, 8, 8, 12), 0.1, np.float32))
    scene = open_scene([tmp_path / "cube_20200603.npy"], sensor="sentinel2_l2a", unit="reflectance")
    assert np.isnan(scene.time_days).all() and len(scene.time_days) == 3


@given(days=st.lists(st.integers(0, 12_000), min_size=1, max_size=8, unique=True), minutes=st.integers(0, 1439))
def test_order_and_text_of_any_dates(days: list[int], minutes: int) -> None:
    times = np.array(days) + minutes / 1440
    order, note = series_order([str(day) for day in days], times)
    assert (np.diff(times[order]) > 0).all() and (note is None) == (sorted(days) == days)
    assert [days_since_2000(date_text(t)) for t in times] == pytest.approx(times, abs=1e-3)
