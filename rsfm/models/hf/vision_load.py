"""Published picture and text towers in, and back out: CLIP, OpenCLIP and its kin, SigLIP, SigLIP 2, DINOv2, DINOv3.

>>> towers, report = load_towers("openai/clip-vit-base-patch32")
>>> print(report.table())
"""

import dataclasses
import fnmatch
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from flax import nnx
from safetensors.numpy import save_file

from rsfm.data.writing.atomic import write_json, written_folder
from rsfm.errors import UserError, lookup
from rsfm.models.hf.checkpoint import open_checkpoint
from rsfm.models.hf.folder import Checkpoint
from rsfm.models.hf.report import LoadReport, refuse
from rsfm.models.hf.vision_configs import (
    ACTIVATION,
    clip_config,
    dinov2_config,
    dinov3_config,
    openai_config,
    siglip_config,
    write_config,
)
from rsfm.models.hf.vision_names import Entry, clip, dinov2, dinov3, openai, siglip
from rsfm.models.published.towers import PictureConfig, PictureTower, Towers, TowersConfig
from rsfm.nn.weights import assign, named_parameters, read_tensors

# Of training only, or made anew by whoever reads the checkpoint.
ASSUMED = (
    "activation gelu is assumed: a file in OpenAI's layout does not say. Weights of OpenAI's own and those tuned from them "
    '(RemoteCLIP, GeoRSCLIP) were trained with quick_gelu: give activation="quick_gelu".'
)
UNUSED = ("embeddings.mask_token", "*.position_ids", "attn_mask", "*.rope_embeddings.*")
CONFIGS: dict[str, Any] = {
    "clip": clip_config,
    "siglip": siglip_config,
    "siglip2": siglip_config,
    "dinov2": dinov2_config,
    "dinov2_with_registers": dinov2_config,
    "dinov3_vit": dinov3_config,
}


def load_towers(
    name: str | Path, *, activation: str = "", allow: Sequence[str] = ()
) -> tuple[Towers | PictureTower, LoadReport]:
    """Reads a published checkpoint into our towers, and tells what became of every tensor.

    Args:
        name: a folder with config.json and safetensors, a hub id, or a safetensors file in OpenAI's layout (open_clip,
            RemoteCLIP, GeoRSCLIP; tokenizers/open_clip/convert.py makes one of a published .pt).
        activation: of a file in OpenAI's layout, which does not tell: "quick_gelu" for OpenAI's own weights and those tuned
            from them, "gelu" for most others; "" takes "gelu", and the report says that it is assumed.
        allow: patterns of missing or unexpected names to go on without.

    Returns:
        Towers of CLIP and SigLIP, the PictureTower of DINO.

    Raises:
        UserError: a model of another kind, a tensor missing, unexpected or of another shape.
    """
    path = Path(name)
    if path.is_file():
        return _load_openai(path, activation, allow)
    checkpoint = open_checkpoint(name)
    config = _read_config(checkpoint)
    _check_activation(config, activation, checkpoint.where)
    module = nnx.eval_shape(lambda: build(config))
    towers, report = fill(module, layout(config), checkpoint.tensors, checkpoint.where, allow)
    return towers, dataclasses.replace(report, notes=(*report.notes, *checkpoint.notes))


def picture_config(name: str | Path, *, activation: str = "") -> PictureConfig:
    """The config of a published picture tower, for a stream that is to hold it: {"tower": to_json(picture_config(name))}.

    Args:
        name, activation: as of `load_towers`.
    """
    path = Path(name)
    if path.is_file():
        config = load_towers(path, activation=activation)[0].config
    else:
        config = _read_config(checkpoint := open_checkpoint(name))
        _check_activation(config, activation, checkpoint.where)
    return config.picture if isinstance(config, TowersConfig) else config


def tells_activation(name: str | Path) -> bool:
    """Whether a checkpoint says which activation it was trained with: a bare file in OpenAI's layout does not."""
    return not Path(name).is_file()


def _check_activation(config: TowersConfig | PictureConfig, activation: str, where: str) -> None:
    """Raises where a config.json says another activation than was asked for."""
    own = (config.picture if isinstance(config, TowersConfig) else config).transformer.activation
    if activation and lookup(ACTIVATION, "activation", activation) != own:
        raise UserError(
            f"{where}: its config.json says the activation {own}, asked for was {activation}. Leave it out."
        )


