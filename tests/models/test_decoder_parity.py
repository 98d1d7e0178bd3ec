"""The decoder is Llama's: same logits from the same weights, recorded from transformers and live where torch is installed."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.models.decoder import Decoder, DecoderConfig
from rsfm.nn.transformer import TransformerConfig
from rsfm.types import Tokens
from rsfm.weights import assign

RECORDED = Path(__file__).parents[1] / "fixtures" / "llama_tiny.npz"
SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 96,
    "max_position_embeddings": 64,
    "tie_word_embeddings": True,
    "rms_norm_eps": 1e-6,
}
IDS = np.array([[5, 9, 2, 40, 41, 7, 1]])
LINEAR = {
    "attention.query": "self_attn.q_proj",
    "attention.key": "self_attn.k_proj",
    "attention.value": "self_attn.v_proj",
    "attention.out": "self_attn.o_proj",
    "mlp.gate": "mlp.gate_proj",
    "mlp.up": "mlp.up_proj",
    "mlp.down": "mlp.down_proj",
}


def ours(theirs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Llama's tensor names -> the decoder's; layers are stacked, kernels turned."""

    def stack(name: str) -> np.ndarray:
        return np.stack([theirs[f"model.layers.{i}.{name}.weight"] for i in range(SHAPE["num_hidden_layers"])])

    blocks = {f"transformer.blocks.{a}.kernel": stack(b).transpose(0, 2, 1) for a, b in LINEAR.items()}
    return blocks | {
        "embedding": theirs["model.embed_tokens.weight"],
        "transformer.norm.scale": theirs["model.norm.weight"],
        "transformer.blocks.attention_norm.scale": stack("input_layernorm"),
        "transformer.blocks.mlp_norm.scale": stack("post_attention_layernorm"),
    }


def logits_of(theirs: dict[str, np.ndarray]) -> np.ndarray:
    stack = TransformerConfig(width=32, depth=2, heads=4, kv_heads=2, mlp_width=64)
    decoder = Decoder(DecoderConfig(transformer=stack, vocabulary=96), rngs=nnx.Rngs(0))
    assign(decoder, ours(theirs), where="llama")
    nothing = Tokens(embeddings=jnp.zeros((1, 0, 32)), mask=jnp.zeros((1, 0), bool), position=jnp.zeros((1, 0, 3)))
    hidden, _ = decoder(nothing, jnp.asarray(IDS), jnp.ones(IDS.shape, bool))
    return np.asarray(hidden @ decoder.embedding[...].T)


def reference() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Random weights and transformers' own logits."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**SHAPE)).eval().float()
    with torch.no_grad():
        for parameter in model.parameters():  # so that unit scales hide nothing
            parameter.add_(0.05 * torch.randn_like(parameter))
        logits = model(torch.tensor(IDS)).logits.numpy()
        return {name: value.numpy() for name, value in model.state_dict().items() if name != "lm_head.weight"}, logits


def test_recorded_logits():
    with np.load(RECORDED) as recorded:
        weights = {name: recorded[name] for name in recorded.files if name != "logits"}
        np.testing.assert_allclose(logits_of(weights), recorded["logits"], atol=1e-4)


@pytest.mark.parity
def test_live_logits():
    weights, logits = reference()
    np.testing.assert_allclose(logits_of(weights), logits, atol=1e-4)
