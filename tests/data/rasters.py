"""Small files for the tests of readers and writers."""

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

UTM = Affine(10.0, 0.0, 404400.0, 0.0, -10.0, 5342400.0)


def write_tif(
    path: Path, values: np.ndarray, *, crs: str | None = "EPSG:32633", transform: Affine = UTM, **options
) -> Path:
    """Writes (h w c) numbers; options: nodata, descriptions, tags, mask, driver and what GDAL knows."""
    descriptions, tags = options.pop("descriptions", None), options.pop("tags", {})
    place = {"crs": crs, "transform": transform} if crs else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, count = values.shape
    profile = {"driver": "GTiff", "height": height, "width": width, "count": count, "dtype": values.dtype, **place}
    with rasterio.open(path, "w", **{**profile, **options}) as dataset:
        dataset.write(np.moveaxis(values, -1, 0))
        for i, text in enumerate(descriptions or (), start=1):
            dataset.set_band_description(i, text)
        dataset.update_tags(**tags)
    return path


def sentinel2(rng: np.random.Generator, height: int = 40, width: int = 50, bands: int = 12) -> np.ndarray:
    """Numbers like those of Sentinel-2: reflectance x 10000."""
    return rng.integers(200, 4000, (height, width, bands)).astype(np.uint16)
