"""Adapters: the model is as it was at first, they train alone, and base + adapter, loaded or merged, give one answer."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file, save_file

from rsfm import cli, pretrained
from rsfm.answer.footprint import open_footprint
from rsfm.answer.maps import scene_map
from rsfm.errors import UserError
from rsfm.nn.linear import Linear
from rsfm.nn.transformer import Transformer, TransformerConfig
from rsfm.nn.weights import named_parameters
from rsfm.processor.plan import legend_plan
from rsfm.training.config import LoraConfig
from rsfm.training.lora import LoraLinear, adapt, merge_adapters, with_base
from rsfm.training.state import frozen_names
from tests.data.layouts import write_layout
from tests.small_checkpoint import make_checkpoint

ROOT = Path(__file__).resolve().parents[2]
X = jax.random.normal(jax.random.key(0), (1, 4, 64))
ALL = jnp.ones((1, 1, 4), bool)


def stack() -> Transformer:
    return Transformer(TransformerConfig(width=64, depth=2, heads=2, mlp_width=64), rngs=nnx.Rngs(0))


def stirred(model: nnx.Module, seed: int = 3) -> nnx.Module:
    """With adapters that do something."""
    state = nnx.state(model, nnx.LoRAParam)
    for i, (_, leaf) in enumerate(nnx.to_flat_state(state)):
        leaf.set_value(0.1 * jax.random.normal(jax.random.key(seed + i), leaf.shape))
    nnx.update(model, state)
    return model


@pytest.mark.parametrize("quantize", ["", "nf4"])
def test_merged_weights_do_what_adapted_layers_do_in_a_scanned_stack(quantize: str) -> None:
    if quantize:
        pytest.importorskip("qwix")
    run = nnx.jit(lambda model, x: model(x, ALL)[0])
    plain, model = stack(), stack()
    adapt(model, LoraConfig(rank=4, targets=("blocks",), quantize=quantize), rngs=nnx.Rngs(1))
    before, at_first = run(plain, X), run(model, X)
    if quantize:  # four bits: near, not equal
        assert 0 < float(jnp.abs(at_first - before).mean()) < 0.2
    else:
        np.testing.assert_array_equal(np.asarray(at_first), np.asarray(before))
    adapted = run(stirred(model), X)
    assert float(jnp.abs(adapted - at_first).max()) > 0.1
    state = nnx.state(plain, nnx.Param)
    for path, leaf in nnx.to_flat_state(state):
        leaf.set_value(jnp.asarray(merge_adapters(model)[".".join(map(str, path))]))
    nnx.update(plain, state)
    np.testing.assert_allclose(np.asarray(run(plain, X)), np.asarray(adapted), atol=1e-5)


def test_the_scale_is_that_of_qwix() -> None:
    qwix = pytest.importorskip("qwix")

    ours = LoraLinear(Linear(64, 8, rngs=nnx.Rngs(0)), LoraConfig(rank=4, alpha=6.0), rngs=nnx.Rngs(1))
    provider = qwix.LoraProvider(module_path=".*", rank=4, alpha=6.0)
    theirs = qwix.apply_lora_to_model(
        nnx.Linear(64, 8, use_bias=False, rngs=nnx.Rngs(0)), provider, X[0], rngs=nnx.Rngs(2)
    )
    stirred(ours)
    ours.kernel.set_value(theirs.kernel[...])
    theirs.kernel_lora_a.set_value(ours.lora_a[...])
    theirs.kernel_lora_b.set_value(ours.lora_b[...])
    np.testing.assert_allclose(np.asarray(ours(X[0])), np.asarray(theirs(X[0])), atol=1e-4)


def test_a_base_is_quantized_as_it_is_read() -> None:
    pytest.importorskip("qwix")
    base = {
        ".".join(map(str, p)): np.asarray(leaf[...]) for p, leaf in nnx.to_flat_state(nnx.state(stack(), nnx.Param))
    }
    config = LoraConfig(rank=2, targets=("blocks.mlp",), quantize="int8")
    model = adapt(stack(), config, rngs=nnx.Rngs(1))
    own = {".".join(map(str, p)): leaf[...] for p, leaf in nnx.to_flat_state(nnx.state(model, nnx.Param))}
    found = with_base(base, own, config)
    assert found.keys() == {name for name in own if not name.endswith((".lora_a", ".lora_b"))}
    for name in found:
        np.testing.assert_array_equal(np.asarray(found[name]), np.asarray(own[name]))


def test_patterns_open_again_what_they_froze() -> None:
    names = ("encoder.a", "encoder.b", "decoder.a")
    assert frozen_names(names, ("*", "!decoder")) == {"encoder.a", "encoder.b"}
    assert frozen_names(names, ("!decoder",), first=names[1:]) == {"encoder.b"}
    with pytest.raises(UserError, match="nothing is left to train"):
        frozen_names(names, ("!decoder", "*"))


def test_what_cannot_be_adapted_is_told() -> None:
    for config, words in (
        (LoraConfig(rank=0), "lora.rank 0: expected 1 or more"),
        (LoraConfig(rank=2, targets=("block",)), "Did you mean 'blocks'"),
        (LoraConfig(rank=2, targets=("blocks",), quantize="nf5"), "Unknown quantization 'nf5'. Did you mean 'nf4'"),
    ):
        with pytest.raises(UserError, match=words):
            adapt(stack(), config, rngs=nnx.Rngs(1))


# --- the command


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint and a prepared data set, both tiny."""
    place = tmp_path_factory.mktemp("finetune")
    make_checkpoint(place / "base")
    data = write_layout("aid_rsicd", place / "data")
    assert cli.main(["data", "prepare", "aid_rsicd", "--data", str(data), "--out", str(place / "prepared")]) == 0
    return place


