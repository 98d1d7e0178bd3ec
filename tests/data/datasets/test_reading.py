"""Rasters of data sets are read as rasters of users are: complex numbers, fills, alpha, overviews, points and sizes."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.enums import ColorInterp

from rsfm.answer.footprint import open_footprint
from rsfm.data.datasets.reading import RasterFile, class_numbers
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from tests.data.rasters import sentinel2, write_tif


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "slc.tif", np.ones((8, 8, 1), np.complex64))
    with pytest.raises(UserError, match="complex numbers"):
        RasterFile("x", path)


def test_a_virtual_raster_is_refused(tmp_path: Path) -> None:
    write_tif(tmp_path / "real.tif", sentinel2(np.random.default_rng(0)))
    text = '<VRTDataset rasterXSize="8" rasterYSize="8"><VRTRasterBand dataType="Byte" band="1"/></VRTDataset>'
    (tmp_path / "scene.tif").write_text(text)
    with pytest.raises(UserError, match="VRT"):
        RasterFile("x", tmp_path / "scene.tif")


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "cut.tif", sentinel2(np.random.default_rng(0)))
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(UserError, match="damaged or cut short"):
        RasterFile("x", path)


@given(band=st.integers(0, 5), declared=st.booleans(), row=st.integers(0, 7), column=st.integers(0, 7))
def test_a_fill_costs_its_band_and_not_the_pixel(
    tmp_path_factory: pytest.TempPathFactory, band: int, declared: bool, row: int, column: int
) -> None:
    values = np.full((8, 8, 6), 1200, np.int16)
    values[row, column, band] = -9999
    folder = tmp_path_factory.mktemp("fill")
    path = write_tif(folder / "chip.tif", values, **({"nodata": -9999} if declared else {}))
    raster = RasterFile("x", path, sensor=SENSORS["hls"])
    assert raster.valid.all()
    np.testing.assert_array_equal(np.isnan(raster.values), values == -9999)


def test_the_values_are_those_a_user_gets(tmp_path: Path) -> None:
    values = sentinel2(np.random.default_rng(0))
    values[3, 4] = 0
    path = write_tif(tmp_path / "a.tif", values, tags={"TIFFTAG_DATETIME": "2021:06:01 10:00:00"}, nodata=0)
    raster = RasterFile("x", path, sensor=SENSORS["sentinel2_l2a"])
    height, width = values.shape[:2]
    record = open_footprint([path], sensors=["sentinel2_l2a"]).read((0, 0, height, width))
    (observation,) = record.observations.values()
    np.testing.assert_array_equal(raster.valid, observation.valid[0])
    assert raster.grid == record.grid
    given_, read = raster.values[raster.valid], np.asarray(observation.values)[0][raster.valid]
    slope, offset = np.polyfit(given_.ravel(), read.ravel(), 1)
    np.testing.assert_allclose(read, given_ * slope + offset, atol=1e-5)


def test_alpha_is_a_mask_or_a_band(tmp_path: Path) -> None:
    values = np.full((8, 8, 4), 90, np.uint8)
    values[0, 0, 3] = 0
    path = write_tif(tmp_path / "rgba.tif", values)
    with rasterio.open(path, "r+") as file:
        file.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
    masked, whole = RasterFile("x", path), RasterFile("x", path, nodata=False)
    assert masked.values.shape == (8, 8, 3) and not masked.valid[0, 0] and masked.valid.sum() == 63
    assert whole.values.shape == (8, 8, 4) and whole.valid.all() and whole.values[0, 0, 3] == 0


def test_white_that_is_declared_nothing_is_white_where_the_data_set_says_so(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "white.tif", np.full((4, 4, 3), 255, np.uint8), nodata=255)
    assert not RasterFile("x", path).valid.any()
    assert (RasterFile("x", path, nodata=False).values == 255).all()


def test_enlarging_keeps_a_plane(tmp_path: Path) -> None:
    slope = np.arange(20, dtype=np.float32)[None, :, None] * np.ones((20, 1, 1), np.float32)
    raster = RasterFile("x", write_tif(tmp_path / "b.tif", slope), size=(60, 60))
    expected = (np.arange(60) + 0.5) / 3 - 0.5
    np.testing.assert_allclose(raster.values[30, 3:-3, 0], expected[3:-3], atol=1e-3)
    assert raster.valid.all() and (raster.grid.height, raster.grid.width) == (20, 20)


def test_a_label_without_a_number_is_no_class() -> None:
    np.testing.assert_array_equal(class_numbers(np.array([[0, 3, np.nan]], np.float32)), [[0, 3, -1]])