def _read_config(checkpoint: Checkpoint) -> TowersConfig | PictureConfig:
    kind = checkpoint.config.get("model_type", "")
    return lookup(CONFIGS, f"picture model ({checkpoint.where})", kind)(checkpoint.config, checkpoint.where)


def _load_openai(path: Path, activation: str, allow: Sequence[str]) -> tuple[Towers, LoadReport]:
    tensors = read_tensors(path)
    if "visual.conv1.weight" not in tensors:
        raise UserError(
            f"{path}: no tensor visual.conv1.weight, so not OpenAI's layout. Give a folder with config.json."
        )
    config = openai_config({key: value.shape for key, value in tensors.items()}, activation=activation or "gelu")
    module = nnx.eval_shape(lambda: Towers(config, rngs=nnx.Rngs(0)))
    sources = {key: partial(tensors.__getitem__, key) for key in tensors}
    towers, report = fill(module, openai(), sources, str(path), allow)
    return towers, report if activation else dataclasses.replace(report, notes=(ASSUMED,))


def save_towers(folder: str | Path, module: Towers | PictureTower) -> None:
    """Writes config.json and model.safetensors as transformers reads them."""
    tensors = their_tensors(module, layout(module.config))
    with written_folder(folder) as scratch:
        save_file(tensors, scratch / "model.safetensors", metadata={"format": "pt"})
        write_json(scratch / "config.json", write_config(module.config))


def build(config: TowersConfig | PictureConfig) -> Towers | PictureTower:
    """The module of a config."""
    rngs = nnx.Rngs(0)
    return Towers(config, rngs=rngs) if isinstance(config, TowersConfig) else PictureTower(config, rngs=rngs)


def layout(config: TowersConfig | PictureConfig) -> list[Entry]:
    """Where each tensor of a module of this config stands in transformers' layout."""
    if isinstance(config, TowersConfig):
        return siglip(flat_patches=config.picture.resampling == "bilinear") if config.bias else clip()
    return dinov3(config) if config.position == "rotary" else dinov2(config)


def fill(
    module: Any,
    entries: Sequence[Entry],
    tensors: Mapping[str, Callable[[], np.ndarray]],
    where: str,
    allow: Sequence[str],
) -> tuple[Any, LoadReport]:
    """Sets the parameters of an abstract or concrete `module`; nothing is changed unless all fit."""
    shapes = {name: tuple(param.shape) for name, param in named_parameters(module).items()}
    assert {entry.ours for entry in entries} == shapes.keys(), "a layout names every parameter once"
    sources = {entry.ours: entry.names(shapes[entry.ours]) for entry in entries}
    missing = [name for name, theirs in sources.items() if not all(t in tensors for t in theirs)]
    used = {theirs for names in sources.values() for theirs in names}
    unexpected = sorted(n for n in set(tensors) - used if not any(fnmatch.fnmatchcase(n, p) for p in UNUSED))
    refuse(where, [_first_absent(sources[name], tensors) for name in missing], unexpected, allow)
    fresh = named_parameters(build(module.config)) if missing else {}
    values, rows = {}, []
    for entry in entries:
        name, shape = entry.ours, shapes[entry.ours]
        if name in missing:
            values[name] = np.asarray(fresh[name][...])
            continue
        values[name] = entry.read(lambda key: tensors[key](), shape)
        rows.append((name, shape, entry.theirs or "(zero: the layout has none)"))
    assign(module, values, where=where)
    return module, LoadReport(where=where, loaded=tuple(rows), missing=tuple(missing), unexpected=tuple(unexpected))


def their_tensors(module: Towers | PictureTower, entries: Sequence[Entry]) -> dict[str, np.ndarray]:
    """Every tensor of a module by the layout's names; parts of fused ones are put together."""
    params = named_parameters(module)
    out: dict[str, np.ndarray] = {}
    parts: dict[str, dict[int, np.ndarray]] = {}
    for entry in entries:
        written = entry.write(np.asarray(params[entry.ours][...], np.float32))
        if entry.part is None:
            out |= written
        else:
            for name, value in written.items():
                parts.setdefault(name, {})[entry.part[0]] = value
    fused = {name: np.concatenate([pieces[i] for i in sorted(pieces)]) for name, pieces in parts.items()}
    return {name: np.array(value, order="C") for name, value in (out | fused).items()}


def _first_absent(names: Sequence[str], tensors: Mapping[str, Any]) -> str:
    return next(name for name in names if name not in tensors)
