"""No place, no ground and no block of pixels is in two splits: of every data set that is in the data folder.

n records or blocks · h w pixels · c bands
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Shaped
from rasterio.warp import transform_bounds

from rsfm.data.datasets import DATASETS, Dataset, EmptySplit
from rsfm.errors import UserError
from rsfm.types import GeoGrid, Record
from tests.data.test_datasets import pairs_apart

BLOCK = 8  # pixels
PLAIN_STEPS = (
    24  # a block with fewer steps between neighbours of a row may come about twice: a roof, a lake, a white cloud
)
# One picture, seen whole in every split: what must not be shared are its labelled pixels.
ONE_PICTURE = ("indian_pines", "gedi_chip")
MIX = np.random.default_rng(0).integers(1, 2**62, 4096).astype(np.uint64) * np.uint64(2) + np.uint64(1)


def opened(name: str, root: Path) -> dict[str, Dataset]:
    """The splits that must be apart."""
    found = {}
    for split in {split for pair in pairs_apart(DATASETS[name].info.splits) for split in pair}:
        with contextlib.suppress(EmptySplit):
            found[split] = DATASETS[name](root, split)
    return found


def rectangle(grid: GeoGrid, crs: str | None) -> tuple[float, float, float, float]:
    """(left, bottom, right, top) of a north-up grid, in another CRS."""
    a, _, c, _, e, f = grid.transform
    box = (c, f + e * grid.height, c + a * grid.width, f)
    return box if crs == grid.crs or crs is None else transform_bounds(grid.crs, crs, *box)


def overlap(one: GeoGrid, other: GeoGrid) -> bool:
    """Whether two grids share more than a hundredth of a pixel; grids without CRS are never compared."""
    if one.crs is None or other.crs is None:
        return False
    a, b = rectangle(one, one.crs), rectangle(other, one.crs)
    slack = abs(one.transform[0]) * 0.01
    return min(a[2], b[2]) - max(a[0], b[0]) > slack and min(a[3], b[3]) - max(a[1], b[1]) > slack


def pixels(record: Record) -> Iterator[Shaped[np.ndarray, "h w c"]]:
    """The bands of each date of each stream; a series of single pixels as one."""
    for name, seen in record.observations.items():
        small = min(seen.values.shape[1:3]) < BLOCK
        for values in seen.values.reshape(1, 1, 1, -1) if small else seen.values:
            if name != "elevation":
                yield np.ascontiguousarray(values)


def hashed(values: Shaped[np.ndarray, "*n k"]) -> Shaped[np.ndarray, "*n"]:
    """One 64-bit number of each row's bytes."""
    words = np.ascontiguousarray(values, np.float32).view(np.uint32).astype(np.uint64)
    total = np.zeros(words.shape[:-1], np.uint64)
    for k in range(words.shape[-1]):
        total = (total ^ (words[..., k] * MIX[k % len(MIX)])) * MIX[(k + 7) % len(MIX)]
        total ^= total >> np.uint64(29)
    return total


def windows(numbers: Shaped[np.ndarray, "h w"], weight: tuple[int, int]) -> Shaped[np.ndarray, "_ _"]:
    """The sums over all blocks of a grid, pixels weighted by powers of two odd numbers, 1 for a plain sum."""
    size, (across, down) = BLOCK - 1, (np.uint64(each) for each in weight)
    h, w = (n - size for n in numbers.shape)
    rows = np.zeros((numbers.shape[0], w), np.uint64)
    for k in range(BLOCK):
        rows = rows * across + numbers[:, k : k + w]
    total = np.zeros((h, w), np.uint64)
    for k in range(BLOCK):
        total = total * down + rows[k : k + h]
    return total


