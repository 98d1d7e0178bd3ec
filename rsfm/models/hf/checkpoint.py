"""Checkpoints of others, opened by name: a folder, a hub id, a GGUF file or weights that an installed package carries."""

import dataclasses
from pathlib import Path

from rsfm.models.hf.folder import Checkpoint, open_folder
from rsfm.models.hf.gguf import open_gguf
from rsfm.models.hf.hub import download
from rsfm.models.hf.packaged import PACKAGED, find_packaged
from rsfm.models.hf.peft import is_adapter, open_adapter


def open_checkpoint(name: str | Path) -> Checkpoint:
    """Opens a folder with config.json and safetensors, a GGUF file, a name of PACKAGED, or a hub id ("owner/name@commit").

    A folder of a PEFT LoRA adapter gives its base with the adapter merged in, also where weights lie beside it.

    Raises:
        UserError: nothing there, only pickles there, or a file that is not whole.
    """
    path = find_packaged(str(name)) if str(name) in PACKAGED else Path(name)
    if path.suffix == ".gguf":
        return open_gguf(path)
    if path.is_dir():
        return _open(path, str(name))
    fetched = download(str(name))
    checkpoint = _open(fetched.path, fetched.name)
    return dataclasses.replace(checkpoint, notes=(*fetched.notes, *checkpoint.notes))


def _open(folder: Path, where: str) -> Checkpoint:
    return open_adapter(folder, where) if is_adapter(folder) else open_folder(folder, where)
