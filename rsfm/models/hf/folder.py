"""A Hugging Face folder or hub id as a config and named tensors that are read when asked for."""

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
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


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


def download(hub_id: str) -> Path:
    """The folder of a hub id in the local cache, fetched if it is not there."""
    if not _HUB_ID.fullmatch(hub_id):
        raise UserError(f"{hub_id}: no such folder. Give one with config.json and {SINGLE}, a .gguf file, or a hub id.")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(hub_id, allow_patterns=HUB_FILES))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{hub_id}: no folder of that name here, and the hub could not give it ({reason}). "
            "Give the path of a downloaded folder."
        ) from error


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a folder."""
    path = folder / "config.json"
    if not path.is_file():
        raise UserError(f"{folder}: holds no config.json. Give a folder saved by transformers' save_pretrained.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
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
    try:
        places: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        files = {name: folder / Path(file).name for name, file in places.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{index}: expected an object with weight_map ({error!r}). Download it again.") from error
    handles = {path: _open(path) for path in set(files.values())}
    for name, path in files.items():
        if name not in handles[path].keys():  # noqa: SIM118
            raise UserError(f"{path}: lacks {name}, which {INDEX} promises. Download both again.")
    return {name: functools.partial(_read, path, handles[path], name) for name, path in files.items()}


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
