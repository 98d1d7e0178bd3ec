"""The probe reads frozen features of pictures and pixels, and the labels it is given are a share of those there are."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import probe
from rsfm.data.datasets import DATASETS
from rsfm.pytree import replace
from rsfm.scoring.results import read_rows
from rsfm.training.experiment import load_config, make_processor
from tests.data.layouts import write_layout
from tests.small_checkpoint import make_checkpoint, small_config


@given(st.lists(st.integers(0, 4), min_size=1, max_size=200), st.integers(0, 3))
def test_labels_are_drawn_evenly_over_classes_and_fewer_are_a_part_of_more(classes: list[int], seed: int) -> None:
    held = np.array(classes)
    few, many = (probe.drawn(held, share, seed) for share in (0.05, 0.5))
    assert set(few) <= set(many) and set(held[few]) == set(classes) and len(set(many)) == len(many)
    for each in set(classes):
        assert (held[many] == each).sum() == max(1, round(0.5 * classes.count(each)))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = small_config()
    streams = {**config.streams, "optical": dataclasses.replace(config.streams["optical"], options={})}
    config = dataclasses.replace(config, streams=streams, heads={}, necks={})
    return make_checkpoint(tmp_path_factory.mktemp("small") / "small", config)


def test_a_pixel_has_its_bands_and_the_token_it_lies_in(checkpoint: Path, tmp_path: Path) -> None:
    see = probe.EncoderEye(str(checkpoint))
    record, *_ = probe.firsts(
        DATASETS["hls_worldcover306"](write_layout("hls_worldcover306", tmp_path), "worldcover_val")
    )
    (sensor,) = record.observations
    seen = record.observations[sensor]
    tiles = [replace(seen, values=np.tile(seen.values, (1, 3, 3, 1))[:, :40, :40], valid=np.ones((1, 40, 40), bool))]
    mask = dataclasses.replace(record.mask, class_index=np.zeros((40, 40), np.int64))
    whole = dataclasses.replace(record, observations={sensor: tiles[0]}, mask=mask, grid=None)
    pixels = see.pixels(whole)
    count = seen.values.shape[-1]
    assert pixels.shape == (40, 40, count + 32)
    np.testing.assert_array_equal(pixels[..., :count], probe.bands(whole))
    tokens = pixels[..., count:]  # a window of 32 pixels has tokens of 16
    assert np.ptp(tokens[:16, :16], axis=(0, 1)).max() == 0 and np.ptp(tokens[:17, 0], axis=0).max() > 0
    assert np.ptp(tokens[32:, 32:], axis=(0, 1)).max() == 0


@pytest.mark.parametrize("name", ["hls_worldcover306", "aid_rsicd"])
def test_rows_say_share_and_seeds_and_can_be_read_back(name: str, tmp_path: Path) -> None:
    out = tmp_path / "rows" / "probe.jsonl"
    probe.main(checkpoints=("bands",), datasets=(name,), out=out, data=write_layout(name, tmp_path / "data"))
    rows = read_rows(out.parent)
    assert {row.protocol.rpartition(", ")[2] for row in rows} == {
        "1% of the labels",
        "5% of the labels",
        "10% of the labels",
    }
    assert all(row.seeds == (0, 1, 2) and row.model == "bands" and 0 <= row.value <= 1 for row in rows)


def test_the_config_builds_and_freezes_what_nothing_teaches() -> None:
    config = load_config("pretrain_masked")
    assert {objective for source in config.data for objective in source.objectives} == {"masked"}
    assert not any(source.tasks or "test" in source.split for source in config.data)
    assert "pyramid" not in config.model.streams["optical"].options and make_processor(config).config.streams
