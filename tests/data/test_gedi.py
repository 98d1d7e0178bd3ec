"""The chip with sparse numbers: labels of one split never lie beside those of another, what is no label is NaN."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsfm.data.datasets import DATASETS
from rsfm.data.datasets.gedi import APART, BLOCK, EDGES, split_blocks
from rsfm.errors import UserError
from rsfm.types import Record
from tests.data.layouts import write_layout, write_raster

SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def published(published_data: Path) -> dict[str, Record]:
    if not (published_data / "terratorch_gedi").is_dir():
        pytest.skip("no terratorch_gedi in the data folder")
    return {split: DATASETS["gedi_chip"](published_data, split)[0] for split in SPLITS}


@given(st.integers(0, 2**32 - 1), st.floats(0.005, 0.05))
def test_labels_of_two_splits_are_apart(seed: int, share: float) -> None:
    labelled = np.random.default_rng(seed).random((96, 128)) < share
    parts = split_blocks(labelled)
    assert not (sum(parts[split].astype(int) for split in SPLITS) > labelled).any()
    for a, b in combinations(SPLITS, 2):
        here, there = (np.argwhere(parts[split]) for split in (a, b))
        gaps = np.abs(here[:, None] - there[None]).max(-1)
        assert not gaps.size or gaps.min() > APART
        assert not set(map(tuple, here // BLOCK)) & set(map(tuple, there // BLOCK))
    assert max(parts["test"].sum(), parts["val"].sum()) <= 0.2 * labelled.sum()


def test_published_counts_grid_and_values(published: dict[str, Record]) -> None:
    known = {split: np.isfinite(record.value_map.values) for split, record in published.items()}
    assert {split: int(part.sum()) for split, part in known.items()} == {"train": 127, "val": 44, "test": 49}
    assert sum(part.astype(int) for part in known.values()).max() == 1, "no pixel has a label in two splits"
    for split, record in published.items():
        assert f"{known[split].sum()} labelled" in DATASETS["gedi_chip"].info.splits[split]
        seen, grid = record.observations["hls"], record.grid
        assert (grid.crs, grid.transform[0], grid.height, grid.width) == ("EPSG:32614", 30.0, 224, 224)
        assert seen.values.shape == (1, 224, 224, 6) and float(seen.gsd_m) == 30
        assert seen.values.min() >= 0 and seen.values.max() < 1.2 and (seen.values <= 1).mean() > 0.999
        assert seen.valid.mean() > 0.99 and seen.valid[0][known[split]].all()
        bands = seen.values[0][seen.valid[0]]
        blue, green, red, near, swir, _ = np.median(bands, axis=0)
        assert blue < green < red < near < swir, "dry ground with shrubs: the order of the bands that was inferred"
    np.testing.assert_array_equal(*(published[split].observations["hls"].values for split in ("train", "test")))


def test_edges_are_eighths_of_the_training_labels(published: dict[str, Record]) -> None:
    label = published["train"].value_map
    values = label.values[np.isfinite(label.values)]
    assert label.edges == EDGES and EDGES[0] <= values.min() and values.max() <= EDGES[-1]
    assert np.quantile(values, np.linspace(0, 1, 9)[1:-1]) == pytest.approx(EDGES[1:-1], rel=0.05)
    assert np.bincount(label.class_index[np.isfinite(label.values)], minlength=8).min() >= 10


def test_what_is_nodata_or_overcorrected_is_invalid(tmp_path: Path) -> None:
    record = DATASETS["gedi_chip"](write_layout("gedi_chip", tmp_path), "train")[0]
    invalid = ~record.observations["hls"].valid[0]
    assert invalid[:2, :3].all() and invalid[5, 5] and invalid.sum() == 7


def test_two_grids_are_an_error(tmp_path: Path) -> None:
    root = write_layout("gedi_chip", tmp_path)
    write_raster(root / "terratorch_gedi/regression_test_0_input.tif", np.ones((10, 8, 8), np.float32))
    with pytest.raises(UserError, match=r"is \(8, 8, 10\) .* label \(96, 96\); expected one grid"):
        DATASETS["gedi_chip"](root, "train")[0]
