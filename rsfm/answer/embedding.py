"""What the encoder makes of a scene, for one's own search, clusters and classifiers: a vector a place, or one a picture.

r s places down and right, a patch of the tokenizer each · d width of the encoder
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float

from rsfm.answer.batches import stack
from rsfm.answer.footprint import Footprint
from rsfm.errors import UserError
from rsfm.heads.scene.blending import StripBlender
from rsfm.heads.scene.tiling import Tiling
from rsfm.models.foundation import FoundationModel
from rsfm.processor import Processor
from rsfm.tasks.captioning import QUESTIONS
from rsfm.types import GeoGrid, Record, Sample, Tokens


@dataclasses.dataclass(frozen=True, kw_only=True)
class Embedding:
    """Features of a scene.

    Attributes:
        features: of each place, NaN without data.
        grid: of the places; None for a picture without one.

    The places most like one of them, and clusters of all:

    >>> unit = embedding.features / np.linalg.norm(embedding.features, axis=-1, keepdims=True)
    >>> alike = unit @ unit[10, 12]
    >>> clusters = sklearn.cluster.KMeans(8).fit_predict(np.nan_to_num(unit).reshape(-1, unit.shape[-1]))
    """

    features: Float[np.ndarray, "r s d"]
    grid: GeoGrid | None

    @property
    def vector(self) -> Float[np.ndarray, " d"]:
        """The mean over all places with data."""
        return np.nanmean(self.features.reshape(-1, self.features.shape[-1]), axis=0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Places:
    """The places of a scene, before their features are made.

    Attributes:
        rows, columns: places down and right.
        width: d.
        patch: pixels of the scene a place is wide and high.
        grid: of the places.
    """

    rows: int
    columns: int
    width: int
    patch: int
    grid: GeoGrid | None


def embed(model: FoundationModel, processor: Processor, footprint: Footprint, **options: Any) -> Embedding:
    """All features of a scene in memory; see `strips`."""
    places, rows = strips(model, processor, footprint, **options)
    return Embedding(features=np.concatenate([np.moveaxis(part, 0, -1) for _, part in rows]), grid=places.grid)


def strips(
    model: FoundationModel, processor: Processor, footprint: Footprint, *, overlap: float = 0.25, batch_size: int = 8
) -> tuple[Places, Iterator[tuple[int, Float[np.ndarray, "d r s"]]]]:
    """The features of a scene of any size, some rows of places at a time, at bounded memory.

    Args:
        model, processor: of one checkpoint.
        footprint: the scene.
        overlap: least share of a window's edge that neighbours have in common; there they are blended.
        batch_size: windows to run at once.

    Returns:
        The places, and an iterator over (first row, features of finished rows).

    Raises:
        UserError: single pixels over time, which have one vector and no map.
    """
    size = processor.stream_size(footprint.read((0, 0, 2, 2)))
    if size < 2:
        raise UserError("A series of single pixels has one vector and no map of them. Write a table: --out emb.parquet")
    seen, _ = _features(model, processor, [footprint.read((0, 0, size, size))], 1)
    side = seen.shape[1]
    patch = size // side
    rows, columns = math.ceil(footprint.height / patch), math.ceil(footprint.width / patch)
    places = Places(
        rows=rows,
        columns=columns,
        width=seen.shape[-1],
        patch=patch,
        grid=_coarser(footprint.grid, patch, rows, columns),
    )
    tiling = Tiling(height=rows, width=columns, size=side, overlap=overlap)
    return places, _strips(model, processor, footprint, tiling, places, tiling.batch_size(batch_size))


def _strips(
    model: FoundationModel, processor: Processor, footprint: Footprint, tiling: Tiling, places: Places, batch: int
) -> Iterator[tuple[int, Float[np.ndarray, "d r s"]]]:
    """Features and, as one more layer, how much of each place's weight had data: a place is a mean over those windows."""
    blender, pixels = StripBlender(tiling, places.width + 1), tiling.size * places.patch
    for i, columns in tiling.batches(batch):
        starts = [(tiling.rows[i] * places.patch, tiling.columns[j] * places.patch) for j in columns]
        windows = [footprint.read((top, left, pixels, pixels)) for top, left in starts]
        values, there = _features(model, processor, windows, batch)
        layers = np.concatenate([np.where(there[..., None], values, 0), there[..., None]], axis=-1)
        for j, layer in zip(columns, layers, strict=True):
            blender.add(i, j, np.moveaxis(layer, -1, 0))
        if columns[-1] == len(tiling.columns) - 1:
            first, done = blender.finish(i)
            with np.errstate(invalid="ignore", divide="ignore"):
                yield first, np.where(done[-1] > 0, done[:-1] / done[-1], np.nan).astype(np.float32)