def finetune(place: Path, *words: str) -> subprocess.CompletedProcess:
    """`rsfm finetune` of the base for three steps, on one device."""
    (prepared,) = [path.parent for path in (place / "prepared").rglob("dataset_info.json")]
    command = [sys.executable, "-m", "rsfm.cli", "finetune", str(place / "base"), "--dataset", str(prepared)]
    options = ["--steps", "3", "--batch-size", "2", "--task", "scene", "--learning-rate", "0.01"]
    environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
    done = subprocess.run([*command, *options, *words], capture_output=True, text=True, cwd=ROOT, env=environment)
    return done


@pytest.fixture(scope="module")
def run(place: Path) -> Path:
    """The folder of a run with adapters, in which the embedding trains in full."""
    done = finetune(place, "--out", str(place / "run"), "--lora", "4", "--freeze", "!decoder.embedding")
    assert done.returncode == 0, done.stderr
    return place / "run"


def test_only_adapters_and_what_was_opened_train(place: Path, run: Path) -> None:
    told = json.loads((run / "trainable.json").read_text())
    trained = [row["name"] for row in told["trainable"]]
    assert {name.split(".")[0] for name in trained} == {"encoder", "decoder"} and "decoder.embedding" in trained
    assert all(name.endswith((".lora_a", ".lora_b")) or name == "decoder.embedding" for name in trained)
    assert sorted(load_file(run / "adapter" / "adapter.safetensors")) == trained
    base, merged = (load_file(folder / "model.safetensors") for folder in (place / "base", run / "model"))
    changed = {name for name in base if (base[name].astype(np.float32) != merged[name]).any()}
    adapted = {name.replace(".lora_b", ".kernel") for name in trained if name.endswith(".lora_b")}
    assert "decoder.embedding" in changed and any(name.startswith("decoder.transformer") for name in changed)
    assert changed <= adapted | {"decoder.embedding"}


def map_chances(loaded: pretrained.Pretrained, picture: Path) -> np.ndarray:
    """Probabilities of two classes, whatever the checkpoint was taught."""
    plan = legend_plan(loaded.processor.config, ("water", "trees"))
    footprint = open_footprint([picture], sensors=["aerial_rgb"])
    found = scene_map(loaded.model, loaded.processor, footprint, plan, probability=True).probability
    assert found is not None
    return found


def test_adapter_and_merged_checkpoint_predict_the_same(place: Path, run: Path) -> None:
    picture = next((place / "data").rglob("*.jpg"))
    folders = (place / "base", run / "adapter", run / "model")
    base, adapter, merged = (map_chances(pretrained.load(folder), picture) for folder in folders)
    np.testing.assert_allclose(adapter, merged, atol=1e-5)
    assert np.abs(adapter - base).max() > 1e-4
    found = named_parameters(pretrained.merged(pretrained.load(run / "adapter")).model)
    for name, value in load_file(run / "model" / "model.safetensors").items():
        np.testing.assert_allclose(np.asarray(found[name][...]), value, atol=1e-6)


