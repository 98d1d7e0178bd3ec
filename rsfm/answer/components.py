"""A picture of a map of vectors: their three main directions (PCA) as red, green and blue.  n places · d features"""

from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image
from rasterio.windows import Window

from rsfm.data.reading.geotiff import reading
from rsfm.data.reading.opening import open_raster
from rsfm.data.writing.atomic import written_whole
from rsfm.errors import UserError

SAMPLE, ROWS, LARGEST = 20_000, 64, 1600  # places the directions are fitted on, rows read at once, edge of the picture


def write_components(features: Path, path: Path) -> Path:
    """Writes the picture.

    Args:
        features: raster with a feature a band, NaN without data.
        path: of the PNG.

    Raises:
        UserError: fewer than three places have data.
    """
    with reading(features), open_raster(features) as dataset:
        step = max(1, int((dataset.height * dataset.width / SAMPLE) ** 0.5))
        shape = (dataset.count, -(-dataset.height // step), -(-dataset.width // step))
        middle, directions, low, high = main_directions(_vectors(dataset.read(out_shape=shape)))
        parts = []
        for row in range(0, dataset.height, ROWS):
            block = dataset.read(window=Window(0, row, dataset.width, min(ROWS, dataset.height - row)))
            flat = (block.reshape(len(block), -1).T - middle) @ directions.T
            shown = np.nan_to_num(np.clip((flat - low) / np.maximum(high - low, 1e-9), 0, 1))
            parts.append((255 * shown).astype(np.uint8).reshape(*block.shape[1:], 3))
    picture = Image.fromarray(np.concatenate(parts))
    scale = max(1, LARGEST // (4 * max(picture.size)))
    picture = picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
    picture.thumbnail((LARGEST, LARGEST))
    with written_whole(path) as folder:
        picture.save(folder / path.name, format="PNG")
    return path


def main_directions(
    vectors: Float[np.ndarray, "n d"],
) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, "3 d"], Float[np.ndarray, " 3"], Float[np.ndarray, " 3"]]:
    """The mean, the three directions of most variance, and the 2nd and 98th percentile along each; signs are fixed."""
    if len(vectors) < 3 or vectors.shape[1] < 3:
        raise UserError(
            f"Three main directions need three places with data, found {len(vectors)}. Give a larger scene."
        )
    middle = vectors.mean(0)
    directions = np.linalg.svd(vectors - middle, full_matrices=False)[2][:3]
    largest = directions[np.arange(3), np.abs(directions).argmax(1)]
    directions = directions * np.sign(largest)[:, None]
    low, high = np.percentile((vectors - middle) @ directions.T, (2, 98), axis=0)
    return middle, directions, low, high


def _vectors(block: Float[np.ndarray, "d h w"]) -> Float[np.ndarray, "n d"]:
    flat = block.reshape(len(block), -1).T
    return flat[np.isfinite(flat).all(1)]
