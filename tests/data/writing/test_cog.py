"""Maps and images are cloud-optimized by the judgement of rio-cogeo: tiled, overviews behind the header, nothing out of order."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from rio_cogeo.cogeo import cog_validate

from rsfm.data.writing.rasters import write_image, write_mask
from rsfm.types import GeoGrid, Mask

SIZES = [(40, 60), (700, 1100), (2000, 30)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", ["mask", "image"])
def test_what_is_written_is_cloud_optimized(tmp_path: Path, kind: str, size: tuple[int, int]) -> None:
    height, width = size
    transform = (10.0, 0.0, 404400.0, 0.0, -10.0, 5342400.0)
    grid = GeoGrid(crs="EPSG:32633", transform=transform, height=height, width=width)
    rng, path = np.random.default_rng(0), tmp_path / "file.tif"
    if kind == "mask":
        write_mask(path, Mask(class_index=rng.integers(-1, 2, size), legend=("water", "trees")), grid)
    else:
        write_image(path, rng.normal(size=(*size, 3)).astype(np.float32), grid, ("value", "low", "high"))
    valid, errors, warnings = cog_validate(path, strict=True, quiet=True)
    assert valid and not errors and not warnings


def test_a_plain_tiff_of_that_size_is_not(tmp_path: Path) -> None:
    profile = {"driver": "GTiff", "height": 700, "width": 1100, "count": 1, "dtype": "uint8", "crs": "EPSG:32633"}
    with rasterio.open(tmp_path / "plain.tif", "w", transform=from_origin(0, 0, 10, 10), **profile) as dataset:
        dataset.write(np.ones((1, 700, 1100), np.uint8))
    assert not cog_validate(tmp_path / "plain.tif", strict=True, quiet=True)[0]
