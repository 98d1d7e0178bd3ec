"""Small towers with random weights as transformers computes them; records the fixture where torch is installed.

    python -m tests.models.towers_reference

The entry "openclip" of the fixture was computed by open_clip_torch 3.3.0's own CLIP class (embed_dim 12, both widths 64, two
layers) and is carried over.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

RECORDED = Path(__file__).parents[1] / "fixtures" / "towers.npz"
SIZES = ((16, 16), (24, 12))  # the trained one, and one with more rows and fewer columns
PATCH = 4
_BLOCKS = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
_PICTURE = _BLOCKS | {"image_size": 16, "patch_size": PATCH}
_TEXT = _BLOCKS | {
    "vocab_size": 32,
    "max_position_embeddings": 10,
    "bos_token_id": 0,
    "eos_token_id": 31,
    "pad_token_id": 1,
}
_FREE = {name: value for name, value in _PICTURE.items() if name != "image_size"} | {"num_patches": 16}
_DINOV2 = {k: v for k, v in _PICTURE.items() if k != "intermediate_size"} | {"mlp_ratio": 2}
_DINOV3 = _PICTURE | {"num_register_tokens": 3}
MODELS = {
    "clip": ("CLIP", {"vision_config": _PICTURE, "text_config": _TEXT, "projection_dim": 12}),
    "siglip": ("Siglip", {"vision_config": _PICTURE, "text_config": _TEXT}),
    "siglip2": ("Siglip2", {"vision_config": _FREE, "text_config": _TEXT}),
    "dinov2": ("Dinov2", _DINOV2),
    "dinov2_gated": ("Dinov2", _DINOV2 | {"use_swiglu_ffn": True}),
    "dinov2_registers": ("Dinov2WithRegisters", _DINOV2 | {"num_register_tokens": 3}),
    "dinov3": ("DINOv3ViT", _DINOV3),
    "dinov3_gated": ("DINOv3ViT", _DINOV3 | {"use_gated_mlp": True, "hidden_act": "silu"}),
}


def inputs() -> tuple[list[np.ndarray], np.ndarray]:
    """A pair of pictures of each size, and three texts that end in token 31."""
    rng = np.random.default_rng(0)
    pictures = [rng.normal(size=(2, *size, 3)).astype(np.float32) for size in SIZES]
    ids = rng.integers(2, 31, size=(3, 10))
    ids[:, 6], ids[:, 7:] = 31, 1
    return pictures, ids


def reference(name: str) -> tuple[dict, dict[str, np.ndarray], list[np.ndarray]]:
    """config.json and tensors as saved by transformers, and its outputs: logits of two towers, tokens of one."""
    import torch
    import transformers

    kind, options = MODELS[name]
    torch.manual_seed(0)
    model = getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")(**options)).eval().float()
    with torch.no_grad():
        for (
            parameter
        ) in model.parameters():  # far from their start, so that no scale or bias hides; halves lose nothing
            parameter.copy_((parameter + 0.3 * torch.randn_like(parameter)).half().float())
        pictures, ids = inputs()
        outputs = [_run(model, name, picture, torch.tensor(ids)).numpy() for picture in pictures]
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
        return config, load_file(Path(folder) / "model.safetensors"), outputs


def _run(model, name: str, picture: np.ndarray, ids):
    import torch

    channels_first = torch.tensor(picture).permute(0, 3, 1, 2)
    if name in ("clip", "siglip"):
        return model(pixel_values=channels_first, input_ids=ids, interpolate_pos_encoding=True).logits_per_image
    if name != "siglip2":
        return model(pixel_values=channels_first).last_hidden_state
    b, h, w, _ = picture.shape
    cells = picture.reshape(b, h // PATCH, PATCH, w // PATCH, PATCH, 3).transpose(0, 1, 3, 2, 4, 5)
    flat = torch.tensor(cells.reshape(b, -1, 3 * PATCH**2))
    shapes = torch.tensor([[h // PATCH, w // PATCH]] * b)
    everywhere = torch.ones(flat.shape[:2], dtype=torch.long)
    return model(
        pixel_values=flat, pixel_attention_mask=everywhere, spatial_shapes=shapes, input_ids=ids
    ).logits_per_image


def read(name: str) -> tuple[dict, dict[str, np.ndarray], list[np.ndarray]]:
    """What was recorded of a model: like `reference`."""
    with np.load(RECORDED) as file:
        parts = {key.removeprefix(f"{name}/"): file[key] for key in file.files if key.startswith(f"{name}/")}
    config = json.loads(str(parts.pop("config")))
    outputs = [parts.pop(f"output{i}") for i in range(len(SIZES)) if f"output{i}" in parts]
    return config, {key: value.astype(np.float32) for key, value in parts.items()}, outputs


def record() -> None:
    """Writes the fixture anew."""
    kept: dict[str, np.ndarray] = {}
    if RECORDED.is_file():
        with np.load(RECORDED) as file:
            kept = {key: file[key] for key in file.files if key.startswith("openclip/")}
    for name in MODELS:
        config, tensors, outputs = reference(name)
        kept |= {f"{name}/config": np.array(json.dumps(config))}
        kept |= {f"{name}/{key}": value.astype(np.float16) for key, value in tensors.items()}
        kept |= {f"{name}/output{i}": value for i, value in enumerate(outputs)}
    np.savez_compressed(RECORDED, **kept)


if __name__ == "__main__":
    record()
