"""Tensors of picture and text towers: where each of ours stands in a published layout, and how it is turned, both ways.

A name of theirs holds "*" for the layer; ours are stacked over the layers.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from rsfm.errors import UserError
from rsfm.models.published.towers import PictureConfig

Read = Callable[[str], np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """One tensor.

    Attributes:
        ours: dotted name of the parameter.
        theirs: name in the layout; "" = the layout has none and ours is zero (a bias that is left out).
        kind: "same" (shapes may differ by axes of one), "linear" (outputs first in theirs), "patches" (a convolution).
        part: (i, n): part i of n of their tensor along its first axis.
        axes: of theirs, where axes of one stand in front of ours or lack; None = as many as ours.
    """

    ours: str
    theirs: str
    kind: str = "same"
    part: tuple[int, int] | None = None
    axes: int | None = None

    def read(self, get: Read, shape: tuple[int, ...]) -> np.ndarray:
        """Our tensor of `shape`, made of theirs."""
        if not self.theirs:
            return np.zeros(shape, np.float32)
        if "*" not in self.theirs:
            return self._turn(get(self.theirs), shape, self.theirs)
        names = [self.theirs.replace("*", str(i)) for i in range(shape[0])]
        return np.stack([self._turn(get(name), shape[1:], name) for name in names])

    def write(self, value: np.ndarray) -> dict[str, np.ndarray]:
        """Their tensors, or their parts, made of ours."""
        if not self.theirs:
            return {}
        if "*" not in self.theirs:
            return {self.theirs: self._back(value)}
        return {self.theirs.replace("*", str(i)): self._back(each) for i, each in enumerate(value)}

    def names(self, shape: tuple[int, ...]) -> list[str]:
        """Every name of theirs that our tensor of `shape` is made of."""
        if "*" in self.theirs:
            return [self.theirs.replace("*", str(i)) for i in range(shape[0])]
        return [self.theirs] if self.theirs else []

    def _turn(self, value: np.ndarray, shape: tuple[int, ...], name: str) -> np.ndarray:
        value = np.asarray(value, np.float32)
        if self.part is not None:
            value = np.split(value, self.part[1])[self.part[0]]
        if self.kind == "linear":
            value = value.T
        elif self.kind == "patches":
            value = value.transpose(2, 3, 1, 0).reshape(-1, value.shape[0])
        if value.size != np.prod(shape) or (value.ndim == len(shape) and value.shape != shape):
            raise UserError(
                f"{name}: expected {shape} in our layout, found {value.shape}. Config and weights disagree."
            )
        return value.reshape(shape)

    def _back(self, value: np.ndarray) -> np.ndarray:
        if self.kind == "linear":
            return np.ascontiguousarray(value.T)
        if self.kind == "patches":
            edge = round((len(value) / 3) ** 0.5)
            return np.ascontiguousarray(value.reshape(edge, edge, 3, -1).transpose(3, 2, 0, 1))
        axes = value.ndim if self.axes is None else self.axes
        return value.reshape((1,) * (axes - value.ndim) + value.shape[max(value.ndim - axes, 0) :])


def linear(ours: str, theirs: str, *, bias: bool = True, part: tuple[int, int] | None = None) -> list[Entry]:
    """Kernel and bias of a dense layer."""
    kernel = Entry(ours=f"{ours}.kernel", theirs=f"{theirs}.weight", kind="linear", part=part)
    return [kernel, Entry(ours=f"{ours}.bias", theirs=f"{theirs}.bias", part=part)] if bias else [kernel]


def norm(ours: str, theirs: str) -> list[Entry]:
    """Scale and bias of a layer norm."""
    return [
        Entry(ours=f"{ours}.scale", theirs=f"{theirs}.weight"),
        Entry(ours=f"{ours}.bias", theirs=f"{theirs}.bias"),
    ]


def fused_attention(ours: str, theirs: str) -> list[Entry]:
    """torch.nn.MultiheadAttention: query, key and value in one matrix."""
    out = linear(f"{ours}.out", f"{theirs}.out_proj")
    for i, name in enumerate(("query", "key", "value")):
        kernel = Entry(ours=f"{ours}.{name}.kernel", theirs=f"{theirs}.in_proj_weight", kind="linear", part=(i, 3))
        out += [kernel, Entry(ours=f"{ours}.{name}.bias", theirs=f"{theirs}.in_proj_bias", part=(i, 3))]
    return out


def attention(ours: str, theirs: str, names: Sequence[str], *, key_bias: bool = True) -> list[Entry]:
    """Query, key, value and output by the layout's own names for them."""
    out: list[Entry] = []
    for name, part in zip(("query", "key", "value", "out"), names, strict=True):
        out += linear(f"{ours}.{name}", f"{theirs}.{part}", bias=key_bias or name != "key")
    return out if key_bias else [*out, Entry(ours=f"{ours}.key.bias", theirs="")]


