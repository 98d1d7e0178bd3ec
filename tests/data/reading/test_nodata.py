"""What an instrument cannot deliver is no data, per band and pixel, said in a note, and never a number."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rsfm.data.reading.scene import open_scene
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from tests.data.rasters import sentinel2, write_tif

# product name, sensor, type, its plain numbers, and what else stands where there is nothing
PRODUCTS = [
    ("S2A_MSIL2A_20190613T101031_N0208_R022_T33UUP.tif", "sentinel2_l2a", "uint16", (300, 4000), (0, 65535)),
    ("S2A_MSIL2A_20230613T101031_N0509_R022_T33UUP.tif", "sentinel2_l2a", "uint16", (1300, 5000), (0, 65535)),
    ("LC09_L2SP_044034_20220508_20220510_02_T1.tif", "landsat8_oli", "uint16", (8000, 20000), (0, 65535)),
    ("HLS.L30.T10SEG.2021204T185919.v2.0.tif", "hls", "int16", (200, 4000), (-9999, -32768, 32767)),
    ("ENMAP01-____L2A-DT0000001049_20220612T105735Z.tif", "enmap", "int16", (200, 4000), (-32768, 32767)),
    ("reflectance.tif", "sentinel2_l2a", "float32", (0.03, 0.4), (-9999.0, np.nan, np.inf, -np.inf, -3.4e38, 3.4e38)),
    ("S1A_IW_GRDH_20230101.tif", "sentinel1_grd", "float32", (-20.0, -5.0), (np.nan, -9999.0, np.inf)),
]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_fill_of_any_product_costs_its_own_cells(tmp_path: Path, data: st.DataObject) -> None:
    name, sensor, dtype, (low, high), fills = data.draw(st.sampled_from(PRODUCTS))
    bands = len(SENSORS[sensor].bands)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    plain = rng.uniform(low, high, (12, 14, bands)).astype(dtype)
    cells = rng.random(plain.shape) < data.draw(st.sampled_from([0.0, 0.05, 0.4]))
    rows = data.draw(st.integers(0, 5))
    cells[:rows] = True
    filled = np.where(cells, np.asarray(data.draw(st.sampled_from(fills)), dtype), plain)
    empty, full = tmp_path / "filled" / name, tmp_path / "plain" / name
    scene = open_scene([write_tif(empty, filled)], sensor=sensor)
    truth = open_scene([write_tif(full, plain)], sensor=sensor).read().observations[sensor]
    seen = scene.read().observations[sensor]
    assert np.array_equal(seen.cells[0], ~cells) and np.array_equal(seen.valid[0], ~cells.all(-1))
    assert seen.values[seen.cells] == pytest.approx(truth.values[seen.cells], abs=1e-6), "no other number changes"
    declared = np.issubdtype(np.dtype(dtype), np.integer) or np.isfinite(filled[cells]).any()
    assert any("taken as no data" in note for note in scene.notes) == bool(cells.any() and declared)


def test_the_note_counts(tmp_path: Path, rng: np.random.Generator) -> None:
    values = sentinel2(rng, 20, 20)
    values[:5] = 0
    scene = open_scene([write_tif(tmp_path / "S2_20190613.tif", values)], sensor="sentinel2_l2a")
    (note,) = [note for note in scene.notes if "no data" in note]
    assert "1,200 of 4,800 numbers looked at (25.0%)" in note and "0 in all bands" in note


def test_an_average_does_not_mix_with_nothing(tmp_path: Path) -> None:
    values = np.full((64, 64, 12), 2000, np.uint16)
    values[:, :31] = 0
    scene = open_scene([write_tif(tmp_path / "S2_20190613.tif", values)], sensor="sentinel2_l2a")
    seen = scene.overview(16).observations["sentinel2_l2a"]
    assert seen.values[seen.cells] == pytest.approx(0.2, abs=1e-6) and 0.4 < seen.cells.mean() < 0.6


def test_zero_may_be_measured_where_the_offset_was_cut(tmp_path: Path) -> None:
    values = np.full((8, 8, 12), 900, np.uint16)
    values[:4, :, 11], values[7] = 0, 0
    seen = open_scene([write_tif(tmp_path / "S2_harmonized" / "x.tif", values)], sensor="sentinel2_l2a").read()
    observation = seen.observations["sentinel2_l2a"]
    assert observation.cells[0, :7].all() and not observation.valid[0, 7].any()


def test_pictures_may_be_black(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    values[:4] = 0
    assert open_scene([write_tif(tmp_path / "x.tif", values)]).read().observations["aerial_rgb"].valid.all()


def test_nothing_but_fill_is_refused(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "S2_20190613.tif", np.zeros((8, 8, 12), np.uint16))
    with pytest.raises(UserError, match="no valid pixel: all that is not nodata is 0"):
        open_scene([path], sensor="sentinel2_l2a")


def test_another_unit_is_no_fill(tmp_path: Path, rng: np.random.Generator) -> None:
    with pytest.raises(UserError, match='cannot be reflectance.*unit="dn"'):
        open_scene([write_tif(tmp_path / "x.tif", sentinel2(rng).astype(np.float32))], sensor="sentinel2_l2a")


@pytest.mark.parametrize("full", [255, 1])
@pytest.mark.parametrize("suffix", ["tif", "npy"])
def test_an_unflagged_mask_is_no_near_infrared(tmp_path: Path, full: int, suffix: str) -> None:
    rng = np.random.default_rng(0)
    mask = np.full((30, 30, 1), full, np.uint8)
    mask[:, :10] = 0
    values = np.concatenate([rng.integers(1, 255, (30, 30, 3)).astype(np.uint8), mask], -1)
    path = tmp_path / f"x.{suffix}"
    if suffix == "npy":
        np.save(path, values)
    else:
        write_tif(path, values, photometric="MINISBLACK")
    scene = open_scene([path])
    seen = scene.read().observations["aerial_rgb"]
    assert scene.bands == ("red", "green", "blue") and any("used as a mask" in note for note in scene.notes)
    assert np.array_equal(seen.valid[0], mask[..., 0] > 0)


def test_classes_after_the_bands_are_no_band(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([sentinel2(rng), rng.integers(0, 12, (40, 50, 1)).astype(np.uint16)], -1)
    scene = open_scene([write_tif(tmp_path / "x.tif", values)])
    assert scene.sensor.name == "sentinel2_l2a" and any("left out" in note for note in scene.notes)
