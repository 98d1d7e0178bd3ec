"""Features of a scene: the same whatever the windows, on their ground, none where there is no data; main directions by variance."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import rasterio

from rsfm.answer.components import main_directions, write_components
from rsfm.answer.embedding import embed, picture_vector, strips
from rsfm.answer.footprint import open_source
from rsfm.data.writing.rasters import write_strips
from rsfm.errors import UserError
from rsfm.pretrained import Pretrained, load_foundation
from rsfm.types import GeoGrid
from tests.data.labels.own_files import PIXEL, WEST, fields, write_picture
from tests.small_checkpoint import make_checkpoint

HOW = {"sensor": "sentinel2_l2a"}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Pretrained:
    return load_foundation(make_checkpoint(tmp_path_factory.mktemp("small") / "small"))


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_picture(
        tmp_path_factory.mktemp("scene") / "a.tif", fields(6)
    )  # 96 pixels: windows of 32, patches of 16
    with rasterio.open(path, "r+") as dataset:
        values = dataset.read()
        values[:, :32, :32] = 0
        dataset.nodata = 0
        dataset.write(values)
    return path


def test_places_are_patches_of_the_scene_on_its_ground(loaded: Pretrained, picture: Path) -> None:
    found = loaded.embed(picture, **HOW)
    rows, columns, width = found.features.shape
    assert (rows, columns) == (6, 6) and width == loaded.config.encoder.width
    assert found.grid is not None and found.grid.transform[:3] == (16 * PIXEL, 0.0, WEST)
    assert np.isnan(found.features[:2, :2]).all() and np.isfinite(found.features[2:, 2:]).all()
    assert np.isfinite(found.vector).all()


def test_a_window_alone_has_the_features_it_has_in_the_scene(loaded: Pretrained, picture: Path) -> None:
    scene = open_source(picture, **HOW)
    whole = embed(loaded.model, loaded.processor, scene, overlap=0.0).features
    alone = embed(loaded.model, loaded.processor, _part(picture), overlap=0.0).features
    np.testing.assert_allclose(whole[2:4, 4:6], alone, atol=2e-4)
    blended = embed(loaded.model, loaded.processor, scene, overlap=0.5, batch_size=1).features
    assert blended.shape == whole.shape and not np.allclose(blended[2:, 2:], whole[2:, 2:])  # neighbours are seen


def _part(picture: Path):
    from rsfm.data.reading.scene import open_scene

    return open_source(open_scene([picture], sensor="sentinel2_l2a").read((32, 64, 32, 32)))


def test_places_of_one_cover_are_nearer_than_those_of_others(loaded: Pretrained, picture: Path) -> None:
    features, kinds = loaded.embed(picture, **HOW).features, fields(6)
    there = np.isfinite(features).all(-1)
    vectors, kinds = features[there], kinds[there]
    apart = np.linalg.norm(vectors[:, None] - vectors[None], axis=-1)
    same = kinds[:, None] == kinds[None]
    assert apart[same & (apart > 0)].mean() < apart[~same].mean()


def test_strips_are_written_as_one_raster_and_drawn(loaded: Pretrained, picture: Path, tmp_path: Path) -> None:
    places, rows = strips(loaded.model, loaded.processor, open_source(picture, **HOW))
    names = [str(i) for i in range(places.width)]
    write_strips(tmp_path / "emb.tif", (places.rows, places.columns), places.grid, names, rows)
    with rasterio.open(tmp_path / "emb.tif") as dataset:
        assert dataset.crs.to_epsg() == 32633 and dataset.count == places.width
        np.testing.assert_array_equal(
            np.moveaxis(dataset.read(), 0, -1), loaded.embed(picture, **HOW).features.astype(np.float32)
        )
    from PIL import Image

    drawn = np.asarray(Image.open(write_components(tmp_path / "emb.tif", tmp_path / "emb.png")))
    assert drawn.shape[2] == 3 and drawn.std() > 0 and (drawn[: len(drawn) // 3, : len(drawn) // 3] == 0).all()


def test_a_picture_has_one_vector(loaded: Pretrained, picture: Path) -> None:
    vector = picture_vector(loaded.model, loaded.processor, open_source(picture, **HOW))
    other = picture_vector(loaded.model, loaded.processor, _part(picture))
    assert vector.shape == other.shape == (loaded.config.encoder.width,) and not np.allclose(vector, other)


def test_main_directions_are_those_of_most_variance() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(500, 5)) * [1, 9, 3, 27, 0.1] + 5
    middle, directions, low, high = main_directions(vectors)
    assert np.abs(directions).argmax(1).tolist() == [3, 1, 2] and (directions.max(1) > 0.99).all()
    np.testing.assert_allclose(middle, vectors.mean(0))
    assert (low < high).all()
    with pytest.raises(UserError, match="three places with data, found 2"):
        main_directions(vectors[:2])


def test_a_grid_of_places_keeps_the_corner() -> None:
    from rsfm.answer.embedding import _coarser

    grid = GeoGrid(crs="EPSG:32633", transform=(7.0, 7.0, 100.0, 7.0, -7.0, 200.0), height=33, width=40)
    found = _coarser(grid, 16, 3, 3)
    assert found == dataclasses.replace(grid, transform=(112.0, 112.0, 100.0, 112.0, -112.0, 200.0), height=3, width=3)