def test_an_adapter_of_other_weights_is_refused(place: Path, run: Path, tmp_path: Path) -> None:
    adapter = run / "adapter"
    told = json.loads((adapter / "adapter.json").read_text())
    other = tmp_path / "adapter"
    other.mkdir()
    (other / "adapter.safetensors").write_bytes((adapter / "adapter.safetensors").read_bytes())
    cases = {
        "was trained on other weights": {**told, "base": "nano"},
        "its base is not here": {**told, "base": str(tmp_path / "none")},
        "Unknown field 'rnk'. Did you mean 'rank'": {**told, "lora": {"rnk": 4}},
        "expected an adapter's JSON": {"lora": {}},
    }
    for words, data in cases.items():
        (other / "adapter.json").write_text(json.dumps(data))
        with pytest.raises(UserError, match=words):
            pretrained.load(other)
    (other / "adapter.json").write_text(json.dumps(told))
    tensors = load_file(adapter / "adapter.safetensors")
    save_file(dict(list(tensors.items())[1:]), other / "adapter.safetensors")
    with pytest.raises(UserError, match="does not fit its base. Missing"):
        pretrained.load(other)


def test_what_a_pattern_freezes_stays_bit_identical(place: Path) -> None:
    done = finetune(place, "--out", str(place / "frozen"), "--freeze", "encoder", "*.attention.*", "tokenizers")
    assert done.returncode == 0, done.stderr
    base, after = (load_file(folder / "model.safetensors") for folder in (place / "base", place / "frozen" / "model"))
    for name, value in base.items():
        frozen = name.startswith(("encoder.", "tokenizers.")) or ".attention." in name
        same = np.array_equal(value.astype(np.float32), after[name])
        assert same or not frozen, f"{name} moved"
    assert not np.array_equal(base["decoder.embedding"].astype(np.float32), after["decoder.embedding"])


def test_bad_words(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (prepared,) = [path.parent for path in (place / "prepared").rglob("dataset_info.json")]
    words = ["finetune", str(place / "base"), "--dataset", str(prepared), "--out", str(place / "none")]
    for more, told in (
        (["--quantize", "nf4"], "Give their rank, e.g. --lora 8"),
        (["--lora", "4", "--lora-targets", "decodr"], "Did you mean 'decoder'"),
        (["--lora", "4", "--freeze", "!decodr"], "train.freeze matches no parameter"),
    ):
        assert cli.main([*words, *more]) == 2
        assert told in capsys.readouterr().err
    assert not (place / "none").exists()


def test_a_checkpoint_of_an_adapted_model_has_them_merged(place: Path, tmp_path: Path) -> None:
    """What `rsfm train` leaves after a run with adapters is a plain checkpoint."""
    loaded = pretrained.load(place / "base")
    stirred(adapt(loaded.model, LoraConfig(rank=2, targets=("decoder",)), rngs=nnx.Rngs(1)))
    expected = merge_adapters(loaded.model)
    folder = pretrained.save_checkpoint(tmp_path / "model", loaded.model, loaded.processor, card="", dtype="float32")
    found = named_parameters(pretrained.load(folder).model)
    assert found.keys() == expected.keys() == named_parameters(pretrained.load(place / "base").model).keys()
    for name, value in expected.items():
        np.testing.assert_allclose(np.asarray(found[name][...]), value, rtol=1e-6)


def test_adapters_beside_a_quantized_base(place: Path) -> None:
    """QLoRA from the command line: only adapters train, and adapter and merged checkpoint answer alike."""
    pytest.importorskip("qwix")
    few = ["--lora-targets", "decoder.transformer.blocks.mlp"]  # each shape quantized is a compilation
    done = finetune(place, "--out", str(place / "quantized"), "--lora", "4", "--quantize", "nf4", *few)
    assert done.returncode == 0, done.stderr
    told = json.loads((place / "quantized" / "trainable.json").read_text())
    assert all(row["name"].endswith((".lora_a", ".lora_b")) for row in told["trainable"])
    assert any(row["name"].endswith(".kernel_codes") for row in told["frozen"])
    picture = next((place / "data").rglob("*.jpg"))
    adapter, merged = (
        map_chances(pretrained.load(place / "quantized" / part), picture) for part in ("adapter", "model")
    )
    np.testing.assert_allclose(adapter, merged, atol=1e-5)
