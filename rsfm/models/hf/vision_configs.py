"""config.json of published towers as configs of ours; one that holds no config of its own is read off its tensors' shapes."""

from collections.abc import Mapping
from typing import Any

from rsfm.errors import UserError, lookup
from rsfm.models.published.towers import PictureConfig, SentenceConfig, TowersConfig
from rsfm.nn.transformer import TransformerConfig

Json = dict[str, Any]
ACTIVATION = {"quick_gelu": "quick_gelu", "gelu": "gelu", "gelu_pytorch_tanh": "gelu_tanh", "silu": "silu"}
OPENAI_HEAD = 64  # width of a head in every CLIP of OpenAI's layout
# What transformers takes where config.json is silent, as the published ones are.
CLIP_PICTURE: Json = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "image_size": 224, "patch_size": 32, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
}  # fmt: skip
CLIP_SENTENCE: Json = {
    "hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 8, "vocab_size": 49408,
    "max_position_embeddings": 77, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "eos_token_id": 49407,
}  # fmt: skip
SIGLIP_PICTURE = CLIP_PICTURE | {
    "patch_size": 16, "num_patches": 256, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6,
}  # fmt: skip
SIGLIP_SENTENCE = CLIP_SENTENCE | {
    "hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "vocab_size": 32000,
    "max_position_embeddings": 64, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6,
}  # fmt: skip
DINOV2: Json = {
    "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "mlp_ratio": 4, "image_size": 224,
    "patch_size": 16, "hidden_act": "gelu", "layer_norm_eps": 1e-6, "use_swiglu_ffn": False, "qkv_bias": True,
}  # fmt: skip
DINOV3: Json = {
    "hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 12, "num_attention_heads": 6, "image_size": 224,
    "patch_size": 16, "hidden_act": "gelu", "layer_norm_eps": 1e-5, "use_gated_mlp": False, "num_register_tokens": 0,
    "rope_theta": 100.0, "query_bias": True, "key_bias": False, "value_bias": True, "proj_bias": True, "mlp_bias": True,
}  # fmt: skip


def clip_config(data: Json, where: str) -> TowersConfig:
    """Of model_type "clip"."""
    v, t = CLIP_PICTURE | data.get("vision_config", {}), CLIP_SENTENCE | data.get("text_config", {})
    joint = int(data.get("projection_dim", 512))
    end = int(t["eos_token_id"])
    return TowersConfig(
        picture=PictureConfig(
            transformer=_blocks(v, where),
            size=v["image_size"],
            patch=v["patch_size"],
            patch_bias=False,
            entry_norm=True,
            project=joint,
        ),
        sentence=SentenceConfig(
            transformer=_blocks(t, where),
            vocabulary=t["vocab_size"],
            length=t["max_position_embeddings"],
            pool="largest" if end == 2 else "end",  # early configs say 2, which is not the end token's id
            end_id=end,
            project=joint,
        ),
    )


def siglip_config(data: Json, where: str) -> TowersConfig:
    """Of model_type "siglip", and of "siglip2", whose pictures may be of any shape."""
    v, t = SIGLIP_PICTURE | data.get("vision_config", {}), SIGLIP_SENTENCE | data.get("text_config", {})
    free = data.get("model_type") == "siglip2"
    edge = round(v["num_patches"] ** 0.5) * v["patch_size"] if free else v["image_size"]
    return TowersConfig(
        picture=PictureConfig(
            transformer=_blocks(v, where),
            size=edge,
            patch=v["patch_size"],
            class_token=False,
            resampling="bilinear" if free else "bicubic",
            pool="probe",
        ),
        sentence=SentenceConfig(
            transformer=_blocks(t, where),
            vocabulary=t["vocab_size"],
            length=t["max_position_embeddings"],
            causal=False,
            pool="last",
            project=t.get("projection_size") or t["hidden_size"],
            project_bias=True,
        ),
        bias=True,
    )


def dinov2_config(data: Json, where: str) -> PictureConfig:
    """Of model_type "dinov2" and "dinov2_with_registers"."""
    data = DINOV2 | data
    gated, width = bool(data["use_swiglu_ffn"]), data["hidden_size"]
    hidden = int(width * data["mlp_ratio"])
    if gated:  # two thirds of it, in eights
        hidden = (int(hidden * 2 / 3) + 7) // 8 * 8
    if not data["qkv_bias"]:
        raise UserError(f"{where}: qkv_bias false is not supported; published DINOv2 models have it.")
    act = {"hidden_act": "silu"} if gated else {}
    registers = int(data.get("num_register_tokens", 4)) if data["model_type"] == "dinov2_with_registers" else 0
    return PictureConfig(
        transformer=_blocks(data | {"intermediate_size": hidden} | act, where, gated=gated, layer_scale=True),
        size=data["image_size"],
        patch=data["patch_size"],
        registers=registers,
        resampling="bicubic_antialiased" if registers else "bicubic",
    )


