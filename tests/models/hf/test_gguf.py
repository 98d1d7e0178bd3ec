"""GGUF: tiny files written with the `gguf` package, and SmolLM2-135M-Instruct as transformers speaks it."""

import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.errors import UserError
from rsfm.models.decoder import Decoder
from rsfm.models.decoding import for_decoding
from rsfm.models.generate import generate, prompt_sample
from rsfm.models.hf import load_decoder, open_checkpoint
from rsfm.models.hf.gguf_tokenizer import load_gguf_tokenizer, save_gguf_tokenizer
from rsfm.models.hf.packaged import find_packaged
from rsfm.nn.weights import named_parameters
from rsfm.types import Tokens
from tests.fixtures.record_smollm2 import HERE, TOKENS, export, reference, render
from tests.models.test_decoder_parity import RECORDED

gguf = pytest.importorskip("gguf")
THEIRS = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
WORDS = ["<|end|>", "<tool>", *"abcdefghijkl", "Ġ", "ab", "Ġa", "1", "2"]
MERGES = ["a b", "Ġ a"]


def in_pairs(value: np.ndarray, heads: int) -> np.ndarray:
    """The order of rows that converters to GGUF give Llama's queries and keys: i and i + k/2 side by side."""
    half = value.shape[0] // heads // 2
    order = [h * 2 * half + i + half * j for h in range(heads) for i in range(half) for j in (0, 1)]
    return value[order]


