"""Images in memory are read as the same images in files are."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from rsfm.data.reading.scene import Scene, open_scene
from rsfm.errors import UserError
from rsfm.types import Observation
from tests.data.rasters import write_tif

HOW = {"sensor": "sentinel2_l2a", "unit": "dn_no_offset"}


def seen(scene: Scene) -> Observation:
    return scene.read().observations[scene.sensor.name]


@pytest.fixture
def numbers(rng: np.random.Generator) -> np.ndarray:
    """Digital numbers (rows, columns, bands) of the twelve bands of Sentinel-2."""
    return rng.integers(400, 3000, (20, 30, 12)).astype(np.uint16)


@pytest.mark.parametrize("order", ["h w c", "c h w"])
def test_an_array_is_read_as_its_file(order: str, numbers, tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, numbers)
    array = numbers if order == "h w c" else np.moveaxis(numbers, -1, 0)
    np.testing.assert_array_equal(seen(open_scene([array], **HOW)).values, seen(open_scene([path], **HOW)).values)


def test_a_series_in_one_array_keeps_its_dates_apart(numbers) -> None:
    scene = open_scene([np.stack([numbers, numbers[::-1]])], dates=["2021-07-01", "2021-05-01"], **HOW)
    values = seen(scene).values
    np.testing.assert_allclose(values[1], numbers * 1e-4, atol=1e-6)
    np.testing.assert_allclose(values[0], numbers[::-1] * 1e-4, atol=1e-6)
    assert (np.diff(scene.time_days) == 61).all()


def test_a_picture_is_read_as_its_file(rng: np.random.Generator, tmp_path: Path) -> None:
    rgba = rng.integers(0, 256, (16, 24, 4)).astype(np.uint8)
    picture = Image.fromarray(rgba)
    picture.save(tmp_path / "x.png")
    for name in ("values", "valid"):
        of_file, of_memory = (getattr(seen(open_scene([source])), name) for source in (tmp_path / "x.png", picture))
        np.testing.assert_array_equal(of_memory, of_file)
    first = np.moveaxis(rgba[..., :3], -1, 0)
    scene = open_scene([first])
    assert scene.width == 24 and any("(bands, rows, columns)" in note for note in scene.notes)


def test_a_pixel_has_the_size_that_is_given(rng: np.random.Generator, tmp_path: Path) -> None:
    rgb = rng.integers(0, 256, (16, 24, 3)).astype(np.uint8)
    assert float(seen(open_scene([rgb], gsd_m=0.3)).gsd_m) == pytest.approx(0.3)
    with pytest.raises(UserError, match=r"gsd_m -1.*above 0"):
        open_scene([rgb], gsd_m=-1.0)
    path = write_tif(tmp_path / "x.tif", rgb)
    with pytest.raises(UserError, match=r"gsd_m is 0.3, but its grid says pixels of"):
        open_scene([path], gsd_m=0.3)


def test_rioxarray_carries_grid_names_and_nodata(numbers, tmp_path: Path) -> None:
    rioxarray = pytest.importorskip("rioxarray")
    names = [f"B{n:02}" for n in (2, 3, 4, 8)]
    numbers = numbers[..., :4].copy()
    numbers[0, 0] = 0
    path = write_tif(tmp_path / "x.tif", numbers, descriptions=names, nodata=0)
    with rioxarray.open_rasterio(path) as opened:
        of_file, of_memory = open_scene([path], **HOW), open_scene([opened], **HOW)
    assert of_memory.bands == of_file.bands == tuple(names)
    assert rasterio.crs.CRS.from_string(of_memory.grid.crs) == rasterio.crs.CRS.from_string(of_file.grid.crs)
    np.testing.assert_allclose(of_memory.grid.transform, of_file.grid.transform, rtol=1e-12)
    assert of_memory.gsd_m == pytest.approx(of_file.gsd_m)
    for name in ("values", "valid"):
        np.testing.assert_array_equal(getattr(seen(of_memory), name), getattr(seen(of_file), name))


def test_a_dataset_of_xarray_has_variables_for_bands_and_dates(rng: np.random.Generator) -> None:
    xr = pytest.importorskip("xarray")
    values = {name: (("time", "y", "x"), rng.uniform(0, 0.4, (2, 5, 6))) for name in ("nir", "red", "green", "blue")}
    coords = {"time": np.array(["2021-05-01", "2021-07-01"], "datetime64[ns]"), "spatial_ref": 0}
    coords |= {"y": 5_000_000 - 10.0 * np.arange(5), "x": 400_000 + 10.0 * np.arange(6)}
    cube = xr.Dataset(values, coords=coords)
    cube["spatial_ref"].attrs["crs_wkt"] = "EPSG:32633"
    scene = open_scene([cube], sensor="sentinel2_l2a", unit="reflectance")
    assert scene.bands == ("B02", "B03", "B04", "B08") and (np.diff(scene.time_days) == 61).all()
    assert scene.grid.crs == "EPSG:32633" and scene.grid.transform == (10, 0, 399_995, 0, -10, 5_000_005)
    np.testing.assert_allclose(seen(scene).values[..., 3], values["nir"][1], atol=1e-6)
    with pytest.raises(UserError, match="not evenly spaced"):
        open_scene([cube.isel(x=[0, 1, 3])], sensor="sentinel2_l2a", unit="reflectance")
    with pytest.raises(UserError, match=r"expected dimensions y and x.*found .*somewhere"):
        open_scene([cube["nir"].rename(x="somewhere")], sensor="sentinel2_l2a", unit="reflectance")


def test_what_is_no_image_is_refused(numbers, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="numbers expected, found object"):
        open_scene([numbers.astype(object)], **HOW)
    with pytest.raises(UserError, match="expected an array"):
        open_scene([np.zeros(5)], **HOW)
    with pytest.raises(UserError, match="Files and arrays together"):
        open_scene([numbers, write_tif(tmp_path / "x.tif", numbers)], **HOW)
