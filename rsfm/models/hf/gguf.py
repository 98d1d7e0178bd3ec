"""Language models out of GGUF files, dequantised by the `gguf` package: metadata as a config.json, tensors by Llama's names.

o outputs · i inputs
"""

import functools
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from rsfm.errors import UserError
from rsfm.models.hf.folder import Checkpoint
from rsfm.nn.rope import RopeScaling, llama3_share

KINDS = {"llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}  # general.architecture -> model_type
BLOCK_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
FREQUENCIES = "rope_freqs.weight"  # how much slower each pair turns (Llama 3.1 and later)


def open_gguf(path: str | Path) -> Checkpoint:
    """A GGUF file as a checkpoint; every tensor is dequantised to float32 when it is read.

    Raises:
        UserError: not a whole GGUF file, or an architecture or a tensor kind that is not supported.
    """
    path = Path(path)
    reader = read_gguf(path)
    config = read_metadata(reader, path)
    names = {tensor.name: their_name(tensor.name) for tensor in reader.tensors}
    unknown = [name for name, theirs in names.items() if theirs is None and name != FREQUENCIES]
    if unknown:
        raise UserError(f"{path}: {unknown[0]} is no tensor of a {config['model_type']} model. Known: {_known()}.")
    heads = {"self_attn.q_proj": config["num_attention_heads"], "self_attn.k_proj": config["num_key_value_heads"]}
    tensors = {}
    for tensor in reader.tensors:
        name = names[tensor.name]
        if name is None:
            continue
        # Llama's queries and keys lie in pairs that turn together; those of Qwen are kept as they were.
        paired = heads.get(".".join(name.split(".")[3:5]), 0) if config["model_type"] == "llama" else 0
        tensors[name] = functools.partial(_read, path, tensor, paired)
    config["tie_word_embeddings"] = "lm_head.weight" not in tensors
    return Checkpoint(where=str(path), config=config, tensors=tensors, folder=None)


def read_gguf(path: Path) -> Any:
    """The opened file."""
    package = require_gguf(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file. Give a .gguf file, a folder or a hub id.")
    try:
        return package.GGUFReader(path)
    except (ValueError, IndexError, KeyError, OSError, AssertionError, RuntimeError) as error:
        raise UserError(f"{path}: not a whole GGUF file ({error}). Copy or download it again.") from error


def require_gguf(path: Path) -> ModuleType:
    """The package that knows the quantised layouts."""
    try:
        import gguf
    except ImportError as error:
        raise UserError(f"{path}: reading GGUF needs the package gguf. Install rsfm[gguf].") from error
    return gguf


def read_metadata(reader: Any, path: Path) -> dict[str, Any]:
    """The file's metadata as transformers would write them in config.json."""
    architecture = _field(reader, "general.architecture", path)
    if architecture not in KINDS:
        raise UserError(
            f"{path}: GGUF architecture '{architecture}' is not supported. Known: {', '.join(KINDS)}. "
            "Load the original Hugging Face folder instead."
        )

    def get(key: str, *default: Any) -> Any:
        return _field(reader, f"{architecture}.{key}", path, *default)

    heads, width = get("attention.head_count"), get("embedding_length")
    theta = float(np.float32(get("rope.freq_base", 10000.0)))
    return {
        "model_type": KINDS[architecture],
        "hidden_size": width,
        "num_hidden_layers": get("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": get("attention.head_count_kv", heads),
        "head_dim": get("attention.key_length", width // heads),
        "intermediate_size": get("feed_forward_length"),
        "rms_norm_eps": float(f"{get('attention.layer_norm_rms_epsilon'):.6g}"),  # stored in float32: 1e-5 is meant
        "vocab_size": len(_field(reader, "tokenizer.ggml.tokens", path)),
        "max_position_embeddings": get("context_length", 0),
        "rope_parameters": {"rope_theta": theta, **_stretch(reader, get, theta, path)},
        "eos_token_id": _field(reader, "tokenizer.ggml.eos_token_id", path, None),
        "pad_token_id": _field(reader, "tokenizer.ggml.padding_token_id", path, None),
    }


def their_name(name: str) -> str | None:
    """
    >>> their_name("blk.3.attn_q.weight")
    'model.layers.3.self_attn.q_proj.weight'
    """
    module, _, leaf = name.rpartition(".")
    if module in NAMES:
        return f"{NAMES[module]}.{leaf}"
    block, _, rest = module.removeprefix("blk.").partition(".")
    return f"model.layers.{block}.{BLOCK_NAMES[rest]}.{leaf}" if rest in BLOCK_NAMES else None


def unpair(value: np.ndarray, heads: int) -> np.ndarray:
    """Rows of each head from (pair, half) order, as ggml turns them, to (half, pair), as transformers does."""
    rows = value.reshape(heads, value.shape[0] // heads // 2, 2, *value.shape[1:])
    return rows.swapaxes(1, 2).reshape(value.shape)


def _read(path: Path, tensor: Any, heads: int) -> np.ndarray:
    package = require_gguf(path)
    try:
        value = package.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
    except (NotImplementedError, ValueError, KeyError) as error:
        raise UserError(f"{path}: {tensor.name} is of kind {tensor.tensor_type.name}, which cannot be read.") from error
    value = value.reshape(tuple(int(n) for n in tensor.shape[::-1]))
    return unpair(value, heads) if heads else value


def _stretch(reader: Any, get: Any, theta: float, path: Path) -> dict[str, Any]:
    """How the angles are slowed; a table in the file must be the one that Llama 3's rule gives."""
    table = next((tensor for tensor in reader.tensors if tensor.name == FREQUENCIES), None)
    if table is not None:
        slower = np.asarray(table.data, np.float32).reshape(-1)
        frequency = theta ** (-np.arange(len(slower), dtype=np.float32) / len(slower))
        rule = RopeScaling(kind="llama3", factor=float(slower.max()))
        if not np.allclose(1 / slower, llama3_share(frequency, rule), rtol=1e-3):
            raise UserError(f"{path}: {FREQUENCIES} follows another rule than Llama 3's. Load the original folder.")
        return {
            "rope_type": "llama3",
            "factor": rule.factor,
            "low_freq_factor": rule.low_frequency_factor,
            "high_freq_factor": rule.high_frequency_factor,
            "original_max_position_embeddings": rule.trained_length,
        }
    kind = get("rope.scaling.type", "none")
    if kind in ("none", ""):
        return {"rope_type": "default"}
    if kind == "linear":
        return {"rope_type": "linear", "factor": float(get("rope.scaling.factor"))}
    return {"rope_type": kind}  # the reader of configs says that it is unknown


def _field(reader: Any, key: str, path: Path, *default: Any) -> Any:
    field = reader.get_field(key)
    if field is not None:
        return field.contents()
    if default:
        return default[0]
    raise UserError(f"{path}: the metadata lack {key}. Give a GGUF file of a whole language model.")


def _known() -> str:
    return ", ".join([*NAMES, *BLOCK_NAMES])