def write(path: Path, name: str, *, architecture: str = "llama", pre: str = "smollm", kind: str = "gpt2") -> Path:
    """A recorded checkpoint as a GGUF file in float32."""
    checkpoint = open_checkpoint(RECORDED / name)
    config, writer = checkpoint.config, gguf.GGUFWriter(path, architecture)
    writer.add_context_length(16)
    writer.add_embedding_length(32)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    if "head_dim" in config:
        writer.add_key_length(config["head_dim"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_tokenizer_model(kind)
    writer.add_tokenizer_pre(pre)
    words = WORDS + [f"w{i}" for i in range(96 - len(WORDS))]
    writer.add_token_list(words)
    writer.add_token_types([3, 4, *[1] * 94])
    writer.add_token_merges(MERGES)
    writer.add_eos_token_id(2)
    writer.add_chat_template("{{ messages }}")
    for theirs, read in checkpoint.tensors.items():
        value, (module, _, leaf) = read().astype(np.float32), theirs.rpartition(".")
        paired = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
        heads = paired.get(module.split(".")[-1], 0) if architecture == "llama" else 0
        block = module.removeprefix("model.layers.")
        place = THEIRS[module] if module in THEIRS else f"blk.{block[0]}.{THEIRS[block[2:]]}"
        writer.add_tensor(f"{place}.{leaf}", in_pairs(value, heads) if heads else value)
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()
    return path


@pytest.mark.parametrize(("name", "architecture"), [("smollm2", "llama"), ("qwen2", "qwen2"), ("qwen3", "qwen3")])
def test_the_same_weights_as_from_the_folder(name, architecture, tmp_path):
    ours, report = load_decoder(write(tmp_path / "tiny.gguf", name, architecture=architecture))
    theirs, _ = load_decoder(RECORDED / name)
    for parameter, value in named_parameters(theirs).items():
        np.testing.assert_array_equal(named_parameters(ours)[parameter][...], value[...], err_msg=parameter)
    assert ours.config.transformer == theirs.config.transformer and not report.missing
    assert (ours.config.tied, ours.config.rope_theta) == (theirs.config.tied, theirs.config.rope_theta)


def test_errors(tmp_path):
    with pytest.raises(UserError, match=r"GGUF architecture 'mamba' is not supported\. Known: llama, qwen2, qwen3"):
        load_decoder(write(tmp_path / "odd.gguf", "smollm2", architecture="mamba"))
    whole = write(tmp_path / "whole.gguf", "smollm2")
    (tmp_path / "half.gguf").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(UserError, match="half.gguf: not a whole GGUF file"):
        load_decoder(tmp_path / "half.gguf")
    (tmp_path / "text.gguf").write_text("no gguf at all")
    with pytest.raises(UserError, match="text.gguf: not a whole GGUF file"):
        load_decoder(tmp_path / "text.gguf")
    with pytest.raises(UserError, match="none.gguf: no such file"):
        load_decoder(tmp_path / "none.gguf")


def test_tokenizer(tmp_path):
    path = write(tmp_path / "tiny.gguf", "smollm2")
    tokenizer = load_gguf_tokenizer(path)
    encoded = tokenizer.encode("ab a12<|end|><tool>", add_special_tokens=False)
    assert encoded.tokens == ["ab", "Ġa", "1", "2", "<|end|>", "<tool>"]
    assert tokenizer.decode(encoded.ids, skip_special_tokens=True) == "ab a12<tool>"
    save_gguf_tokenizer(path, tmp_path / "out")
    config = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())
    assert (config["eos_token"], config["chat_template"], config["model_max_length"]) == ("a", "{{ messages }}", 16)
    with pytest.raises(UserError, match=r"tokenizer 'llama' is not supported\. Known: gpt2"):
        load_gguf_tokenizer(write(tmp_path / "spm.gguf", "smollm2", kind="llama"))
    with pytest.raises(UserError, match="cut as 'tekken' does is not supported. Known: gpt-2, default, smollm, llama"):
        load_gguf_tokenizer(write(tmp_path / "cut.gguf", "smollm2", pre="tekken"))


@pytest.fixture(scope="module")
def smollm2() -> Decoder:
    try:
        return for_decoding(load_decoder(find_packaged("smollm2-135m-instruct"))[0])
    except UserError as reason:
        pytest.skip(str(reason))


def test_smollm2_says_what_transformers_says(smollm2):
    """Ten prompts of different lengths at once, against recorded answers of the same dequantised weights."""
    recorded = json.loads(HERE.read_text())
    tokenizer = load_gguf_tokenizer(find_packaged("smollm2-135m-instruct"))
    for row in recorded["rows"]:
        assert tokenizer.encode(render(row["prompt"]), add_special_tokens=False).ids == row["ids"]
    sample = prompt_sample([row["ids"] for row in recorded["rows"]], 64)
    answers = np.asarray(generate(smollm2, sample, max_new_tokens=TOKENS))
    for row, answer in zip(recorded["rows"], answers, strict=True):
        assert answer[: len(row["answer"])].tolist() == row["answer"], row["prompt"]


def test_smollm2_is_as_surprised_as_transformers(smollm2):
    recorded = json.loads(HERE.read_text())
    ids = jnp.asarray([recorded["text_ids"]])
    graphdef, params = nnx.split(smollm2)

    @jax.jit
    def loss(params):
        decoder: Decoder = nnx.merge(graphdef, params)
        width = decoder.config.transformer.width
        empty = Tokens(embeddings=jnp.zeros((1, 0, width)), mask=jnp.zeros((1, 0), bool), position=jnp.zeros((1, 0, 3)))
        hidden, _ = decoder(empty, ids[:, :-1], jnp.ones((1, ids.shape[1] - 1), bool))
        chosen = jax.nn.log_softmax(decoder.logits(hidden))
        return -jnp.take_along_axis(chosen, ids[:, 1:, None], axis=-1).mean()

    assert math.exp(float(loss(params))) == pytest.approx(recorded["perplexity"], rel=5e-3)


@pytest.mark.parity
@pytest.mark.slow
def test_the_record_is_what_transformers_says_today(smollm2, tmp_path):
    pytest.importorskip("torch")
    found, recorded = reference(export(tmp_path)), json.loads(HERE.read_text())
    assert [row["answer"] for row in found["rows"]] == [row["answer"] for row in recorded["rows"]]
    assert found["perplexity"] == pytest.approx(recorded["perplexity"], rel=1e-4)