def clip_blocks(ours: str, theirs: str) -> list[Entry]:
    """Blocks of CLIP and SigLIP as transformers names them."""
    b, t = f"{ours}.transformer.blocks", f"{theirs}.encoder.layers.*"
    return [
        *norm(f"{b}.attention_norm", f"{t}.layer_norm1"),
        *attention(f"{b}.attention", f"{t}.self_attn", ("q_proj", "k_proj", "v_proj", "out_proj")),
        *norm(f"{b}.mlp_norm", f"{t}.layer_norm2"),
        *linear(f"{b}.mlp.up", f"{t}.mlp.fc1"),
        *linear(f"{b}.mlp.down", f"{t}.mlp.fc2"),
    ]


def openai_blocks(ours: str, theirs: str) -> list[Entry]:
    """Blocks of CLIP as OpenAI and open_clip name them."""
    b, t = f"{ours}.transformer.blocks", f"{theirs}.resblocks.*"
    return [
        *norm(f"{b}.attention_norm", f"{t}.ln_1"),
        *fused_attention(f"{b}.attention", f"{t}.attn"),
        *norm(f"{b}.mlp_norm", f"{t}.ln_2"),
        *linear(f"{b}.mlp.up", f"{t}.mlp.c_fc"),
        *linear(f"{b}.mlp.down", f"{t}.mlp.c_proj"),
    ]


def clip() -> list[Entry]:
    """transformers' CLIPModel."""
    v, t = "vision_model", "text_model"
    return [
        Entry(ours="log_scale", theirs="logit_scale"),
        Entry(ours="picture.patches.kernel", theirs=f"{v}.embeddings.patch_embedding.weight", kind="patches"),
        Entry(ours="picture.class_token", theirs=f"{v}.embeddings.class_embedding", axes=1),
        Entry(ours="picture.position", theirs=f"{v}.embeddings.position_embedding.weight"),
        *norm("picture.entry_norm", f"{v}.pre_layrnorm"),
        *clip_blocks("picture", v),
        *norm("picture.transformer.norm", f"{v}.post_layernorm"),
        *linear("picture.project", "visual_projection", bias=False),
        Entry(ours="sentence.embedding", theirs=f"{t}.embeddings.token_embedding.weight"),
        Entry(ours="sentence.position", theirs=f"{t}.embeddings.position_embedding.weight"),
        *clip_blocks("sentence", t),
        *norm("sentence.transformer.norm", f"{t}.final_layer_norm"),
        *linear("sentence.project", "text_projection", bias=False),
    ]


def openai() -> list[Entry]:
    """open_clip's CLIP, which OpenAI's, RemoteCLIP's and GeoRSCLIP's checkpoints share."""
    return [
        Entry(ours="log_scale", theirs="logit_scale"),
        Entry(ours="picture.patches.kernel", theirs="visual.conv1.weight", kind="patches"),
        Entry(ours="picture.class_token", theirs="visual.class_embedding", axes=1),
        Entry(ours="picture.position", theirs="visual.positional_embedding"),
        *norm("picture.entry_norm", "visual.ln_pre"),
        *openai_blocks("picture", "visual.transformer"),
        *norm("picture.transformer.norm", "visual.ln_post"),
        Entry(ours="picture.project.kernel", theirs="visual.proj"),
        Entry(ours="sentence.embedding", theirs="token_embedding.weight"),
        Entry(ours="sentence.position", theirs="positional_embedding"),
        *openai_blocks("sentence", "transformer"),
        *norm("sentence.transformer.norm", "ln_final"),
        Entry(ours="sentence.project.kernel", theirs="text_projection"),
    ]


