"""What is written reads back the same, on the same grid, whole or not at all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.warp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from rsfm.data.writing.overlay import stretch
from rsfm.data.writing.palette import class_colours
from rsfm.data.writing.rasters import (
    MaskWriter,
    box_features,
    mask_features,
    write_geojson,
    write_image,
    write_json,
    write_mask,
    write_overlay,
)
from rsfm.errors import UserError
from rsfm.types import Boxes, GeoGrid, Mask

LEGEND = ("water", "trees", "crops & fields")


def utm(height: int, width: int) -> GeoGrid:
    return GeoGrid(crs="EPSG:32633", transform=(10.0, 0.0, 404400.0, 0.0, -10.0, 5342400.0), height=height, width=width)


def classes(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1, len(LEGEND), (height, width))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(height=st.integers(1, 60), width=st.integers(1, 60), seed=st.integers(0, 9), placed=st.booleans())
def test_a_mask_reads_back(tmp_path: Path, height: int, width: int, seed: int, placed: bool) -> None:
    index, grid = classes(height, width, seed), utm(height, width) if placed else None
    write_mask(tmp_path / "m.tif", Mask(class_index=index, legend=LEGEND), grid)
    with rasterio.open(tmp_path / "m.tif") as dataset:
        assert np.array_equal(np.where(dataset.read(1) == 255, -1, dataset.read(1).astype(int)), index)
        assert np.array_equal(dataset.read_masks(1) > 0, index >= 0)
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG" and dataset.compression.name == "deflate"
        assert [dataset.tags(1)[f"CLASS_{i}"] for i in range(3)] == list(LEGEND)
        assert json.loads(dataset.tags()["classes"]) == list(LEGEND)
        assert dataset.colormap(1)[0][:3] == class_colours(LEGEND)[0]
        assert (dataset.crs.to_epsg() if dataset.crs else None) == (32633 if placed else None)
        assert not placed or dataset.transform.c == 404400
    assert sorted(os.listdir(tmp_path)) == ["m.tif", "m.tif.aux.xml"]


def test_a_mask_written_in_blocks_is_the_mask_written_whole(tmp_path: Path) -> None:
    index = classes(1100, 700)
    with MaskWriter(tmp_path / "blocks.tif", utm(1100, 700), LEGEND) as writer:
        for row in range(0, 1100, 300):
            for column in range(0, 700, 256):
                writer.write(row, column, index[row : row + 300, column : column + 256])
    write_mask(tmp_path / "whole.tif", Mask(class_index=index, legend=LEGEND), utm(1100, 700))
    with rasterio.open(tmp_path / "blocks.tif") as one, rasterio.open(tmp_path / "whole.tif") as other:
        assert np.array_equal(one.read(), other.read()) and one.overviews(1) == other.overviews(1) == [2, 4]


def test_category_names_are_where_gdal_looks(tmp_path: Path) -> None:
    write_mask(tmp_path / "m.tif", Mask(class_index=classes(5, 5), legend=LEGEND), utm(5, 5))
    text = (tmp_path / "m.tif.aux.xml").read_text(encoding="utf-8")
    assert "<Category>water</Category>" in text and "crops &amp; fields" in text


def test_many_classes(tmp_path: Path) -> None:
    legend = tuple(f"class {i}" for i in range(300))
    index = np.arange(300).reshape(20, 15)
    write_mask(tmp_path / "m.tif", Mask(class_index=index, legend=legend), utm(20, 15))
    with rasterio.open(tmp_path / "m.tif") as dataset:
        assert np.array_equal(dataset.read(1), index) and dataset.nodata == 65535


def test_an_error_while_writing_leaves_what_was_there(tmp_path: Path) -> None:
    write_mask(tmp_path / "m.tif", Mask(class_index=np.zeros((4, 4), int), legend=LEGEND), utm(4, 4))
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    with pytest.raises(RuntimeError, match="stopped"), MaskWriter(tmp_path / "m.tif", utm(4, 4), LEGEND) as writer:
        writer.write(0, 0, np.ones((4, 4), int))
        raise RuntimeError("stopped")
    assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == before


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(height=st.integers(1, 50), width=st.integers(1, 50), count=st.integers(1, 5))
def test_an_image_reads_back(tmp_path: Path, height: int, width: int, count: int) -> None:
    image = np.random.default_rng(0).normal(size=(height, width, count)).astype(np.float32)
    image[0, 0] = np.nan
    names = [f"band {i}" for i in range(count)]
    write_image(tmp_path / "i.tif", image, utm(height, width), names)
    with rasterio.open(tmp_path / "i.tif") as dataset:
        assert np.array_equal(np.moveaxis(dataset.read(), 0, -1), image, equal_nan=True)
        assert (
            list(dataset.descriptions) == names and not dataset.read_masks(1)[0, 0] and dataset.dtypes[0] == "float32"
        )
    assert os.listdir(tmp_path) == ["i.tif"]


def test_geojson_lies_where_the_pixels_lie(tmp_path: Path) -> None:
    index = np.full((20, 20), -1)
    index[2:6, 3:9] = 1
    index[3, 4] = 0
    features = mask_features(Mask(class_index=index, legend=LEGEND))
    assert {(f["properties"]["class"], f["properties"]["pixels"]) for f in features} == {("trees", 23), ("water", 1)}
    assert len(mask_features(Mask(class_index=index, legend=LEGEND), min_pixels=2)) == 1
    write_geojson(tmp_path / "x.geojson", features, utm(20, 20))
    collection = json.loads((tmp_path / "x.geojson").read_text())
    assert collection["type"] == "FeatureCollection" and "crs" not in collection
    rings = next(f for f in collection["features"] if f["properties"]["class"] == "trees")["geometry"]["coordinates"]
    longitude, latitude = np.array(rings[0]).T
    assert (longitude.min(), latitude.max()) == pytest.approx((13.71315, 48.22750), abs=2e-3)
    assert turns(rings[0]) > 0 > turns(rings[1])  # outer ring counterclockwise, hole clockwise


def turns(ring: list) -> float:
    x, y = np.array(ring).T
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))


def test_boxes_come_back_from_the_map(tmp_path: Path) -> None:
    corners = np.array([[[1.0, 2.0], [5.0, 2.0], [5.0, 8.0], [1.0, 8.0]]])
    write_geojson(tmp_path / "b.geojson", box_features(Boxes(corners=corners, labels=("tree",))), utm(20, 20))
    (feature,) = json.loads((tmp_path / "b.geojson").read_text())["features"]
    back = rasterio.warp.transform_geom("EPSG:4326", "EPSG:32633", feature["geometry"])
    x, y = np.array(back["coordinates"][0]).T
    pixels = {(round((a - 404400) / 10, 2), round((5342400 - b) / 10, 2)) for a, b in zip(x, y, strict=True)}
    assert pixels == {(1, 2), (5, 2), (5, 8), (1, 8)} and feature["properties"] == {"label": "tree"}


def test_geojson_without_crs_says_that_it_is_in_pixels(tmp_path: Path) -> None:
    corners = np.array([[[1.0, 2.0], [5.0, 2.0], [5.0, 8.0], [1.0, 8.0]]])
    write_geojson(tmp_path / "b.geojson", box_features(Boxes(corners=corners, labels=("tree",))), None)
    collection = json.loads((tmp_path / "b.geojson").read_text())
    assert "pixels" in collection["coordinates"]
    assert [1.0, 2.0] in collection["features"][0]["geometry"]["coordinates"][0]


@pytest.mark.parametrize("shape", [(30, 30), (20, 90), (400, 1900)])
def test_an_overlay_is_a_picture_with_a_legend(tmp_path: Path, shape: tuple[int, int]) -> None:
    rgb = np.random.default_rng(0).uniform(0, 0.4, (*shape, 3))
    rgb[0, 0] = np.nan
    write_overlay(tmp_path / "o.png", rgb, Mask(class_index=classes(*shape), legend=LEGEND), title="Map the water.")
    with Image.open(tmp_path / "o.png") as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 22)}
        assert max(picture.size) >= 600 and set(class_colours(LEGEND)) <= colours
    assert os.listdir(tmp_path) == ["o.png"]


def test_colours() -> None:
    many = class_colours([f"class {i}" for i in range(60)])
    assert len(set(many)) == 60
    water, trees = class_colours(["sea and ocean", "broad-leaved forest"])
    assert water[2] > water[0] and trees[1] > trees[0]
    assert class_colours(["water"], {"water": (1, 2, 3)}) == ((1, 2, 3),)
    assert len(set(class_colours(["corn", "corn-notill", "corn-mintill", "forest", "trees"]))) == 5


def test_stretch() -> None:
    values = np.linspace(0.01, 0.3, 300).reshape(10, 10, 3)
    out = stretch(values)
    assert out.dtype == np.uint8 and out.min() < 10 and out.max() > 245
    assert not stretch(np.zeros((4, 4, 3))).any()


@pytest.mark.parametrize("write", ["mask", "image", "geojson", "overlay", "json"])
def test_a_folder_that_cannot_be_written_to(tmp_path: Path, write: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match="cannot be written to") as caught:
        _write(write, tmp_path / "file" / "out.tif")
    assert "\n" not in str(caught.value) and os.listdir(tmp_path) == ["file"]


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "out.tif").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        _write("mask", tmp_path / "out.tif")


def _write(kind: str, path: Path, edge: int = 8) -> None:
    mask = Mask(class_index=classes(edge, edge), legend=LEGEND)
    small = Mask(class_index=mask.class_index[:90, :90], legend=LEGEND)
    if kind == "mask":
        write_mask(path, mask, utm(edge, edge))
    elif kind == "image":
        write_image(path, np.random.default_rng(0).normal(size=(edge, edge, 3)), utm(edge, edge), ["a", "b", "c"])
    elif kind == "geojson":
        write_geojson(path, mask_features(small), utm(edge, edge))
    elif kind == "overlay":
        write_overlay(path, np.random.default_rng(0).uniform(size=(edge, edge, 3)), mask)
    else:
        write_json(path, {"numbers": list(range(edge * edge))})


FULL_DISK = """
import os, resource, signal, sys
from pathlib import Path
from rsfm.errors import UserError
from tests.data.writing.test_rasters import _write
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder = Path(sys.argv[1])
for kind in ("mask", "image", "geojson", "overlay", "json"):
    for limit in (5_000, 50_000, 200_000, 600_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            _write(kind, folder / f"{kind}{limit}.tif", edge=900)
            told = "written"
        except UserError as error:
            told = str(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(kind, limit, told, sep="|")
"""


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: writing past it fails in the same places."""
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line.split("|") for line in done.stdout.splitlines()]
    assert len(rows) == 20
    whole = {f"{kind}{limit}.tif" for kind, limit, told in rows if told == "written"}
    assert all("disk full" in told for _, _, told in rows if told != "written"), rows
    assert {name for name in os.listdir(tmp_path) if not name.endswith(".aux.xml")} == whole
    assert (
        sum(
            kind == name for name in ("mask", "image", "overlay", "json") for kind, _, told in rows if told != "written"
        )
        > 6
    )
    for name in whole & {f"mask{limit}.tif" for limit in (5_000, 50_000, 200_000, 600_000)}:
        with rasterio.open(tmp_path / name) as dataset:
            assert np.array_equal(np.where(dataset.read(1) == 255, -1, dataset.read(1).astype(int)), classes(900, 900))
