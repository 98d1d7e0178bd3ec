"""Windows of georeferenced rasters: the slice of the whole, whatever the file; nodata and alpha become a mask."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.enums import ColorInterp

from rsfm.data.reading.clouds import cloud_kind
from rsfm.data.reading.geotiff import GeoRaster, Source
from rsfm.data.reading.scene import open_scene
from rsfm.errors import UserError
from rsfm.types import GeoGrid
from tests.data.rasters import UTM, sentinel2, write_tif


def opened(path: Path) -> GeoRaster:
    return GeoRaster([Source(path=path)])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_window_is_the_slice_of_the_whole(tmp_path: Path, data: st.DataObject) -> None:
    height, width, count = (data.draw(st.integers(1, top)) for top in (40, 40, 5))
    dtype = np.dtype(data.draw(st.sampled_from(["uint8", "uint16", "int16", "int32", "float32", "float64"])))
    nodata = data.draw(
        st.sampled_from([None, 0, 7, 255 if dtype == np.uint8 else -9999 if dtype.kind != "u" else 65535])
    )
    values = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, 9, (height, width, count)).astype(dtype)
    tiled = {"tiled": True, "blockxsize": 16, "blockysize": 16} if data.draw(st.booleans()) else {}
    plain = {"photometric": "minisblack", "alpha": "no"}  # else GDAL calls the fourth of four bytes alpha
    raster = opened(write_tif(tmp_path / "x.tif", values, nodata=nodata, **tiled, **plain))
    row, column = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    window = (row, column, data.draw(st.integers(1, height - row)), data.draw(st.integers(1, width - column)))
    numbers, valid = raster.read(window)
    cut = (slice(row, row + window[2]), slice(column, column + window[3]))
    assert numbers.dtype == dtype and np.array_equal(numbers, values[cut])
    empty = np.zeros(numbers.shape, bool) if nodata is None else numbers == nodata
    if nodata == 0 and dtype.kind in "iu":
        empty[:] = empty.all(-1, keepdims=True)
    assert np.array_equal(valid, ~empty)
    raster.close()


def test_the_header(tmp_path: Path, rng: np.random.Generator) -> None:
    path = write_tif(tmp_path / "x.tif", sentinel2(rng), descriptions=[f"b{i}" for i in range(12)], tags={"KEY": "1"})
    header = opened(path).header
    assert (header.height, header.width, header.count, header.crs) == (40, 50, 12, "EPSG:32633")
    assert header.transform == (10.0, 0.0, 404400.0, 0.0, -10.0, 5342400.0)
    assert header.descriptions[3] == "b3" and header.tags["KEY"] == "1" and header.dtype == np.uint16


def test_alpha_is_a_mask_and_not_a_band(tmp_path: Path) -> None:
    values = np.full((4, 4, 4), 9, np.uint8)
    values[:2, :, 3] = 0
    path = write_tif(tmp_path / "x.tif", values)
    with rasterio.open(path, "r+") as dataset:
        dataset.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    raster = opened(path)
    assert raster.header.count == 3
    assert raster.read((0, 0, 4, 4))[1][:, 0, 0].tolist() == [False, False, True, True]


def test_what_a_writer_calls_alpha_can_be_asked_for_as_a_band(tmp_path: Path) -> None:
    values = np.full((4, 4, 4), 9, np.uint8)
    values[0, 0, 3] = 0
    raster = opened(write_tif(tmp_path / "x.tif", values))
    assert raster.header.count == 3
    numbers, valid = raster.with_alpha_as_band().read((0, 0, 4, 4))
    assert np.array_equal(numbers, values) and valid.all()


def test_nan_is_not_valid(tmp_path: Path) -> None:
    values = np.ones((2, 2, 2), np.float32)
    values[0, 0, 1] = np.nan
    assert opened(write_tif(tmp_path / "x.tif", values)).read((0, 0, 2, 2))[1].sum() == 7


def test_shrinking_averages(tmp_path: Path) -> None:
    values = np.arange(64, dtype=np.float32).reshape(8, 8, 1)
    numbers, valid = opened(write_tif(tmp_path / "x.tif", values)).read((0, 0, 8, 8), (2, 2))
    assert numbers[..., 0] == pytest.approx(values.reshape(2, 4, 2, 4).mean((1, 3))) and valid.all()


def test_one_band_files_stack_on_the_finest_grid(tmp_path: Path) -> None:
    ramp = np.add.outer(np.arange(20.0), np.arange(20.0)).astype(np.float32)[..., None]
    fine = write_tif(tmp_path / "a.tif", ramp)
    coarse = write_tif(tmp_path / "b.tif", ramp[::2, ::2] + 1, transform=UTM * Affine.scale(2))
    raster = GeoRaster([Source(path=coarse, indexes=(1,)), Source(path=fine, indexes=(1,))])
    numbers, valid = raster.read((0, 0, 20, 20))
    assert (raster.header.height, raster.header.width, raster.header.count) == (20, 20, 2) and valid.all()
    assert np.array_equal(numbers[..., 1], ramp[..., 0])
    assert numbers[2:-2, 2:-2, 0] == pytest.approx(ramp[2:-2, 2:-2, 0])  # a plane is what bilinear keeps
    assert np.array_equal(raster.read((3, 5, 7, 9))[0], numbers[3:10, 5:14])


def test_one_band_files_without_crs_stack_too(tmp_path: Path) -> None:
    one = np.ones((8, 8, 1), np.uint16)
    paths = [write_tif(tmp_path / f"{n}.tif", one[:n, :n], crs=None) for n in (8, 4)]
    numbers, valid = GeoRaster([Source(path=path) for path in paths]).read((0, 0, 8, 8))
    assert numbers.shape == (8, 8, 2) and (numbers == 1).all() and valid.all()


def test_outside_of_a_warped_file_is_not_valid(tmp_path: Path) -> None:
    raster = opened(write_tif(tmp_path / "x.tif", np.full((10, 10, 1), 5, np.uint16)))
    grid = GeoGrid(crs="EPSG:32633", transform=(10.0, 0.0, 404450.0, 0.0, -10.0, 5342400.0), height=10, width=10)
    numbers, valid = raster.warped(grid).read((0, 0, 10, 10))
    assert valid[:, :5].all() and not valid[:, 5:].any() and (numbers[:, :5] == 5).all()


def test_a_raster_travels_to_another_process(tmp_path: Path, rng: np.random.Generator) -> None:
    raster = opened(write_tif(tmp_path / "x.tif", sentinel2(rng)))
    before = raster.read((0, 0, 9, 9))[0]
    assert np.array_equal(pickle.loads(pickle.dumps(raster)).read((0, 0, 9, 9))[0], before)


@pytest.mark.parametrize("driver", ["COG", "JP2OpenJPEG"])
def test_cog_and_jpeg_2000(tmp_path: Path, rng: np.random.Generator, driver: str) -> None:
    values = rng.integers(0, 4000, (64, 64, 1)).astype(np.uint16)
    plain = write_tif(tmp_path / "x.tif", values)
    options = {"QUALITY": "100", "REVERSIBLE": "YES"} if driver != "COG" else {}
    target = tmp_path / ("y.jp2" if driver != "COG" else "y.tif")
    rasterio.shutil.copy(plain, target, driver=driver, **options)
    assert np.array_equal(opened(target).read((10, 20, 30, 40))[0], values[10:40, 20:60])


def test_cloud_layers_by_name() -> None:
    assert cloud_kind(Path("T33UUP_20220613_SCL_20m.jp2")) == "SCL"
    assert cloud_kind(Path("HLS.S30.T10SEG.2021204T185919.v2.0.Fmask.tif")) == "FMASK"
    assert cloud_kind(Path("LC08_L2SP_044034_20210508_QA_PIXEL.TIF")) == "QA_PIXEL"
    assert cloud_kind(Path("x_B02.tif")) is None


def broken(folder: Path, kind: str) -> Path:
    path = write_tif(folder / "whole.tif", np.arange(30000, dtype=np.uint16).reshape(100, 100, 3))
    if kind == "cut short":
        path.write_bytes(path.read_bytes()[:20000])
    elif kind == "text":
        path.write_text("a letter")
    elif kind == "complex":
        path = write_tif(folder / "slc.tif", np.ones((4, 4, 1), np.complex64))
    return path


@pytest.mark.parametrize(
    ("kind", "words"), [("cut short", "cut short"), ("text", "not an image"), ("complex", "complex")]
)
def test_a_file_that_cannot_be_read(tmp_path: Path, kind: str, words: str) -> None:
    path = broken(tmp_path, kind)
    with pytest.raises(UserError, match=words) as caught:
        opened(path).read((90, 0, 10, 100))
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", ["complex_int16", "complex64", "complex128"])
def test_complex_numbers_are_no_intensities(dtype: str, tmp_path: Path) -> None:
    profile = {"driver": "GTiff", "height": 4, "width": 5, "count": 2, "dtype": dtype}
    with rasterio.open(tmp_path / "slc.tif", "w", **profile) as dataset:
        dataset.write(np.full((2, 4, 5), 3 + 4j, np.complex64))
    with pytest.raises(UserError, match="slc.tif: complex numbers. Expected intensities"):
        open_scene([tmp_path / "slc.tif"], sensor="sentinel1_grd")


@pytest.mark.parametrize("scale", [0.0, float("nan"), float("inf")])
def test_a_scale_that_leaves_no_number_is_refused(scale: float, tmp_path: Path) -> None:
    path = write_tif(tmp_path / "scaled.tif", np.full((4, 5, 12), 900, np.uint16))
    with rasterio.open(path, "r+") as dataset:
        dataset.scales = [scale] * dataset.count
    with pytest.raises(UserError, match=r"the file's own scale is .*Set --scale and --offset"):
        open_scene([path], sensor="sentinel2_l2a")
