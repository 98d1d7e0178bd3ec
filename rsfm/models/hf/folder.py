"""A Hugging Face folder as a config and named tensors that are read when they are wanted."""

import dataclasses
import functools
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from rsfm.errors import UserError

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
_SHARD = re.compile(r"\w[\w.-]*\.safetensors", re.ASCII)
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Attributes:
    where: folder, file or hub id, for messages.
    config: what config.json holds.
    tensors: name -> a function that reads it.
    folder: of config, weights and tokenizer; None for a GGUF file.
    notes: what was done to the tensors on the way, for the reader.
    """

    where: str
    config: dict[str, Any]
    tensors: Mapping[str, Callable[[], np.ndarray]]
    folder: Path | None
    notes: tuple[str, ...] = ()


def open_folder(path: Path, where: str) -> Checkpoint:
    """A folder with config.json and safetensors."""
    return Checkpoint(where=where, config=read_config(path), tensors=open_tensors(path), folder=path)


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a folder."""
    path = folder / "config.json"
    if not path.is_file():
        raise UserError(f"{folder}: holds no config.json. Give a folder saved by transformers' save_pretrained.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON ({error}). Copy or download it again.") from error
    if not isinstance(config, dict):
        raise UserError(f"{path}: expected an object, found {type(config).__name__}. Copy or download it again.")
    return config


def open_tensors(folder: Path) -> dict[str, Callable[[], np.ndarray]]:
    """The tensors of one safetensors file or of the shards that an index names; each file's header is checked now."""
    index = folder / INDEX
    if not index.is_file():
        if not (folder / SINGLE).is_file():
            pickled = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
            found = f"only {pickled[0]}, a pickle, which is never read" if pickled else "no weights"
            raise UserError(f"{folder}: expected {SINGLE} or {INDEX}, found {found}.")
        return open_safetensors(folder / SINGLE)
    files = {name: folder / file for name, file in _read_index(index).items()}
    handles = {path: _open(path) for path in set(files.values())}
    for name, path in files.items():
        if name not in handles[path].keys():  # noqa: SIM118
            raise UserError(f"{path}: lacks {name}, which {INDEX} promises. Download both again.")
    return {name: functools.partial(_read, path, handles[path], name) for name, path in files.items()}


def _read_index(path: Path) -> dict[str, str]:
    """Tensor -> the file it is in, of an index; a file is one of the index's own folder."""
    try:
        places = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        files = {str(name): str(file) for name, file in places.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path}: expected an object with weight_map ({error!r}). Download it again.") from error
    for file in files.values():
        if not _SHARD.fullmatch(file):
            raise UserError(
                f"{path}: weight_map names {file!r}. Expected the name of a .safetensors file beside it, without a folder: "
                "an index reaches no further. Download it again."
            )
    return files


def open_safetensors(path: Path) -> dict[str, Callable[[], np.ndarray]]:
    """The tensors of one safetensors file."""
    handle = _open(path)
    return {name: functools.partial(_read, path, handle, name) for name in handle.keys()}  # noqa: SIM118


def _open(path: Path) -> Any:
    if not path.is_file():
        raise UserError(f"{path}: no such file, though {INDEX} names it. Download the missing shard.")
    try:
        return safe_open(path, framework="numpy")
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path}: not a whole safetensors file ({error}). Copy or download it again.") from error


def _read(path: Path, handle: Any, name: str) -> np.ndarray:
    try:
        return handle.get_tensor(name)
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise UserError(f"{path}: {name} cannot be read ({error}). Copy or download the file again.") from error
