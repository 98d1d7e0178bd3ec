"""Our decoder written as a Hugging Face folder that transformers loads: config.json and model.safetensors."""

import dataclasses
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

from rsfm.data.writing.atomic import write_json, written_folder
from rsfm.errors import UserError, lookup
from rsfm.models.decoder import Decoder, DecoderConfig
from rsfm.models.hf.architectures import ACTIVATION, ARCHITECTURES, read_decoder_config
from rsfm.models.hf.decoder import their_names
from rsfm.nn.rope import RopeScaling
from rsfm.nn.weights import named_parameters

UNKNOWN_CONTEXT = 2048  # transformers wants a number
KINDS: dict[str, Any] = {"float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


def export_decoder(decoder: Decoder, folder: str | Path, *, dtype: str = "float32", kind: str = "") -> Path:
    """Writes a decoder in the layout of the architecture it has.

    Args:
        decoder: of a config that one of ARCHITECTURES can express.
        folder: made if it is not there.
        dtype: "float32", "float16" or "bfloat16".
        kind: a key of ARCHITECTURES; "" = the first that fits.

    Raises:
        UserError: no architecture of transformers, or not the one asked for, computes what this decoder does.
    """
    folder = Path(folder)
    data = write_decoder_config(decoder.config, kind=kind)
    store = lookup(KINDS, "dtype", dtype)
    tensors: dict[str, np.ndarray] = {}
    for ours, param in named_parameters(decoder).items():
        theirs, turned = their_names(ours, data["model_type"])
        full = theirs if theirs.startswith("lm_head") else f"model.{theirs}"
        value = np.asarray(param[...]).astype(store)
        pieces = {full.replace("*", str(i)): value[i] for i in range(len(value))} if "*" in full else {full: value}
        tensors |= {name: np.ascontiguousarray(piece.T if turned else piece) for name, piece in pieces.items()}
    with written_folder(folder) as scratch:
        save_file(tensors, scratch / "model.safetensors", metadata={"format": "pt"})
        write_json(scratch / "config.json", {**data, "dtype": dtype})
    return folder


def write_decoder_config(config: DecoderConfig, *, kind: str = "") -> dict[str, Any]:
    """What config.json of an architecture of transformers says for our config; reading it back gives the same config."""
    blocks = config.transformer
    if not blocks.stacked:
        raise UserError("export: the decoder's layers lie apart. Export the decoder that for_decoding was given.")
    told: dict[str, Any] = {
        "kv_heads": blocks.kv_heads or blocks.heads,
        "head_dim": blocks.head_dim or blocks.width // blocks.heads,
    }
    blocks = dataclasses.replace(blocks, remat="none", unroll=1, window=blocks.windows, **told)
    plain = dataclasses.replace(config, transformer=blocks, context=config.context or UNKNOWN_CONTEXT)
    for name in [kind] if kind else list(ARCHITECTURES):
        data = _as_kind(plain, name)
        if read_decoder_config(data, where=name) == plain:
            return data
    known = ", ".join(ARCHITECTURES)
    raise UserError(f"export: no architecture computes what this decoder does. Tried: {kind or known}.")


def _as_kind(config: DecoderConfig, kind: str) -> dict[str, Any]:
    architecture, blocks = lookup(ARCHITECTURES, "architecture", kind), config.transformer
    gemma = kind.startswith("gemma")
    activation = lookup({ours: theirs for theirs, ours in ACTIVATION.items()}, "activation", blocks.activation)
    head_dim = blocks.head_dim or blocks.width // blocks.heads
    rope = _rope(config.rope_theta, config.rope_scaling)
    if kind == "gemma3_text":
        local = {"rope_type": "default", "rope_theta": config.rope_local_theta}
        rope = {"full_attention": rope, "sliding_attention": local}
    windows = blocks.windows
    sliding = {
        "sliding_window": max(windows, default=0) or None,
        "layer_types": ["sliding_attention" if window else "full_attention" for window in windows]
        or ["full_attention"] * blocks.depth,
    }
    scalar = round((blocks.query_scale or head_dim**-0.5) ** -2, 6)
    softened = {
        "query_pre_attn_scalar": int(scalar) if scalar.is_integer() else scalar,  # transformers insists on an integer
        "attn_logit_softcapping": blocks.attention_softcap or None,
        "final_logit_softcapping": config.final_softcap or None,
    }
    return {
        "architectures": [architecture.classname],
        "model_type": kind,
        "hidden_size": blocks.width,
        "num_hidden_layers": blocks.depth,
        "num_attention_heads": blocks.heads,
        "num_key_value_heads": blocks.kv_heads or blocks.heads,
        "head_dim": head_dim,
        "intermediate_size": blocks.mlp_width,
        "hidden_activation" if gemma else "hidden_act": activation,
        "rms_norm_eps": blocks.norm_epsilon,
        "attention_bias": blocks.bias,
        **({"mlp_bias": blocks.bias} if kind == "llama" else {}),
        **({"use_sliding_window": bool(windows)} if kind.startswith("qwen") else {}),
        **({} if kind == "llama" else sliding if kind != "mistral" else {"sliding_window": sliding["sliding_window"]}),
        **(softened if gemma else {}),
        "rope_parameters": rope,
        "vocab_size": config.vocabulary,
        "max_position_embeddings": config.context,
        "tie_word_embeddings": config.tied,
        "eos_token_id": [config.end_id, *config.end_ids] if config.end_ids else config.end_id,
        "pad_token_id": config.pad_id,
        "bos_token_id": None,
    }


def _rope(theta: float, scaling: RopeScaling | None) -> dict[str, Any]:
    if scaling is None:
        return {"rope_type": "default", "rope_theta": theta}
    if scaling.kind == "linear":
        return {"rope_type": "linear", "rope_theta": theta, "factor": scaling.factor}
    return {
        "rope_type": "llama3",
        "rope_theta": theta,
        "factor": scaling.factor,
        "low_freq_factor": scaling.low_frequency_factor,
        "high_freq_factor": scaling.high_frequency_factor,
        "original_max_position_embeddings": scaling.trained_length,
    }
