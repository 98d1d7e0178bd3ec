"""Towers give what transformers and open_clip give for the same random weights, at every size of picture; and back out."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file, save_file

from rsfm.config import from_json, to_json
from rsfm.errors import UserError
from rsfm.models.hf.vision_inflate import inflate, patch_embedding
from rsfm.models.hf.vision_load import load_towers, save_towers
from rsfm.models.published.towers import Towers
from rsfm.models.towered import ToweredConfig, ToweredTokenizer
from rsfm.nn.weights import load_weights, save_weights
from rsfm.tokenizers.spectral import SpectralConfig, SpectralTokenizer
from rsfm.types import Observation
from tests.models.towers_reference import MODELS, inputs, read, reference
from tests.observations import make


def saved(folder, config: dict, tensors: dict[str, np.ndarray]):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(tensors, folder / "model.safetensors")
    return folder


def outputs(model) -> list[np.ndarray]:
    pictures, ids = inputs()
    if isinstance(model, Towers):
        run = nnx.jit(lambda m, picture: m(picture, jnp.asarray(ids)))
    else:
        run = nnx.jit(lambda m, picture: m(picture)[0])
    return [np.asarray(run(model, jnp.asarray(picture))) for picture in pictures]


@pytest.fixture(scope="module", params=MODELS)
def tower(request, tmp_path_factory):
    config, tensors, expected = read(request.param)
    folder = saved(tmp_path_factory.mktemp(request.param), config, tensors)
    return request.param, *load_towers(folder), tensors, expected


def test_recorded_outputs(tower):
    """Logits of both towers, or all tokens of one: at the trained size and at an oblong one."""
    _, model, _, _, expected = tower
    for ours, theirs in zip(outputs(model), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_every_tensor_is_accounted_for(tower):
    _, _, report, tensors, _ = tower
    assert not report.missing and not report.unexpected and len(report.loaded) > 20
    assert report.table().splitlines()[-1].endswith(f"{len(report.loaded)} loaded, 0 missing, 0 unexpected, 0 resized")


def test_export_is_the_published_layout(tower, tmp_path):
    _, model, _, tensors, _ = tower
    save_towers(tmp_path, model)
    back = load_file(tmp_path / "model.safetensors")
    assert back.keys() == tensors.keys() - {"embeddings.mask_token"}
    for name, value in back.items():
        np.testing.assert_array_equal(value, tensors[name], err_msg=name)
    again, _ = load_towers(tmp_path)
    assert again.config == model.config


@pytest.mark.parity
@pytest.mark.parametrize("name", MODELS)
def test_live(name, tmp_path):
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config, tensors, expected = reference(name)
    model, _ = load_towers(saved(tmp_path / "in", config, tensors))
    for ours, theirs in zip(outputs(model), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    save_towers(tmp_path / "out", model)
    theirs = getattr(transformers, f"{MODELS[name][0]}Model").from_pretrained(tmp_path / "out")
    for key, value in theirs.state_dict().items():
        if "mask_token" not in key:
            assert np.isfinite(value.numpy()).all(), key


def test_openai_layout_is_open_clips(tmp_path):
    _, tensors, expected = read("openclip")
    save_file(tensors, tmp_path / "remote.safetensors")
    model, report = load_towers(tmp_path / "remote.safetensors")
    pictures, ids = inputs()
    logits = nnx.jit(lambda m, *args: m(*args))(model, jnp.asarray(pictures[0]), jnp.asarray(ids))
    np.testing.assert_allclose(logits, expected[0], atol=1e-4)
    assert not report.unexpected


def test_weights_and_config_that_disagree_are_told(tmp_path):
    config, tensors, _ = read("dinov2")
    with pytest.raises(UserError, match="embeddings.position_embeddings: expected .* found .* disagree"):
        load_towers(saved(tmp_path / "a", config | {"image_size": 32}, tensors))
    lacking = {name: value for name, value in tensors.items() if name != "layernorm.bias"}
    with pytest.raises(UserError, match="missing layernorm.bias"):
        load_towers(saved(tmp_path / "b", config, lacking))
    with pytest.raises(UserError, match="unexpected decoder.extra"):
        load_towers(saved(tmp_path / "c", config, tensors | {"decoder.extra": np.zeros(1, np.float32)}))
    _, report = load_towers(tmp_path / "c", allow=("decoder.*",))
    assert report.unexpected == ("decoder.extra",)
    with pytest.raises(UserError, match="Unknown picture model .* Did you mean 'dinov2'"):
        load_towers(saved(tmp_path / "d", config | {"model_type": "dinov1"}, tensors))


def test_a_picture_that_does_not_divide_and_a_text_too_long_are_told(tmp_path):
    config, tensors, _ = read("clip")
    model, _ = load_towers(saved(tmp_path, config, tensors))
    with pytest.raises(UserError, match="18 x 16 picture does not divide into patches of 4"):
        model.embed_pictures(jnp.zeros((1, 18, 16, 3)))
    with pytest.raises(UserError, match="13 tokens, 3 over the 10"):
        model.embed_sentences(jnp.zeros((1, 13), jnp.int32))


WIDE_UM = {"center_um": (0.65, 0.55, 0.46), "width_um": (0.1, 0.09, 0.08)}  # a camera's bands overlap


@pytest.mark.parametrize("bands", [{}, WIDE_UM], ids=["sentinel2", "camera"])
def test_an_inflated_tokenizer_gives_the_same_tokens(bands, tmp_path, rng):
    config, tensors, _ = read("dinov2")
    tower, _ = load_towers(saved(tmp_path, config, tensors))
    tokenizer = SpectralTokenizer(SpectralConfig(patch=4), 16, rngs=nnx.Rngs(3))
    gain, offset = (1.1, 0.9, 1.2), (0.1, -0.2, 0.0)
    inflate(tokenizer, *patch_embedding(tower), gain=gain, offset=offset, **bands)
    picture = rng.normal(size=(2, 16, 16, 3)).astype(np.float32)
    order = np.array([2, 0, 1])  # the order of the bands never matters
    place = bands or {"center_um": (0.665, 0.56, 0.49), "width_um": (0.03, 0.035, 0.065)}
    observation = Observation(
        values=jnp.asarray(picture[:, None][..., order]),
        valid=jnp.ones((2, 1, 16, 16), bool),
        band_valid=jnp.ones((2, 1, 3), bool),
        wavelength_um=jnp.asarray([np.array(place["center_um"])[order]] * 2, jnp.float32),
        bandwidth_um=jnp.asarray([np.array(place["width_um"])[order]] * 2, jnp.float32),
        band_code=jnp.zeros((2, 3), jnp.int32),
        time_days=jnp.full((2, 1), 8000.0),
        gsd_m=jnp.ones(2),
    )
    kernel, bias = patch_embedding(tower)
    seen = picture * np.array(gain, np.float32) + np.array(offset, np.float32)
    cells = seen.reshape(2, 4, 4, 4, 4, 3).transpose(0, 1, 3, 2, 4, 5).reshape(2, 16, -1)
    expected = cells @ kernel.reshape(-1, 16) + bias
    np.testing.assert_allclose(jax.jit(tokenizer)(observation).embeddings, expected, atol=1e-4)


def test_a_published_tower_feeds_a_stream(tmp_path):
    """Its weights go in as a part of a model, by name."""
    config, tensors, _ = read("dinov3")
    tower, _ = load_towers(saved(tmp_path, config, tensors))
    save_weights(tmp_path / "tower.safetensors", tower, dtype="float32")
    towered = ToweredConfig(patch=8, tower=tower.config)
    assert from_json(ToweredConfig, to_json(towered)) == towered
    tokenizer = ToweredTokenizer(towered, 16, rngs=nnx.Rngs(0))
    load_weights(tmp_path / "tower.safetensors", tokenizer.pyramid.tower)
    tokens = tokenizer(make(b=1, size=16))
    assert tokens.embeddings.shape == (1, 4, 16) and np.isfinite(tokens.embeddings).all()
    seen = tokenizer.render(make(b=1, size=16))[:, 0]
    expected = tower(seen)[0][:, -16:].reshape(1, 4, 4, 16)
    np.testing.assert_allclose(tokenizer.pyramid(seen), expected, atol=1e-5)
    with pytest.raises(UserError, match="a tower or a pyramid"):
        ToweredTokenizer(dataclasses.replace(towered, pyramid=True), 16, rngs=nnx.Rngs(0))


def test_what_cannot_be_inflated_is_told():
    tokenizer = SpectralTokenizer(SpectralConfig(patch=4, groups=2), 16, rngs=nnx.Rngs(0))
    with pytest.raises(UserError, match="one group.* found groups=2"):
        inflate(tokenizer, np.zeros((4, 4, 3, 16)), np.zeros(16))
