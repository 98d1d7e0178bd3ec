"""Weights of others come in whole, go out as they came, and every way they can be broken is told in one line."""

import dataclasses
import json
import shutil
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, models

from rsfm.errors import UserError
from rsfm.models.decoder import Decoder
from rsfm.models.decoding import for_decoding
from rsfm.models.hf import decoder_config, decoder_tensors, export_decoder, load_decoder
from rsfm.nn.weights import named_parameters
from tests.fixtures.record_decoders import MODELS
from tests.models.test_decoder_parity import RECORDED, both_ways


@pytest.fixture
def llama(tmp_path) -> Path:
    return Path(shutil.copytree(RECORDED / "llama3", tmp_path / "llama"))


def edit_config(folder: Path, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({k: v for k, v in (config | changes).items() if v != "gone"}))


def edit_tensors(folder: Path, change) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def shard(folder: Path) -> None:
    """Cuts the file in two, as large checkpoints come."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names, places = sorted(tensors), {}
    for i, part in enumerate((names[::2], names[1::2])):
        save_file({name: tensors[name] for name in part}, folder / f"model-{i}.safetensors")
        places |= dict.fromkeys(part, f"model-{i}.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


@pytest.mark.parametrize("name", MODELS)
def test_what_goes_out_is_what_came_in(name, tmp_path):
    decoder, report = load_decoder(RECORDED / name)
    export_decoder(decoder, tmp_path / "out", dtype="bfloat16")
    theirs, ours = (load_file(folder / "model.safetensors") for folder in (RECORDED / name, tmp_path / "out"))
    assert theirs.keys() == ours.keys()
    for tensor, value in theirs.items():
        assert ours[tensor].dtype == value.dtype == ml_dtypes.bfloat16
        np.testing.assert_array_equal(ours[tensor], value, err_msg=tensor)
    assert decoder_config(tmp_path / "out") == decoder.config == decoder_config(RECORDED / name)
    assert report.table().endswith(f"{len(report.loaded)} loaded, 0 missing, 0 unexpected, 0 resized")
    assert len(report.loaded) == len(named_parameters(decoder))


def test_shards_are_one_checkpoint(llama):
    whole, _ = load_decoder(RECORDED / "llama3")
    shard(llama)
    again = named_parameters(load_decoder(llama)[0])
    for name, param in named_parameters(whole).items():
        np.testing.assert_array_equal(param[...], again[name][...])


def test_a_model_with_towers_gives_its_language_part(llama):
    inner = json.loads((llama / "config.json").read_text())
    (llama / "config.json").write_text(
        json.dumps({"model_type": "a_vlm", "text_config": inner} | {"tie_word_embeddings": False})
    )
    edit_tensors(llama, lambda t: [t.update({f"language_model.{name}": t.pop(name)}) for name in list(t)])
    edit_tensors(llama, lambda t: t.update({"vision_tower.w": np.zeros(2, np.float32)}))
    with pytest.raises(UserError, match="unexpected vision_tower.w"):
        load_decoder(llama)
    _, report = load_decoder(llama, allow=["vision_tower.*"])
    assert report.unexpected == ("vision_tower.w",) and "left out" in report.table()


def test_a_decoder_laid_out_for_decoding_computes_the_same():
    decoder, _ = load_decoder(RECORDED / "gemma2")
    with np.load(RECORDED / "gemma2" / "reference.npz", allow_pickle=False) as recorded:
        graphdef, params = nnx.split(for_decoding(decoder))
        for ours in both_ways(graphdef, params, recorded["ids"], recorded["valid"]):
            valid = recorded["valid"]
            np.testing.assert_allclose(np.asarray(ours)[valid], recorded["logits"][valid], rtol=0, atol=1e-4)


def test_a_larger_vocabulary_starts_at_the_mean():
    decoder, report = load_decoder(RECORDED / "llama3", vocabulary=100)
    table = np.asarray(decoder.embedding[...])
    assert table.shape == (100, 32) and decoder.config.vocabulary == 100
    np.testing.assert_allclose(table[96:], np.repeat(table[:96].mean(0, keepdims=True), 4, 0), atol=1e-2)
    assert [row[0] for row in report.resized] == ["embedding", "text_head.output.kernel"]
    assert "96 -> 100 rows" in report.table()
    with pytest.raises(UserError, match="has 96 embedding rows, 90 were asked for"):
        load_decoder(RECORDED / "llama3", vocabulary=90)


def test_parameters_for_a_model_that_holds_a_decoder():
    config = decoder_config(RECORDED / "qwen3", vocabulary=99)
    tensors, _ = decoder_tensors(RECORDED / "qwen3", config)
    shapes = named_parameters(nnx.eval_shape(lambda: Decoder(config, rngs=nnx.Rngs(0))))
    assert {name: value.shape for name, value in tensors.items()} == {n: tuple(p.shape) for n, p in shapes.items()}
    with pytest.raises(UserError, match=r"the model's decoder differs in .*qk_norm True \(checkpoint: False\)"):
        decoder_tensors(RECORDED / "llama3", config)


def test_missing_is_allowed_by_name_only(llama):
    edit_tensors(llama, lambda t: t.pop("model.norm.weight"))
    with pytest.raises(UserError, match=r"llama: missing model.norm.weight\. Weights and config.json must be of one"):
        load_decoder(llama)
    decoder, report = load_decoder(llama, allow=["model.norm.*"])
    np.testing.assert_array_equal(decoder.transformer.norm.scale[...], 1)
    assert report.missing == ("transformer.norm.scale",)


BROKEN = {
    "fewer layers in config.json": (lambda f: edit_config(f, num_hidden_layers=2), "unexpected model.layers.2"),
    "more layers in config.json": (lambda f: edit_config(f, num_hidden_layers=4), "missing model.layers.3"),
    "another width": (
        lambda f: edit_config(f, intermediate_size=80),
        r"mlp.down_proj.weight expected shape \(32, 80\) by config.json, found \(32, 64\)",
    ),
    "a vocabulary larger than the embedding": (
        lambda f: edit_config(f, vocab_size=128),
        r"embed_tokens.weight expected shape \(128, 32\) by config.json, found \(96, 32\). A token without a row",
    ),
    "a field gone": (lambda f: edit_config(f, hidden_size="gone"), "config.json lacks hidden_size"),
    "an unknown architecture": (
        lambda f: edit_config(f, model_type="lama"),
        "Unknown architecture .* Did you mean 'llama'",
    ),
    "an unknown stretch": (
        lambda f: edit_config(f, rope_parameters={"rope_type": "yarn", "rope_theta": 1.0}),
        "rope scaling 'yarn' is not supported. Known: default, linear, llama3",
    ),
    "not JSON": (lambda f: (f / "config.json").write_text("{"), "not valid JSON"),
    "no config": (lambda f: (f / "config.json").unlink(), "holds no config.json"),
    "not finite": (
        lambda f: edit_tensors(f, lambda t: t["model.norm.weight"].fill(np.nan)),
        "model.norm.weight holds values that are not finite",
    ),
    "a file cut off": (
        lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-100]),
        "not a whole safetensors file",
    ),
    "only a pickle": (
        lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
        "only pytorch_model.bin, a pickle, which is never read",
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_broken_folders_are_told_in_a_line(how, llama):
    breaks, message = BROKEN[how]
    breaks(llama)
    with pytest.raises(UserError, match=message) as told:
        load_decoder(llama)
    assert "\n" not in str(told.value)


def test_broken_shards(llama):
    shard(llama)
    whole = (llama / "model-1.safetensors").read_bytes()
    (llama / "model-1.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"model-1.safetensors: not a whole safetensors file"):
        load_decoder(llama)
    (llama / "model-1.safetensors").unlink()
    with pytest.raises(
        UserError, match=r"model-1.safetensors: no such file, though model.safetensors.index.json names"
    ):
        load_decoder(llama)
    shutil.copy(llama / "model-0.safetensors", llama / "model-1.safetensors")
    with pytest.raises(UserError, match=r"model-1.safetensors: lacks .* which model.safetensors.index.json promises"):
        load_decoder(llama)


def test_a_tokenizer_larger_than_the_embedding(llama):
    vocabulary = {f"w{i}": i for i in range(101)}
    Tokenizer(models.WordLevel(vocabulary, unk_token="w0")).save(str(llama / "tokenizer.json"))
    with pytest.raises(UserError, match=r"token ids up to 100, the embedding 96 rows. Give vocabulary=101"):
        load_decoder(llama)
    assert load_decoder(llama, vocabulary=101)[0].config.vocabulary == 101


def test_what_no_architecture_computes_is_not_written(tmp_path):
    decoder, _ = load_decoder(RECORDED / "gemma2")
    odd = dataclasses.replace(decoder.config, embedding_scale=3.0)
    decoder.config = odd
    with pytest.raises(UserError, match="no architecture computes what this decoder does"):
        export_decoder(decoder, tmp_path / "odd")
    assert not (tmp_path / "odd").exists()


@pytest.mark.parity
@pytest.mark.parametrize("name", ["llama3", "qwen2", "gemma3"])
def test_transformers_loads_what_we_write(name, tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    export_decoder(load_decoder(RECORDED / name)[0], tmp_path / name)
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / name, attn_implementation="eager").eval()
    with np.load(RECORDED / name / "reference.npz", allow_pickle=False) as recorded, torch.no_grad():
        mask = torch.tensor(recorded["valid"].astype(np.int64))
        logits = model(input_ids=torch.tensor(recorded["ids"]), attention_mask=mask).logits.numpy()
        valid = recorded["valid"]
        np.testing.assert_allclose(logits[valid], recorded["logits"][valid], rtol=0, atol=1e-5)