def picture_vector(model: FoundationModel, processor: Processor, footprint: Footprint) -> Float[np.ndarray, " d"]:
    """One vector of a whole picture, made smaller where it is larger than a window, as for questions about all of it."""
    size = processor.stream_size(footprint.read((0, 0, 2, 2)))
    sample = processor.prompt(footprint.overview(max(size, 1)), QUESTIONS[0])
    return np.asarray(_mean(model, stack([sample])))[0]


def _features(
    model: FoundationModel, processor: Processor, windows: list[Record], batch: int
) -> tuple[Float[np.ndarray, "n r s d"], Bool[np.ndarray, "n r s"]]:
    """Features of up to `batch` windows, padded to that many so that one compilation serves all."""
    samples = [processor.prompt(window, QUESTIONS[0]) for window in windows]
    values, there = _placed(model, stack(samples + samples[:1] * (batch - len(samples))))
    return np.asarray(values, np.float32)[: len(windows)], np.asarray(there)[: len(windows)]


@nnx.jit
def _placed(model: FoundationModel, sample: Sample) -> tuple[Float[Array, "b r s d"], Bool[Array, "b r s"]]:
    """The mean over dates, and over the streams with the most places, of their tokens that have data."""
    tokens, _ = model.encode(sample.observations, sample.location_deg)
    grids = {name: each.grid[1:] for name, each in tokens.items() if each.grid is not None and name != "location"}
    finest = max(grids.values(), key=lambda grid: grid[0] * grid[1])
    total, weight = jnp.zeros(()), jnp.zeros(())
    for name in sorted(name for name, grid in grids.items() if grid == finest):
        values, there = _laid_out(tokens[name])
        total, weight = total + (values * there[..., None]).sum(1), weight + there.sum(1)
    return total / jnp.maximum(weight, 1)[..., None], weight > 0


def _laid_out(tokens: Tokens) -> tuple[Float[Array, "b t r s d"], Float[Array, "b t r s"]]:
    assert tokens.grid is not None
    shape = (tokens.mask.shape[0], *tokens.grid)
    return tokens.embeddings.astype(jnp.float32).reshape(*shape, -1), tokens.mask.astype(jnp.float32).reshape(shape)


@nnx.jit
def _mean(model: FoundationModel, sample: Sample) -> Float[Array, "b d"]:
    """The mean over all tokens of all streams that have data."""
    tokens, _ = model.encode(sample.observations, sample.location_deg)
    parts = [each for name, each in sorted(tokens.items()) if name != "location"]
    values = jnp.concatenate([each.embeddings.astype(jnp.float32) for each in parts], axis=1)
    there = jnp.concatenate([each.mask for each in parts], axis=1)[..., None]
    return jnp.where(there, values, 0).sum(1) / jnp.maximum(there.sum(1), 1)


def _coarser(grid: GeoGrid | None, patch: int, rows: int, columns: int) -> GeoGrid | None:
    """The grid of the places: the same corner, pixels `patch` times as large."""
    if grid is None:
        return None
    a, b, c, d, e, f = grid.transform
    return GeoGrid(
        crs=grid.crs, transform=(a * patch, b * patch, c, d * patch, e * patch, f), height=rows, width=columns
    )
