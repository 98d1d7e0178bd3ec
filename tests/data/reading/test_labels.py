"""Labels: moved, rotated, flipped, resampled or reprojected they give the same target; what lies elsewhere is refused."""

import math
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.warp import Resampling, calculate_default_transform, reproject

from rsfm.data.datasets.geotiff_folder import GeoTiffFolder
from rsfm.data.reading.labels import check_same_ground, read_label
from rsfm.errors import UserError
from rsfm.types import GeoGrid
from tests.data.rasters import UTM, sentinel2, write_tif

IMAGE = GeoGrid(crs="EPSG:32633", transform=(10.0, 0.0, 404400.0, 0.0, -10.0, 5342400.0), height=40, width=50)
FILES = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def classes(seed: int, height: int = 40, width: int = 50) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 6, (height, width)).astype(np.uint8)


def seen(path: Path, grid: GeoGrid = IMAGE) -> np.ndarray:
    label = read_label(path, grid)
    return np.where(label.inside, label.bands[0], 0)


@FILES
@given(seed=st.integers(0, 99), turns=st.integers(0, 3), flip=st.booleans(), factor=st.sampled_from((1, 2, 3, 5)))
def test_turned_flipped_and_resampled_it_is_the_same_target(
    tmp_path: Path, seed: int, turns: int, flip: bool, factor: int
) -> None:
    truth = classes(seed)
    stored, transform = np.kron(truth, np.ones((factor, factor), np.uint8)), UTM * Affine.scale(1 / factor)
    for _ in range(turns):  # counterclockwise: what was at the right edge is the first row
        transform = transform * Affine(0, -1, stored.shape[1], 1, 0, 0)
        stored = np.rot90(stored)
    if flip:
        transform = transform * Affine(-1, 0, stored.shape[1], 0, 1, 0)
        stored = stored[:, ::-1]
    path = write_tif(tmp_path / "label.tif", stored[..., None].copy(), transform=transform)
    np.testing.assert_array_equal(seen(path), truth)


@FILES
@given(seed=st.integers(0, 99), right=st.integers(-60, 60), down=st.integers(-50, 50), grown=st.integers(0, 30))
def test_moved_it_stays_where_it_lies(tmp_path: Path, seed: int, right: int, down: int, grown: int) -> None:
    """Cut from a larger map: pixels that it does not reach are unlabelled, and without any it is refused."""
    whole = classes(seed, 240, 250)  # the image is its rows 100..140 and columns 100..150
    height, width = 40 + grown, 50 + grown
    stored = whole[100 + down : 100 + down + height, 100 + right : 100 + right + width]
    path = write_tif(tmp_path / "label.tif", stored[..., None].copy(), transform=UTM * Affine.translation(right, down))
    truth = np.zeros((40, 50), np.uint8)
    rows, columns = np.mgrid[:40, :50]
    there = (rows >= down) & (rows < down + height) & (columns >= right) & (columns < right + width)
    truth[there] = whole[100:140, 100:150][there]
    if not there.any():
        with pytest.raises(UserError, match="no pixel of it lies on the image"):
            seen(path)
        return
    np.testing.assert_array_equal(seen(path), truth)
    note = read_label(path, IMAGE).note
    assert (note == "") == ((right, down, grown) == (0, 0, 0)) and ("unlabelled" in note) == (not there.all())


@FILES
@given(
    crs=st.sampled_from(("EPSG:4326", "EPSG:3857", "EPSG:32632", "EPSG:3035", "EPSG:31467")), seed=st.integers(0, 99)
)
def test_in_another_crs_it_is_the_same_target(tmp_path: Path, crs: str, seed: int) -> None:
    truth = np.kron(classes(seed, 8, 10), np.ones((5, 5), np.uint8))
    bounds = rasterio.transform.array_bounds(40, 50, UTM)
    transform, width, height = calculate_default_transform("EPSG:32633", crs, 50, 40, *bounds, resolution=None)
    fine = transform * Affine.scale(1 / 8)
    stored = np.zeros((height * 8, width * 8), np.uint8)
    reproject(
        truth, stored, src_transform=UTM, src_crs="EPSG:32633", dst_transform=fine, dst_crs=crs,
        resampling=Resampling.nearest, tolerance=0,
    )  # fmt: skip
    path = write_tif(tmp_path / "label.tif", stored[..., None], crs=crs, transform=fine)
    found = seen(path)
    inner = np.zeros((40, 50), bool)
    inner[1:-1, 1:-1] = True
    np.testing.assert_array_equal(found[inner], truth[inner])


def test_longitudes_of_0_to_360_meet_those_of_180(tmp_path: Path) -> None:
    truth = classes(0, 20, 30)
    image = GeoGrid(crs="EPSG:4326", transform=(0.01, 0.0, 179.9, 0.0, -0.01, 10.0), height=20, width=30)
    path = write_tif(
        tmp_path / "l.tif", truth[..., None], crs="EPSG:4326", transform=Affine(0.01, 0, -180.1, 0, -0.01, 10)
    )
    np.testing.assert_array_equal(seen(path, image), truth)
    west = GeoGrid(crs="EPSG:4979", transform=(0.01, 0.0, -180.1, 0.0, -0.01, 10.0), height=20, width=30)
    np.testing.assert_array_equal(seen(path, west), truth)


