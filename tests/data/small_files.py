"""Writes one small GeoTIFF or picture."""

from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio.transform import Affine

UTM = Affine(10, 0, 500_000, 0, -10, 5_000_000)


def write_raster(
    path: Path, bands: np.ndarray, *, transform: Affine = UTM, tags: dict[str, str] | None = None, **kwargs
) -> None:
    """Writes bands (c h w) as a GeoTIFF in UTM zone 33 north."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = bands.shape
    profile = {"driver": "GTiff", "count": count, "height": height, "width": width, "dtype": bands.dtype}
    with rasterio.open(path, "w", **profile, crs="EPSG:32633", transform=transform, **kwargs) as file:
        file.write(bands)
        file.update_tags(**(tags or {}))


def write_picture(path: Path, rng: np.random.Generator, height: int, width: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 255, (height, width, 3), np.uint8)).save(path)
