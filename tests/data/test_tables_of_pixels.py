"""Tables of labelled pixels, change pairs and chips: units, places, and what is refused."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rsfm.data.datasets import DATASETS
from rsfm.data.datasets.deafrica import REGIONS, regions_of
from rsfm.data.datasets.heterogeneous_change import decibels_below_white
from rsfm.data.datasets.rows import BY_HASH, Rows, cell, part_of
from rsfm.data.datasets.urban_trees import NEVER
from rsfm.errors import UserError
from rsfm.sensors.observe import days_since_2000
from tests.data.layouts import write_layout, write_raster


def test_places_are_dealt_alike_whatever_else_is_there() -> None:
    squares = [cell(lon, lat, 0.5) for lon in np.arange(-60, 60, 0.5) for lat in np.arange(-30, 30, 0.5)]
    parts = [part_of(square) for square in squares]
    assert len(set(squares)) == len(squares) and set(parts) == set(BY_HASH)
    assert abs(parts.count("test") / len(parts) - 0.2) < 0.02 and abs(parts.count("val") / len(parts) - 0.2) < 0.02
    assert cell(-0.1, 0.1, 0.5) == cell(-0.4, 0.4, 0.5) != cell(0.1, 0.1, 0.5)


def test_a_table_that_cannot_be_read_names_file_and_column(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,NA\n2,x\n")
    rows = Rows("some", path, ("a", "b"))
    np.testing.assert_array_equal(rows.numbers(["a"])[:, 0], [1, 2])
    with pytest.raises(UserError, match=r"some: cannot read .*rows\.csv"):
        rows.numbers(["b"])
    with pytest.raises(UserError, match="lacks the columns c. It has a, b"):
        Rows("some", path, ("a", "c"))
    packed = tmp_path / "rows.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes())[:-9])
    with pytest.raises(UserError, match=r"rows\.csv\.gz"):
        Rows("some", packed, ("a",))


def test_each_region_is_left_out_in_turn() -> None:
    for region in REGIONS:
        assert regions_of(f"out_{region}_test") == [region]
        assert set(regions_of(f"out_{region}_train")) == set(REGIONS) - {region}
    assert sorted(regions_of("train") + regions_of("val") + regions_of("test")) == sorted(REGIONS)


def test_deafrica_rain_is_metres_and_points_lie_in_africa(tmp_path: Path) -> None:
    record = DATASETS["deafrica_cropland"](write_layout("deafrica_cropland", tmp_path), "test")[1]
    seen = record.observations["geomedian_table"]
    assert record.scene == "crop" and seen.values.shape == (2, 1, 1, 12)
    assert (seen.values[..., 10] < 1e-3).all() and (seen.values[..., 11] == 3.5).all()
    np.testing.assert_allclose(record.location_deg, (32.5162, -3.1054), atol=0.001)  # EASE-Grid 2.0 to degrees


def test_worldcereal_units_and_missing_values(tmp_path: Path) -> None:
    dataset = DATASETS["worldcereal_pixels500"](write_layout("worldcereal_pixels500", tmp_path), "train")
    record = dataset[0]
    optical, radar, weather = (record.observations[n] for n in ("sentinel2_l2a", "sentinel1_grd", "era5_monthly"))
    assert not optical.band_valid[::6, 0].any() and optical.band_valid[1:6].all() and optical.valid.all()
    assert (radar.values < -7).all() and (radar.values > -30).all()
    assert (weather.values[..., 0] > 250).all() and (weather.values[..., 1] < 0.4).all()
    assert optical.time_days[0] == pytest.approx(days_since_2000("2018-11-01") + 365.25 / 24, abs=0.01)
    assert all(row % 3 != 2 for row in dataset.rows), "cropland of unspecified kind is neither"


def test_brazil_dates_follow_the_steps(tmp_path: Path) -> None:
    root = write_layout("brazil_time_series", tmp_path)
    for split, step, bands in (("train", 10, 7), ("cbers_train", 16, 4), ("modis_train", 16, 4)):
        (seen,) = DATASETS["brazil_time_series"](root, split)[0].observations.values()
        assert seen.values.shape[-1] == bands and np.allclose(np.diff(seen.time_days), step)
        assert seen.time_days[0] == days_since_2000("2018-08-12")
    modis = DATASETS["brazil_time_series"](root, "modis_train")[0].observations["modis"]
    np.testing.assert_allclose(modis.wavelength_um, [0.645, 0.8585, 0.469, 2.13])


def test_same_reflectance_stays_on_one_side(tmp_path: Path) -> None:
    root = write_layout("fractional_cover_australia", tmp_path)
    path = root / "fractional_cover_australia" / "sites.csv"
    header, *rows = path.read_text().splitlines()
    copies = [f"{5000 + 50 * i},{row.partition(',')[2]}" for i, row in enumerate(rows)]
    path.write_text("\n".join([header, *rows, *copies]) + "\n")
    seen = [
        {spectrum.tobytes() for spectrum in DATASETS["fractional_cover_australia"](root, split).reflectance}
        for split in ("train", "val", "test")
    ]
    assert sum(map(len, seen)) == len(set.union(*seen)) == len(rows)


def test_karly_wavelengths_are_the_columns(tmp_path: Path) -> None:
    seen = DATASETS["karly_soil_moisture"](write_layout("karly_soil_moisture", tmp_path), "train")[0].observations
    np.testing.assert_allclose(seen["cubert_uhd285"].wavelength_um, np.arange(454, 951, 4) / 1000, atol=1e-6)


def test_pairs_of_two_sensors_are_two_observations(tmp_path: Path) -> None:
    root = write_layout("heterogeneous_change", tmp_path)
    radar, mixed, optical = (DATASETS["heterogeneous_change"](root, split)[0] for split in ("train", "val", "test"))
    assert [seen.values.shape for seen in radar.observations.values()] == [(2, 20, 30, 1)]
    assert {name: seen.values.shape for name, seen in mixed.observations.items()} == {
        "landsat5_tm": (1, 20, 30, 1),
        "aerial_rgb": (1, 20, 30, 3),
    }
    assert mixed.observations["landsat5_tm"].wavelength_um[0] > 0.7
    assert optical.observations["aerial_rgb"].values.shape == (2, 20, 30, 3)
    Image.new("L", (8, 8)).save(root / "heterogeneous_change" / "Italy_gt.png")
    with pytest.raises(UserError, match=r"one size, found .*Italy_gt\.png \(8, 8\)"):
        DATASETS["heterogeneous_change"](root, "val")[0]


def test_decibels_below_white() -> None:
    np.testing.assert_allclose(
        decibels_below_white(np.array([255, 128, 1, 0], np.uint8)), [0, -5.987, -48.13, -48.13], atol=0.01
    )


def test_landsat_change_is_cut_in_two_with_its_grid(tmp_path: Path) -> None:
    root = write_layout("landsat_change", tmp_path)
    west, east = (DATASETS["landsat_change"](root, split)[0] for split in ("train", "test"))
    assert west.grid.width == 12 and east.grid.width == 8
    assert east.grid.transform[2] == west.grid.transform[2] + 12 * west.grid.transform[0]
    assert set(np.unique(west.mask.class_index)) == {-1, 0, 1}


def test_three_cities_are_never_read(tmp_path: Path) -> None:
    root = write_layout("urban_trees", tmp_path)
    crops = [crop for split in ("train", "val", "test") for crop in DATASETS["urban_trees"](root, split).crops]
    assert len(crops) == 4 and not any(crop.startswith(NEVER) for crop in crops)
    for split in (*NEVER, "all"):
        with pytest.raises(UserError, match="Unknown split"):
            DATASETS["urban_trees"](root, split)
    train = DATASETS["urban_trees"](root, "train")
    assert [len(record.boxes.labels) for record in train] == [0, 3], "no table: no trees"
    corners = train[1].boxes.corners
    assert corners.min() >= 0 and corners.max() <= 32
    write_raster(root / "urban_trees" / "images" / "oakland_2018_1.tif", np.zeros((4, 8, 8), np.uint8))
    with pytest.raises(UserError, match="oakland_2018_1"):
        DATASETS["urban_trees"](root, "train")


def test_mstar_val_is_a_sector_of_its_own(tmp_path: Path) -> None:
    root = write_layout("mstar", tmp_path)
    train, val, both = ({r.id for r in DATASETS["mstar"](root, s)} for s in ("train", "val", "trainval"))
    assert len(val) == 2 and not train & val and train | val == both
    assert {record.scene for record in DATASETS["mstar"](root, "test")} == {"2S1", "T72"}


def test_enmap_bands_without_data_are_missing_bands(tmp_path: Path) -> None:
    seen = DATASETS["enmap_potsdam"](write_layout("enmap_potsdam", tmp_path), "train")[0].observations["enmap"]
    assert not seen.band_valid[0, 130:136].any() and seen.band_valid.sum() == 218
    cells = np.asarray(seen.cells)  # a hole of one band costs that band there, not the pixel
    assert cells[0, 0, 0].sum() == 217 and (cells.reshape(64, -1)[1:].sum(1) == 218).all()
    assert np.asarray(seen.valid).all() and np.nanmin(seen.values) >= 0
