"""A published picture tower starts a stream by one line of the config: its patch embedding inflated, or the whole of it."""

import dataclasses
import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from safetensors.numpy import save_file

from rsfm.config import from_json, to_json
from rsfm.errors import UserError
from rsfm.models.foundation import ModelConfig
from rsfm.models.hf.vision_inflate import RGB_WIDTH_UM, patch_embedding
from rsfm.models.hf.vision_load import load_towers, picture_config
from rsfm.sensors.display import RED_GREEN_BLUE_UM
from rsfm.tokenizers.spectral import resize_kernel
from rsfm.training.experiment import ExperimentConfig, check_initial, make_build, with_initial_weights
from rsfm.training.state import TrainState, create_state, merge, model_arrays
from rsfm.types import Observation
from tests.models.towers_reference import read
from tests.small_checkpoint import small_config


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DINOv2 16 wide with patches of 4 pixels, as transformers saves it."""
    folder = tmp_path_factory.mktemp("dinov2")
    config, tensors, _ = read("dinov2")
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(tensors, folder / "model.safetensors")
    return folder


def small_model(tokenizer: str, options: dict) -> ModelConfig:
    model = small_config()
    stream = dataclasses.replace(model.streams["optical"], tokenizer=tokenizer, options=options)
    stream = dataclasses.replace(stream, spec=dataclasses.replace(stream.spec, size=16, patch=8))
    return dataclasses.replace(
        model, streams={"optical": stream}, encoder=dataclasses.replace(model.encoder, width=16, head_dim=8)
    )


def experiment(model: ModelConfig, **towers: str) -> ExperimentConfig:
    named = {part.replace("__", "."): name for part, name in towers.items()}
    return ExperimentConfig(name="t", model=model, data=(), init_towers=named)


def new_state(config: ExperimentConfig) -> TrainState:
    return create_state(make_build(config), optax.identity())


def test_a_patch_embedding_is_inflated(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three bands give the tower's own tokens; the table says what was read, resized, missing and left out."""
    config = experiment(small_model("spectral", {}), tokenizers__optical=str(folder))
    assert from_json(ExperimentConfig, to_json(config)) == config
    check_initial(config)
    before = new_state(config)
    state = with_initial_weights(config, before)
    told = capsys.readouterr().out
    assert "resized     kernel" in told and "4 -> 8 pixels a side" in told
    assert "loaded      kernel" in told and "patch_embeddings.projection.weight" in told
    assert "missing     coverage.kernel" in told and "2 loaded, " in told.splitlines()[-1]
    old, new = model_arrays(before), model_arrays(state)
    changed = {name for name in old if not np.array_equal(old[name], new[name])}
    assert {name.rpartition("tokenizers.optical.")[0] for name in changed} == {""}, "all else is as drawn"
    values = np.random.default_rng(0).normal(size=(1, 1, 16, 16, 3)).astype(np.float32)
    observation = Observation(
        values=jnp.asarray(values),
        valid=jnp.ones((1, 1, 16, 16), bool),
        band_valid=jnp.ones((1, 1, 3), bool),
        wavelength_um=jnp.asarray([RED_GREEN_BLUE_UM], jnp.float32),
        bandwidth_um=jnp.asarray([RGB_WIDTH_UM], jnp.float32),
        band_code=jnp.zeros((1, 3), jnp.int32),
        time_days=jnp.full((1, 1), 8000.0),
        gsd_m=jnp.ones(1),
    )
    kernel, bias = patch_embedding(load_towers(folder)[0])
    kernel = np.asarray(resize_kernel(jnp.asarray(kernel[None]), 8))[0]
    cells = values.reshape(2, 8, 2, 8, 3).transpose(0, 2, 1, 3, 4).reshape(1, 4, -1)
    tokens = merge(state).tokenizers["optical"](observation).embeddings
    np.testing.assert_allclose(tokens, cells @ kernel.reshape(-1, 16) + bias, atol=1e-4)


def test_a_whole_tower_goes_into_a_towered_stream(folder: Path) -> None:
    options = {"tower": to_json(picture_config(folder))}
    config = experiment(small_model("towered", options), tokenizers__optical__pyramid__tower=str(folder))
    check_initial(config)
    tower = merge(with_initial_weights(config, new_state(config))).tokenizers["optical"].pyramid.tower
    picture = jnp.asarray(np.random.default_rng(0).normal(size=(1, 16, 16, 3)), jnp.float32)
    read_it = nnx.jit(lambda m, x: m(x)[0])
    np.testing.assert_array_equal(read_it(tower, picture), read_it(load_towers(folder)[0], picture))


def test_towers_that_do_not_fit_are_told(folder: Path) -> None:
    model = small_model("spectral", {})
    with pytest.raises(UserError, match="no place 'tokenizers.sar' for a tower. Known: tokenizers.optical"):
        check_initial(experiment(model, tokenizers__sar=str(folder)))
    wide = dataclasses.replace(model, encoder=dataclasses.replace(model.encoder, width=32))
    with pytest.raises(UserError, match="16 wide, the encoder 32. Set --model.encoder.width 16"):
        check_initial(experiment(wide, tokenizers__optical=str(folder)))
    config = picture_config(folder)
    other = {"tower": to_json(dataclasses.replace(config, size=32))}
    with pytest.raises(UserError, match="another tower than tokenizers.optical.pyramid.tower holds"):
        check_initial(experiment(small_model("towered", other), tokenizers__optical__pyramid__tower=str(folder)))
    with pytest.raises(UserError, match="no such folder"):
        check_initial(experiment(model, tokenizers__optical="absent"))
