"""A model whose layers have parameters of their own trains, stops, resumes, is saved and loads as a stacked one does."""

import dataclasses
import shutil
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

import rsfm
from rsfm.commands.train import export
from rsfm.nn.weights import named_parameters
from rsfm.training import loop
from rsfm.training.engine import JitEngine
from rsfm.training.experiment import ExperimentConfig, load_config
from tests.test_installed import ROOT, write_fields
from tests.training.test_experiment import layers_apart


@pytest.fixture
def config(tmp_path: Path) -> ExperimentConfig:
    write_fields(tmp_path / "fields")
    own = load_config(shutil.copy(ROOT / "tests" / "fixtures" / "own_config.py", tmp_path / "mine.py"))
    deep = dataclasses.replace(own.model.encoder, depth=2, remat="dots")
    model = layers_apart(dataclasses.replace(own.model, encoder=deep))
    return dataclasses.replace(own, model=model, train=dataclasses.replace(own.train, stop_after=1))


def test_layers_apart_train_resume_and_load(config: ExperimentConfig, tmp_path: Path) -> None:
    engine = partial(JitEngine, devices=jax.devices()[:1])
    loop.train(config, tmp_path / "run", engine=engine)
    whole = dataclasses.replace(config, train=dataclasses.replace(config.train, stop_after=0))
    trained = loop.train(whole, tmp_path / "run", resume=True, change=True, engine=engine)
    assert trained.last["step"] == 2 and np.isfinite(trained.last["loss"])
    export(trained, tmp_path / "run", "apart", "test")
    saved, loaded = named_parameters(trained.model), named_parameters(rsfm.load(tmp_path / "run" / "model").model)
    assert saved.keys() == loaded.keys() and "encoder.transformer.blocks.1.mlp.up.kernel" in loaded
    for name, param in saved.items():
        np.testing.assert_array_equal(loaded[name][...], param[...], err_msg=name)
