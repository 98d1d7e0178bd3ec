"""Parameters of a module as flat named arrays, to and from safetensors.

A name is the path of attributes, e.g. "decoder.transformer.blocks.mlp.up.kernel". Loading is strict: every parameter must
be there with its shape, and nothing else may be.
"""

import json
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from rsfm.errors import UserError


def named_parameters(module: nnx.Module) -> dict[str, nnx.Param]:
    """Every parameter of a module by dotted name."""
    return {".".join(map(str, path)): leaf for path, leaf in nnx.to_flat_state(nnx.state(module, nnx.Param))}


def save_weights(
    path: str | Path, module: nnx.Module, *, dtype: str = "float16", metadata: Mapping[str, str] | None = None
) -> None:
    """Writes a module's parameters. What must stand whole is written into a scratch folder: see rsfm.data.writing.atomic."""
    path = Path(path)
    kind = np.dtype(dtype)
    tensors = {
        name: np.asarray(jax.device_get(param[...])).astype(kind) for name, param in named_parameters(module).items()
    }
    bad = [name for name, value in tensors.items() if not np.isfinite(value).all()]
    if bad:
        raise UserError(f"{path}: {bad[0]} holds values that are not finite in {dtype}. Save with dtype='float32'.")
    save_file(tensors, path, metadata=dict(metadata or {}))


def load_weights(path: str | Path, module: nnx.Module) -> None:
    """Reads every parameter of `module` from a file of `save_weights`.

    Raises:
        UserError: no such file, not safetensors, a tensor missing, unexpected, of another shape or not finite.
    """
    assign(module, read_tensors(path), where=str(path))


def read_tensors(path: str | Path) -> dict[str, np.ndarray]:
    """All tensors of a safetensors file. Pickles are refused by name: they run code."""
    path = Path(path)
    if path.suffix in {".pt", ".pth", ".bin", ".pkl", ".ckpt"}:
        raise UserError(
            f"{path}: expected safetensors, found a pickle format, which is never read. Convert it to safetensors first."
        )
    if not path.is_file():
        raise UserError(
            f"{path}: no such file. A checkpoint folder holds config.json, processor.json, tokenizer/ and model.safetensors."
        )
    try:
        with safe_open(path, framework="numpy") as tensors:
            return {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118 (no iterator of its own)
    except (SafetensorError, OSError, ValueError, json.JSONDecodeError) as error:
        raise UserError(f"{path}: not a whole safetensors file ({error}). Copy or download it again.") from error


def assign(module: nnx.Module, tensors: Mapping[str, np.ndarray], *, where: str) -> None:
    """Sets every parameter; nothing is changed unless all fit."""
    params = named_parameters(module)
    missing, unexpected = sorted(params.keys() - tensors.keys()), sorted(tensors.keys() - params.keys())
    if missing or unexpected:
        told = [f"missing {_some(missing)}"] * bool(missing) + [f"unexpected {_some(unexpected)}"] * bool(unexpected)
        raise UserError(f"{where}: {'; '.join(told)}. The weights and config.json must be of one checkpoint.")
    for name, param in params.items():
        if tuple(param.shape) != tensors[name].shape:
            raise UserError(f"{where}: {name} expected shape {tuple(param.shape)}, found {tensors[name].shape}.")
        if not np.isfinite(tensors[name]).all():
            raise UserError(f"{where}: {name} holds values that are not finite. Copy or download the file again.")
    state = nnx.state(module, nnx.Param)
    for path, leaf in nnx.to_flat_state(state):
        leaf.set_value(jnp.asarray(tensors[".".join(map(str, path))], leaf.dtype))  # abstract parameters become arrays
    nnx.update(module, state)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def restacked(arrays: Mapping[str, Any], names: Container[str]) -> dict[str, Any]:
    """The same arrays with the layers of transformers stacked or apart, as the names of a model want them.

    "blocks.norm.scale" of a stack holds all layers along its first axis; apart they are "blocks.0.norm.scale",
    "blocks.1.norm.scale" and so on. Arrays that have a name of the model already, or fit neither way, stay as they are.

    Args:
        arrays: by dotted name.
        names: of the model's parameters.
    """
    out: dict[str, Any] = {}
    layers: dict[str, dict[int, Any]] = {}
    for name, array in arrays.items():
        stack, _, inner = name.partition(".blocks.")
        number, _, rest = inner.partition(".")
        if name in names:
            out[name] = array
        elif number.isdigit() and f"{stack}.blocks.{rest}" in names:
            layers.setdefault(f"{stack}.blocks.{rest}", {})[int(number)] = np.asarray(array)
        elif inner and f"{stack}.blocks.0.{inner}" in names:
            out |= {f"{stack}.blocks.{i}.{inner}": layer for i, layer in enumerate(np.asarray(array))}
        else:
            out[name] = array
    return out | {name: np.stack([part[i] for i in sorted(part)]) for name, part in layers.items()}