def blocks(picture: Shaped[np.ndarray, "h w c"], step: int) -> Shaped[np.ndarray, " n"]:
    """Numbers of the blocks at every `step` pixels that are too rich in values to come about twice."""
    h, w, c = picture.shape
    if h < BLOCK or w < BLOCK:
        return hashed(picture.reshape(1, -1))  # a series or a spectrum: as a whole
    grey = hashed(picture)  # one number a pixel
    steps = np.zeros((h, w), np.uint64)
    steps[:, :-1] = grey[:, 1:] != grey[:, :-1]
    rich = windows(steps, (1, 1)) >= PLAIN_STEPS
    return windows(grey, (int(MIX[0]), int(MIX[1])))[::step, ::step][rich[::step, ::step]]


def labelled(record: Record) -> Shaped[np.ndarray, " n"]:
    """Numbers of the spectra of the labelled pixels."""
    known = record.mask.class_index >= 0 if record.mask else np.isfinite(record.value_map.values)
    return np.concatenate([hashed(picture[known]) for picture in pixels(record)])


def numbers(name: str, dataset: Dataset, step: int) -> Shaped[np.ndarray, " n"]:
    """All blocks of a split."""
    if name in ONE_PICTURE:
        return np.unique(np.concatenate([labelled(record) for record in dataset]))
    return np.unique(np.concatenate([blocks(picture, step) for record in dataset for picture in pixels(record)]))


@pytest.mark.data
@pytest.mark.parametrize("name", sorted(set(DATASETS) - {"geotiff_folder"}))
def test_splits_share_no_place_no_ground_and_no_pixels(name: str, published_data: Path) -> None:
    if not (published_data / DATASETS[name].info.folder).is_dir():
        pytest.skip(f"no {DATASETS[name].info.folder} in the data folder")
    try:
        splits = opened(name, published_data)
    except UserError as error:
        pytest.skip(f"{name}: {error}")
    coarse: dict[str, np.ndarray] = {}
    fine: dict[str, np.ndarray] = {}
    compared = set()
    for a, b in pairs_apart(splits):
        groups = [frozenset(splits[s].group(i) for i in range(len(splits[s]))) for s in (a, b)]
        assert not groups[0] & groups[1], (a, b)
        if tuple(groups) in compared:
            continue  # the same places with another kind of label
        compared.add(tuple(groups))
        if name not in ONE_PICTURE and len(splits[a]) + len(splits[b]) < 1000:
            grids = [[r.grid for r in splits[s] if r.grid is not None] for s in (a, b)]
            assert not any(overlap(one, other) for one in grids[0] for other in grids[1]), (a, b)
        if a not in coarse:
            coarse[a] = numbers(name, splits[a], BLOCK)
        if b not in fine:
            fine[b] = numbers(name, splits[b], 1)
        shared = np.intersect1d(coarse[a], fine[b])
        assert not len(shared), f"{name}: {len(shared)} blocks of pixels are in {a} and in {b}"


def test_a_shared_strip_is_seen() -> None:
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 3000, (40, 60, 4)).astype(np.float32)
    west, east, elsewhere = ground[:, :40], ground[3:, 27:], rng.integers(0, 3000, (40, 40, 4)).astype(np.float32)
    assert len(np.intersect1d(blocks(west, BLOCK), blocks(east, 1))) == 4, (
        "one column of blocks of the 13 shared columns"
    )
    assert not len(np.intersect1d(blocks(west, BLOCK), blocks(elsewhere, 1)))
    assert not len(blocks(np.ones((20, 20, 3), np.float32), 1)), "a plain block says nothing"
    near = GeoGrid(crs="EPSG:32633", transform=(10.0, 0.0, 500_000.0, 0.0, -10.0, 5_000_000.0), height=20, width=20)
    for shift, expected in ((190, True), (200, False)):
        other = GeoGrid(
            crs="EPSG:32633", transform=(10.0, 0.0, 500_000.0 + shift, 0.0, -10.0, 5_000_000.0), height=20, width=20
        )
        assert overlap(near, other) == expected == overlap(other, near)
