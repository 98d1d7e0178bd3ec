"""Language models of others as configs of our decoder, and back: one entry an architecture.

`read` takes what config.json holds, `write` gives it; `names` are module names, ours to theirs, "*" the layer.
"""

import dataclasses
from typing import Any

from rsfm.errors import UserError, lookup
from rsfm.models.decoder import DecoderConfig
from rsfm.nn.rope import RopeScaling
from rsfm.nn.transformer import TransformerConfig

Json = dict[str, Any]
ACTIVATION = {"silu": "silu", "gelu_pytorch_tanh": "gelu_tanh", "gelu": "gelu"}
LLAMA_NAMES = {
    "embedding": "embed_tokens",
    "transformer.norm": "norm",
    "text_head.output": "lm_head",
    "transformer.blocks.attention_norm": "layers.*.input_layernorm",
    "transformer.blocks.attention.query": "layers.*.self_attn.q_proj",
    "transformer.blocks.attention.key": "layers.*.self_attn.k_proj",
    "transformer.blocks.attention.value": "layers.*.self_attn.v_proj",
    "transformer.blocks.attention.out": "layers.*.self_attn.o_proj",
    "transformer.blocks.attention.query_norm": "layers.*.self_attn.q_norm",
    "transformer.blocks.attention.key_norm": "layers.*.self_attn.k_norm",
    "transformer.blocks.mlp_norm": "layers.*.post_attention_layernorm",
    "transformer.blocks.mlp.gate": "layers.*.mlp.gate_proj",
    "transformer.blocks.mlp.up": "layers.*.mlp.up_proj",
    "transformer.blocks.mlp.down": "layers.*.mlp.down_proj",
}
GEMMA_NAMES = LLAMA_NAMES | {
    "transformer.blocks.attention_post_norm": "layers.*.post_attention_layernorm",
    "transformer.blocks.mlp_norm": "layers.*.pre_feedforward_layernorm",
    "transformer.blocks.mlp_post_norm": "layers.*.post_feedforward_layernorm",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Architecture:
    """Attributes:
    classname: of transformers, written into config.json.
    options: fields of TransformerConfig that all its models share, beside those `read` finds.
    tied: whether input and output share a matrix where config.json does not say.
    names: module names, ours -> theirs below "model.".
    """

    classname: str
    options: Json = dataclasses.field(default_factory=dict)
    tied: bool = False
    names: dict[str, str] = dataclasses.field(default_factory=lambda: LLAMA_NAMES)


_GEMMA: Json = {"norm": "rms_offset", "post_norms": True}
ARCHITECTURES: dict[str, Architecture] = {
    "llama": Architecture(classname="LlamaForCausalLM"),
    "mistral": Architecture(classname="MistralForCausalLM"),
    "qwen2": Architecture(classname="Qwen2ForCausalLM", options={"qkv_bias": True}),
    "qwen3": Architecture(classname="Qwen3ForCausalLM", options={"qk_norm": True}),
    "gemma2": Architecture(classname="Gemma2ForCausalLM", options=_GEMMA, tied=True, names=GEMMA_NAMES),
    "gemma3_text": Architecture(
        classname="Gemma3ForCausalLM", options=_GEMMA | {"qk_norm": True}, tied=True, names=GEMMA_NAMES
    ),
}


def read_decoder_config(data: Json, *, where: str) -> DecoderConfig:
    """What config.json says, as a DecoderConfig; of a picture-and-text model, its language part."""
    data = language_part(data)
    kind = _get(data, "model_type", where)
    architecture = lookup(ARCHITECTURES, f"architecture ({where})", kind)
    heads, width = _get(data, "num_attention_heads", where), _get(data, "hidden_size", where)
    gemma = kind.startswith("gemma")
    bias = bool(data.get("attention_bias", False))
    if bias != bool(data.get("mlp_bias", False)) or (bias and architecture.options):
        raise UserError(f"{where}: attention_bias and mlp_bias that differ have no place in the decoder's blocks.")
    activation = data.get("hidden_activation") or data.get("hidden_act") or ("gelu_pytorch_tanh" if gemma else "silu")
    head_dim = data.get("head_dim") or (256 if gemma else 128 if kind == "qwen3" else width // heads)
    softened = {
        "query_scale": float(data.get("query_pre_attn_scalar", 256)) ** -0.5,
        "attention_softcap": float(data.get("attn_logit_softcapping") or 0.0),
    }
    blocks = TransformerConfig(
        width=width,
        depth=_get(data, "num_hidden_layers", where),
        heads=heads,
        kv_heads=data.get("num_key_value_heads") or heads,
        head_dim=head_dim,
        mlp_width=_get(data, "intermediate_size", where),
        activation=lookup(ACTIVATION, f"activation ({where})", activation),
        norm_epsilon=float(data.get("rms_norm_eps", 1e-6)),
        bias=bias,
        window=read_window(data, kind),
        **(softened if gemma else {}),
        **architecture.options,
    )
    theta, scaling, local = read_rope(data, kind, where)
    end = _first(data.get("eos_token_id"), 2)
    return DecoderConfig(
        transformer=blocks,
        vocabulary=_get(data, "vocab_size", where),
        rope_theta=theta,
        rope_scaling=scaling,
        rope_local_theta=local,
        embedding_scale=width**0.5 if gemma else 1.0,
        final_softcap=float(data.get("final_logit_softcapping") or 0.0) if gemma else 0.0,
        tied=bool(data.get("tie_word_embeddings", architecture.tied)),
        context=int(data.get("max_position_embeddings") or 0),
        end_id=end,
        end_ids=token_ids(data.get("eos_token_id"))[1:],
        pad_id=_first(data.get("pad_token_id"), end),
    )


def read_window(data: Json, kind: str) -> tuple[int, ...]:
    """How far each layer looks back; () = everywhere."""
    size, depth = data.get("sliding_window") or 0, data.get("num_hidden_layers", 0)
    if kind == "llama" or not size or data.get("use_sliding_window") is False:
        return ()
    if kind == "mistral":
        return (size,) * depth
    if kind.startswith("qwen") and not data.get("use_sliding_window"):
        return ()
    types = data.get("layer_types")
    if types is None:
        first = int(data.get("max_window_layers") or depth)  # Qwen
        every = 2 if kind == "gemma2" else int(data.get("sliding_window_pattern") or 6)
        local = [i >= first if kind.startswith("qwen") else (i + 1) % every != 0 for i in range(depth)]
    else:
        local = [name == "sliding_attention" for name in types]
    return tuple(size if here else 0 for here in local) if any(local) else ()


def read_rope(data: Json, kind: str, where: str) -> tuple[float, RopeScaling | None, float]:
    """Base, stretch and base of the local layers, where transformers 4 writes them and where 5 does."""
    default, local = (1e6 if kind == "gemma3_text" else 1e4), 0.0
    said = data.get("rope_parameters") or {}
    if "full_attention" in said:  # a set a kind of layer
        local = float(said.get("sliding_attention", {}).get("rope_theta", 1e4))
        said = said["full_attention"]
    elif kind == "gemma3_text":
        local = float(data.get("rope_local_base_freq", 1e4))
    scaling = said or data.get("rope_scaling") or {}
    theta = float(said.get("rope_theta") or data.get("rope_theta") or default)
    how = scaling.get("rope_type") or scaling.get("type") or "default"
    if how == "default":
        return theta, None, local
    if how == "linear":
        return theta, RopeScaling(kind="linear", factor=float(scaling["factor"])), local
    if how != "llama3":
        raise UserError(f"{where}: rope scaling '{how}' is not supported. Known: default, linear, llama3.")
    return (
        theta,
        RopeScaling(
            kind="llama3",
            factor=float(scaling["factor"]),
            low_frequency_factor=float(scaling["low_freq_factor"]),
            high_frequency_factor=float(scaling["high_freq_factor"]),
            trained_length=int(scaling["original_max_position_embeddings"]),
        ),
        local,
    )


def language_part(data: Json) -> Json:
    """config.json of a language model, also where it stands inside that of a picture-and-text model."""
    part = data.get("text_config")
    return {**part, "tie_word_embeddings": data.get("tie_word_embeddings", True)} if isinstance(part, dict) else data


def _get(data: Json, key: str, where: str) -> Any:
    if key not in data:
        raise UserError(f"{where}: config.json lacks {key}. Give a folder saved by transformers' save_pretrained.")
    return data[key]


def token_ids(value: Any) -> tuple[int, ...]:
    """Ids that a config gives as a number or a list."""
    listed = value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(v for v in listed if isinstance(v, int) and not isinstance(v, bool) and v >= 0))


def _first(value: Any, default: int) -> int:
    value = value[0] if isinstance(value, list) and value else value
    return int(value) if isinstance(value, int) and value >= 0 else default
