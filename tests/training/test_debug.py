"""Configs are found by name; debug learns its synthetic task in float32 and in bfloat16."""

from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

from rsfm.config import from_json, to_json
from rsfm.errors import UserError
from rsfm.training.engine import JitEngine
from rsfm.training.experiment import (
    CONFIGS,
    ExperimentConfig,
    load_config,
    load_module,
    make_build,
    make_processor,
    open_batches,
)
from rsfm.training.log import read_rows
from rsfm.training.loop import train
from rsfm.training.optimizer import abstract_model
from rsfm.training.overrides import apply_overrides

NAMES = sorted(path.stem for path in CONFIGS.glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", NAMES)
def test_every_config_goes_to_json_and_back_and_builds(name: str) -> None:
    config = load_config(name)
    assert from_json(ExperimentConfig, to_json(config)) == config
    abstract_model(make_build(config))


def test_unknown_config() -> None:
    with pytest.raises(UserError, match="Unknown config 'debgu'. Did you mean 'debug'"):
        load_config("debgu")


def test_synthetic_labels_are_functions_of_the_pixels() -> None:
    data = load_module(CONFIGS / "debug.py").Textures(Path(), "train")
    record = data[3]
    pixels = record.observations["aerial_rgb"].values[0]
    assert record.scene == ("red", "green", "blue")[pixels.mean((0, 1)).argmax()]
    assert record.values[0].value == pytest.approx(100 * pixels.mean(), rel=1e-4)
    assert ((pixels.mean(-1) < 0.5) == (record.mask.class_index == 1)).all()
    assert (data[3].observations["aerial_rgb"].values == record.observations["aerial_rgb"].values).all()


def test_hosts_read_parts_of_the_same_batch() -> None:
    config = load_config("debug")
    open_for = open_batches(config, make_processor(config), config.data)
    whole, second = next(open_for(0, 1)), next(open_for(1, 2))
    assert (second.text_ids == whole.text_ids[4:]).all()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_debug_learns(dtype: str, tmp_path: Path) -> None:
    alone = partial(JitEngine, devices=jax.devices()[:1])  # compiles faster
    config = apply_overrides(load_config("debug"), ["--train.steps", "10", "--model.compute_dtype", dtype])
    trained = train(config, tmp_path / "run", engine=alone)
    rows = read_rows(tmp_path / "run" / "metrics.jsonl")
    assert len(rows) == 10 and rows[-1]["compiled"] == 1 and rows[-1]["skipped"] == 0
    for name in ("loss", "loss_text", "loss_value", "loss_mask"):
        assert np.isfinite([row[name] for row in rows]).all()
        assert sum(row[name] for row in rows[-3:]) < sum(row[name] for row in rows[:3])
    assert {leaf.dtype for leaf in jax.tree.leaves((trained.state.params, trained.state.optimizer[1].mu))} == {
        np.dtype("float32")
    }