def dinov3_config(data: Json, where: str) -> PictureConfig:
    """Of model_type "dinov3_vit"."""
    data = DINOV3 | data
    biases = {name: data[name] for name in ("query_bias", "key_bias", "value_bias", "proj_bias", "mlp_bias")}
    if biases != {name: name != "key_bias" for name in biases}:
        raise UserError(f"{where}: expected biases everywhere but on the keys, as published, found {biases}.")
    return PictureConfig(
        transformer=_blocks(data, where, gated=bool(data["use_gated_mlp"]), layer_scale=True),
        size=data["image_size"],
        patch=data["patch_size"],
        registers=data["num_register_tokens"],
        position="rotary",
        rope_theta=float(data["rope_theta"]),
    )


def openai_config(shapes: Mapping[str, tuple[int, ...]], *, activation: str) -> TowersConfig:
    """Of OpenAI's layout, from the shapes of its tensors.

    Args:
        shapes: by name.
        activation: "quick_gelu" for weights OpenAI trained and those tuned from them with it, else "gelu".
    """
    lookup(ACTIVATION, "activation", activation)
    width, _, patch, _ = shapes["visual.conv1.weight"]
    vocabulary, text_width = shapes["token_embedding.weight"]

    def blocks(prefix: str, width: int) -> TransformerConfig:
        depth = len({name for name in shapes if name.startswith(prefix) and name.endswith(".ln_1.weight")})
        hidden = shapes[f"{prefix}.resblocks.0.mlp.c_fc.weight"][0]
        return TransformerConfig(
            width=width, depth=depth, heads=max(1, width // OPENAI_HEAD), mlp_width=hidden, norm="layer",
            norm_epsilon=1e-5, activation=activation, gated=False, bias=True,
        )  # fmt: skip

    return TowersConfig(
        picture=PictureConfig(
            transformer=blocks("visual.transformer", width),
            size=round((shapes["visual.positional_embedding"][0] - 1) ** 0.5) * patch,
            patch=patch,
            patch_bias=False,
            entry_norm=True,
            project=shapes["visual.proj"][1],
        ),
        sentence=SentenceConfig(
            transformer=blocks("transformer", text_width),
            vocabulary=vocabulary,
            length=shapes["positional_embedding"][0],
            project=shapes["text_projection"][1],
        ),
    )


def _blocks(data: Json, where: str, *, gated: bool = False, layer_scale: bool = False) -> TransformerConfig:
    act = lookup(ACTIVATION, f"activation ({where})", data["hidden_act"])
    return TransformerConfig(
        width=data["hidden_size"],
        depth=data["num_hidden_layers"],
        heads=data["num_attention_heads"],
        mlp_width=data["intermediate_size"],
        norm="layer",
        norm_epsilon=float(data["layer_norm_eps"]),
        activation=act,
        gated=gated,
        bias=True,
        layer_scale=layer_scale,
    )


def write_config(config: TowersConfig | PictureConfig) -> Json:
    """What transformers needs in config.json to load the tower again."""
    if isinstance(config, TowersConfig):
        return _write_towers(config)
    blocks, data = config.transformer, _write_picture(config) | {"num_register_tokens": config.registers}
    if config.position == "rotary":
        return data | {
            "model_type": "dinov3_vit",
            "architectures": ["DINOv3ViTModel"],
            "rope_theta": config.rope_theta,
            "use_gated_mlp": blocks.gated,
        }
    ratio = round(blocks.mlp_width / blocks.width * (1.5 if blocks.gated else 1))
    kind = ("dinov2_with_registers", "Dinov2WithRegistersModel") if config.registers else ("dinov2", "Dinov2Model")
    data |= {"model_type": kind[0], "architectures": [kind[1]], "mlp_ratio": ratio, "use_swiglu_ffn": blocks.gated}
    return {name: value for name, value in data.items() if name != "intermediate_size"}


def _write_towers(config: TowersConfig) -> Json:
    picture, sentence = config.picture, config.sentence
    text = _write_blocks(sentence.transformer) | {
        "vocab_size": sentence.vocabulary,
        "max_position_embeddings": sentence.length,
    }
    if not config.bias:
        end = {"eos_token_id": 2 if sentence.pool == "largest" else sentence.end_id}
        return {
            "model_type": "clip",
            "architectures": ["CLIPModel"],
            "projection_dim": picture.project,
            "vision_config": _write_picture(picture),
            "text_config": text | end,
        }
    free = picture.resampling == "bilinear"
    vision = _write_picture(picture) | {"num_patches": (picture.size // picture.patch) ** 2}
    return {
        "model_type": "siglip2" if free else "siglip",
        "architectures": ["Siglip2Model" if free else "SiglipModel"],
        "vision_config": {k: v for k, v in vision.items() if k != ("image_size" if free else "num_patches")},
        "text_config": text | {"projection_size": sentence.project},
    }


def _write_picture(config: PictureConfig) -> Json:
    return _write_blocks(config.transformer) | {"image_size": config.size, "patch_size": config.patch}


def _write_blocks(config: TransformerConfig) -> Json:
    names = {ours: theirs for theirs, ours in ACTIVATION.items()}
    return {
        "hidden_size": config.width,
        "intermediate_size": config.mlp_width,
        "num_hidden_layers": config.depth,
        "num_attention_heads": config.heads,
        "hidden_act": names[config.activation],
        "layer_norm_eps": config.norm_epsilon,
    }