def test_as_many_pixels_are_not_the_same_ground(tmp_path: Path) -> None:
    far = write_tif(tmp_path / "far.tif", classes(0)[..., None], transform=UTM * Affine.translation(500, 0))
    with pytest.raises(UserError, match="no pixel of it lies on the image"):
        read_label(far, IMAGE)
    plain = write_tif(tmp_path / "plain.tif", classes(0)[..., None], crs=None)
    assert "no georeference" in read_label(plain, IMAGE).note
    np.testing.assert_array_equal(seen(plain), classes(0))
    with pytest.raises(UserError, match="the image 30 x 50"):
        read_label(plain, GeoGrid(crs=None, transform=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0), height=30, width=50))


def test_control_points_place_a_label(tmp_path: Path) -> None:
    truth = np.kron(classes(3, 8, 10), np.ones((5, 5), np.uint8))
    points = [
        GroundControlPoint(row=r, col=c, x=(UTM @ (c, r))[0], y=(UTM @ (c, r))[1])
        for r in (0, 20, 40)
        for c in (0, 25, 50)
    ]
    path = tmp_path / "points.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=40, width=50, count=1, dtype="uint8", gcps=points, crs=CRS.from_epsg(32633)
    ) as file:
        file.write(truth, 1)
    assert (seen(path) == truth).mean() > 0.95
    elsewhere = GeoGrid(crs="EPSG:32633", transform=(10.0, 0.0, 504400.0, 0.0, -10.0, 5342400.0), height=40, width=50)
    with pytest.raises(UserError, match="no pixel of it lies on the image"):
        read_label(path, elsewhere)


def test_numbers_are_scaled_once_and_missing_where_the_file_says_so(tmp_path: Path) -> None:
    path = write_tif(tmp_path / "height.tif", np.array([[[100]], [[-1]], [[250]]], np.int16), nodata=-1)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.1,), (2.0,)
    grid = GeoGrid(crs="EPSG:32633", transform=IMAGE.transform, height=3, width=1)
    np.testing.assert_allclose(read_label(path, grid).values[:, 0], [12.0, math.nan, 27.0])


def test_two_sensors_show_the_same_ground_or_are_refused() -> None:
    def grid(size: tuple[int, int], edge: float, x: float = 404400.0, y: float = 5342400.0) -> GeoGrid:
        return GeoGrid(crs="EPSG:32633", transform=(edge, 0.0, x, 0.0, -edge, y), height=size[0], width=size[1])

    for fine in (grid((80, 100), 5.0), grid((13, 17), 30.0), grid((1, 1), 1000.0)):
        assert check_same_ground(IMAGE, fine) == ""
    for other in (grid((40, 50), 10.0, x=404500.0), grid((40, 50), 10.0, x=704500.0), grid((20, 50), 10.0)):
        with pytest.raises(UserError, match="different ground"):
            check_same_ground(IMAGE, other)
    plain = GeoGrid(crs=None, transform=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0), height=80, width=100)
    assert "no georeference" in check_same_ground(IMAGE, plain)


def test_a_table_brings_its_labels_to_the_image(tmp_path: Path, rng: np.random.Generator) -> None:
    write_tif(tmp_path / "a.tif", sentinel2(rng))
    stored = np.kron(classes(5), np.ones((2, 2), np.uint8))[::-1]
    flipped = UTM * Affine.scale(0.5) * Affine(1, 0, 0, 0, -1, 80)
    write_tif(tmp_path / "m.tif", stored[..., None].copy(), transform=flipped)
    table = tmp_path / "labels.csv"
    table.write_text("image,sensor,mask,legend\na.tif,sentinel2_l2a,m.tif,1=a;2=b;3=c;4=d;5=e\n", encoding="utf-8")
    with pytest.warns(UserWarning, match="nearest neighbour"):
        record = GeoTiffFolder(table, "all")[0]
    assert record.mask is not None
    np.testing.assert_array_equal(record.mask.class_index + 1, classes(5))


def test_two_sensors_of_a_row_that_lie_apart_are_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    write_tif(tmp_path / "a.tif", sentinel2(rng))
    radar = rng.normal(-12, 2, (40, 50, 2)).astype(np.float32)
    write_tif(tmp_path / "b.tif", radar, transform=UTM * Affine.translation(300, 0))
    table = tmp_path / "labels.csv"
    table.write_text("image:sentinel2_l2a,image:sentinel1_rtc\na.tif,b.tif\n", encoding="utf-8")
    with pytest.raises(UserError, match="row 2, column 'image:sentinel1_rtc': .*different ground"):
        GeoTiffFolder(table, "all")[0]


@pytest.mark.parametrize("scale", [0.0, float("nan")])
def test_a_scale_that_leaves_no_number_is_refused(scale: float, tmp_path: Path) -> None:
    path = write_tif(tmp_path / "height.tif", np.full((4, 5, 1), 900, np.uint16))
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, grid = [scale], GeoGrid(transform=UTM[:6], crs="EPSG:32633", height=4, width=5)
    with pytest.raises(UserError, match="its own scale is"):
        _ = read_label(path, grid).values
