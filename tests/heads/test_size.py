"""A map that no memory holds is refused in one line before any window is read."""

import contextlib
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from rsfm.answer.footprint import open_footprint
from rsfm.data.reading import memory
from rsfm.errors import UserError
from rsfm.heads.mask.scene import collected
from rsfm.heads.scene import Canvas, Tiling
from rsfm.heads.scene.size import check_map, check_strip
from rsfm.heads.value.scene import value_map
from rsfm.quantities import Quantity


def never(*_: object):
    raise AssertionError("a window was read")
    yield


def write_huge(folder: Path, side: int) -> Path:
    """A raster of which one block is stored."""
    path = folder / "huge.tif"
    profile = {"driver": "GTiff", "height": side, "width": side, "count": 12, "dtype": "uint16", "crs": "EPSG:32633"}
    tiles = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate"}
    place = rasterio.Affine(1.0, 0.0, 2e5, 0.0, -1.0, 5e6)
    with rasterio.open(path, "w", **profile, **tiles, transform=place, SPARSE_OK=True, BIGTIFF="YES") as dataset:
        block = np.random.default_rng(0).integers(300, 3000, (12, 256, 256)).astype(np.uint16)
        dataset.write(block, window=Window(side // 2, side // 2, 256, 256))
    return path


def test_a_huge_sparse_scene_is_refused_before_the_first_window(tmp_path: Path) -> None:
    huge = open_footprint([write_huge(tmp_path, 400_000)], sensors=["sentinel2_l2a"], scale=1e-4)
    expected = "The map of the scene: its 400,000 x 400,000 numbers take 960.0 GB, .* Cut the scene into parts"
    canvas = Canvas(tiling=Tiling(height=huge.height, width=huge.width, size=128), subjects=("water", "trees"))
    with pytest.raises(UserError, match=expected):
        collected(never(), canvas)
    height = Quantity(name="height", unit="m", center=5.0, scale=2.0, map_edges=(0.0, 5.0, 10.0))
    with pytest.raises(UserError, match="take 2,720.0 GB"):
        value_map(never(), dataclasses.replace(canvas, quantity=height))


@pytest.mark.parametrize(("probability", "free_gb", "fits"), [(False, 20, True), (True, 20, False), (True, 30, True)])
def test_what_is_held_beside_the_map_counts(
    probability: bool, free_gb: int, fits: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """40,000 x 40,000 pixels: 9.6 GB, and 12.8 GB more with the chances of two classes; a part of memory is for the rest."""
    monkeypatch.setattr(memory, "available_bytes", lambda: int(free_gb * 1e9 / memory.SHARE * 0.8))
    footprint = open_footprint([write_huge(tmp_path, 40_000)], sensors=["sentinel2_l2a"], scale=1e-4)
    with contextlib.nullcontext() if fits else pytest.raises(UserError, match="take 22.4 GB"):
        check_map(
            Canvas(tiling=Tiling(height=footprint.height, width=footprint.width, size=128)), 2, probability=probability
        )


def test_a_row_of_windows_fits_too() -> None:
    with pytest.raises(UserError, match="One row of windows: its 12 x 128 x 1,000,000,000 numbers"):
        check_strip(Tiling(height=1, width=10**9, size=128, overlap=0.25), 12)