def siglip(*, flat_patches: bool) -> list[Entry]:
    """transformers' SiglipModel, or with `flat_patches` Siglip2Model, whose patch embedding is a matrix."""
    v, t, patch = "vision_model", "text_model", "vision_model.embeddings.patch_embedding"
    return [
        Entry(ours="log_scale", theirs="logit_scale", axes=1),
        Entry(ours="bias", theirs="logit_bias", axes=1),
        Entry(ours="picture.patches.kernel", theirs=f"{patch}.weight", kind="linear" if flat_patches else "patches"),
        Entry(ours="picture.patches.bias", theirs=f"{patch}.bias"),
        Entry(ours="picture.position", theirs=f"{v}.embeddings.position_embedding.weight"),
        *clip_blocks("picture", v),
        *norm("picture.transformer.norm", f"{v}.post_layernorm"),
        Entry(ours="picture.probe.query", theirs=f"{v}.head.probe", axes=3),
        *fused_attention("picture.probe.attention", f"{v}.head.attention"),
        *norm("picture.probe.norm", f"{v}.head.layernorm"),
        *linear("picture.probe.mlp.up", f"{v}.head.mlp.fc1"),
        *linear("picture.probe.mlp.down", f"{v}.head.mlp.fc2"),
        Entry(ours="sentence.embedding", theirs=f"{t}.embeddings.token_embedding.weight"),
        Entry(ours="sentence.position", theirs=f"{t}.embeddings.position_embedding.weight"),
        *clip_blocks("sentence", t),
        *norm("sentence.transformer.norm", f"{t}.final_layer_norm"),
        *linear("sentence.project", f"{t}.head"),
    ]


def dinov2(config: PictureConfig) -> list[Entry]:
    """transformers' Dinov2Model and Dinov2WithRegistersModel, as published."""
    b, t, patch = "transformer.blocks", "encoder.layer.*", "embeddings.patch_embeddings.projection"
    names = ("attention.query", "attention.key", "attention.value", "output.dense")
    if config.transformer.gated:
        feed = linear(f"{b}.mlp.gate", f"{t}.mlp.weights_in", part=(0, 2))
        feed += linear(f"{b}.mlp.up", f"{t}.mlp.weights_in", part=(1, 2))
        feed += linear(f"{b}.mlp.down", f"{t}.mlp.weights_out")
    else:
        feed = [*linear(f"{b}.mlp.up", f"{t}.mlp.fc1"), *linear(f"{b}.mlp.down", f"{t}.mlp.fc2")]
    front = [Entry(ours="class_token", theirs="embeddings.cls_token", axes=3)]
    front += [Entry(ours="registers", theirs="embeddings.register_tokens", axes=3)] if config.registers else []
    return [
        *front,
        Entry(ours="patches.kernel", theirs=f"{patch}.weight", kind="patches"),
        Entry(ours="patches.bias", theirs=f"{patch}.bias"),
        Entry(ours="position", theirs="embeddings.position_embeddings", axes=3),
        *_dino_norms(b, t),
        *attention(f"{b}.attention", f"{t}.attention", names),
        *feed,
        *norm("transformer.norm", "layernorm"),
    ]


def dinov3(config: PictureConfig) -> list[Entry]:
    """transformers' DINOv3ViTModel, as published."""
    b, t, patch = "transformer.blocks", "layer.*", "embeddings.patch_embeddings"
    halves = ("gate", "up", "down") if config.transformer.gated else ("up", "down")
    feed = [entry for half in halves for entry in linear(f"{b}.mlp.{half}", f"{t}.mlp.{half}_proj")]
    registers = [Entry(ours="registers", theirs="embeddings.register_tokens", axes=3)] if config.registers else []
    return [
        Entry(ours="class_token", theirs="embeddings.cls_token", axes=3),
        *registers,
        Entry(ours="patches.kernel", theirs=f"{patch}.weight", kind="patches"),
        Entry(ours="patches.bias", theirs=f"{patch}.bias"),
        *_dino_norms(b, t),
        *attention(f"{b}.attention", f"{t}.attention", ("q_proj", "k_proj", "v_proj", "o_proj"), key_bias=False),
        *feed,
        *norm("transformer.norm", "norm"),
    ]


def _dino_norms(ours: str, theirs: str) -> list[Entry]:
    return [
        *norm(f"{ours}.attention_norm", f"{theirs}.norm1"),
        *norm(f"{ours}.mlp_norm", f"{theirs}.norm2"),
        Entry(ours=f"{ours}.attention_scale.scale", theirs=f"{theirs}.layer_scale1.lambda1"),
        Entry(ours=f"{ours}.mlp_scale.scale", theirs=f"{theirs}.layer_scale2.lambda1"),
    ]
