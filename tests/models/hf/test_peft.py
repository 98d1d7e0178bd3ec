"""Adapters as PEFT saves them: the merged model is W + scale B A, and what cannot be read is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from rsfm import pretrained
from rsfm.errors import UserError
from rsfm.models.hf import decoder_config, load_decoder
from rsfm.models.hf.folder import open_folder
from rsfm.models.hf.peft import open_adapter

V, D, R = 32, 16, 4
RNG = np.random.default_rng(0)
QUERY = "model.layers.0.self_attn.q_proj"


def drawn(*shape: int) -> np.ndarray:
    return (0.1 * RNG.standard_normal(shape)).astype(np.float32)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    weights = {"model.embed_tokens.weight": drawn(V, D), "model.norm.weight": drawn(D), "lm_head.weight": drawn(V, D)}
    square = {f"self_attn.{name}": (D, D) for name in ("q_proj", "k_proj", "v_proj", "o_proj")}
    for name, shape in (square | {"mlp.gate_proj": (32, D), "mlp.up_proj": (32, D), "mlp.down_proj": (D, 32)}).items():
        weights[f"model.layers.0.{name}.weight"] = drawn(*shape)
    for name in ("input_layernorm", "post_attention_layernorm"):
        weights[f"model.layers.0.{name}.weight"] = drawn(D)
    save_file(weights, folder / "model.safetensors")
    config = {
        "model_type": "llama",
        "hidden_size": D,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "vocab_size": V,
    }
    config |= {"num_hidden_layers": 1, "intermediate_size": 32, "rms_norm_eps": 1e-5, "max_position_embeddings": 64}
    (folder / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": False, "eos_token_id": 2}))
    return folder


def pair(module: str, rank: int = R, shape: tuple[int, int] = (D, D), kind: str = "lora") -> dict[str, np.ndarray]:
    end = ".weight" if kind == "lora" else ""
    names = (f"base_model.model.{module}.{kind}_{x}{end}" for x in "AB")
    return dict(zip(names, (drawn(rank, shape[1]), drawn(shape[0], rank)), strict=True))


def adapter(folder: Path, base: Path | str, tensors: dict[str, np.ndarray], **config: Any) -> Path:
    folder.mkdir(exist_ok=True)
    told = {
        "peft_type": "LORA",
        "base_model_name_or_path": str(base),
        "r": R,
        "lora_alpha": 8,
        "task_type": "CAUSAL_LM",
    }
    (folder / "adapter_config.json").write_text(json.dumps(told | config))
    save_file(tensors, folder / "adapter_model.safetensors")
    return folder


def read(folder: Path, name: str) -> np.ndarray:
    opened = open_adapter(folder, "x") if (folder / "adapter_config.json").exists() else open_folder(folder, "x")
    return opened.tensors[name]()


@pytest.mark.parametrize(
    ("rank", "config", "scale"),
    [
        (4, {}, 8 / 4),
        (4, {"use_rslora": True}, 8 / 2),
        (2, {"rank_pattern": {"q_proj": 2}}, 8 / 2),
        (4, {"alpha_pattern": {r"layers\.0\.self_attn\.q_proj": 3}}, 3 / 4),
        (
            2,
            {"rank_pattern": {"layers.0.self_attn.q_proj": 2}, "alpha_pattern": {"k_proj": 1}, "use_rslora": True},
            8 / 2**0.5,
        ),
    ],
)
def test_the_merged_matrix_is_w_plus_scale_b_a(
    rank: int, config: dict[str, Any], scale: float, base: Path, tmp_path: Path
):
    tensors = pair(QUERY, rank)
    folder = adapter(tmp_path / "adapter", base, tensors, **config)
    a, b = tensors.values()
    want = read(base, f"{QUERY}.weight") + scale * (b @ a)
    np.testing.assert_allclose(read(folder, f"{QUERY}.weight"), want, rtol=1e-5, atol=1e-6)
    other = "model.layers.0.self_attn.v_proj.weight"
    np.testing.assert_array_equal(read(folder, other), read(base, other))
    decoder, report = load_decoder(folder)
    np.testing.assert_allclose(decoder.transformer.blocks.attention.query.kernel[...][0], want.T, rtol=1e-5, atol=1e-6)
    assert any("LoRA adapter" in note and "merged into 1 matrices" in note for note in report.notes)


def test_an_adapter_beside_its_base_is_merged_too(base: Path, tmp_path: Path) -> None:
    apart, both = adapter(tmp_path / "adapter", base, pair(QUERY)), tmp_path / "both"
    shutil.copytree(base, both)
    shutil.copytree(apart, both, dirs_exist_ok=True)
    np.testing.assert_array_equal(read(both, f"{QUERY}.weight"), read(apart, f"{QUERY}.weight"))
    assert "LoRA adapter" in load_decoder(both)[1].table()


def test_embeddings_and_whole_modules_come_along(base: Path, tmp_path: Path) -> None:
    embed = pair("model.embed_tokens", shape=(D, V), kind="lora_embedding")
    head = {"base_model.model.lm_head.weight": drawn(V, D)}
    folder = adapter(tmp_path / "adapter", base, embed | head, modules_to_save=["lm_head"])
    a, b = embed.values()
    want = read(base, "model.embed_tokens.weight") + 2 * (b @ a).T
    np.testing.assert_allclose(read(folder, "model.embed_tokens.weight"), want, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(read(folder, "lm_head.weight"), head["base_model.model.lm_head.weight"])


def test_tokens_that_the_adapter_adds_are_rows_of_its_embedding(base: Path, tmp_path: Path) -> None:
    whole = {f"base_model.model.{name}.weight": drawn(V + 3, D) for name in ("model.embed_tokens", "lm_head")}
    folder = adapter(tmp_path / "adapter", base, whole | pair(QUERY))
    assert decoder_config(folder).vocabulary == V + 3
    assert load_decoder(folder)[0].embedding.shape == (V + 3, D)


@pytest.mark.parametrize(
    ("config", "tensors", "message"),
    [
        ({"peft_type": "IA3"}, pair(QUERY), "expected a LoRA adapter .*found 'IA3'.*merge_and_unload"),
        ({"use_dora": True}, pair(QUERY), "use_dora changes what the adapter means"),
        ({"init_lora_weights": "pissa_niter_4"}, pair(QUERY), "init_lora_weights pissa_niter_4 changes"),
        ({"r": 10**9}, pair(QUERY), "expected a rank of 1 to 4096"),
        ({"r": True}, pair(QUERY), "expected a rank of 1 to 4096"),
        ({"lora_alpha": "8"}, pair(QUERY), "and a number alpha, found 4, '8'"),
        ({"r": 2}, pair(QUERY), r"q_proj expected A \(2, 16\) and B \(16, 2\)"),
        ({}, pair(QUERY, shape=(D, D + 1)), "Give the adapter's own base"),
        ({}, pair("model.layers.7.self_attn.q_proj"), "adapts model.layers.7.*has no such tensor"),
        ({}, dict(list(pair(QUERY).items())[:1]), "has lora_A alone, expected A and B"),
        ({}, {f"base_model.model.{QUERY}.lora_magnitude_vector": drawn(D)} | pair(QUERY), "is not read"),
        ({}, {"base_model.model.lm_head.weight": np.full((V, D), np.nan, np.float32)}, "not finite"),
        ({"base_model_name_or_path": None}, pair(QUERY), "names no base"),
        ({"base_model_name_or_path": "/nowhere/at all"}, pair(QUERY), "which is not here"),
    ],
)
def test_what_cannot_be_merged_is_told(config: dict[str, Any], tensors: dict, message: str, base: Path, tmp_path: Path):
    folder = adapter(tmp_path / "adapter", base, tensors, **config)
    with pytest.raises(UserError, match=message) as caught:
        load_decoder(folder)
    assert "\n" not in str(caught.value)


def test_a_circle_of_adapters_and_a_pickle_are_refused(base: Path, tmp_path: Path) -> None:
    one = adapter(tmp_path / "one", tmp_path / "two", pair(QUERY))
    adapter(tmp_path / "two", tmp_path / "one", pair(QUERY))
    with pytest.raises(UserError, match="is an adapter, too"):
        load_decoder(one)
    itself = adapter(tmp_path / "itself", tmp_path / "itself", pair(QUERY))
    with pytest.raises(UserError, match="holds no config.json"):
        load_decoder(itself)
    (one / "adapter_model.safetensors").rename(one / "adapter_model.bin")
    with pytest.raises(UserError, match="a pickle, which is never read"):
        load_decoder(one)


def test_an_adapter_is_no_checkpoint_of_ours_and_the_line_says_what_to_do(base: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a PEFT adapter of a language model.*load_decoder.*init_decoder"):
        pretrained.load(adapter(tmp_path / "adapter", base, pair(QUERY)))
