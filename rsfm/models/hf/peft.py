"""LoRA adapters as Hugging Face PEFT saves them, merged into the language model they were trained beside.   o outputs · i inputs · r rank

W + scale B A (Hu et al. 2021, arXiv:2106.09685), scale = alpha / r, or alpha / sqrt(r) for rank-stabilized adapters
(Kalajdzievski 2023, arXiv:2312.03732); layout of peft 0.18: adapter_config.json beside adapter_model.safetensors.
"""

import dataclasses
import functools
import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rsfm.errors import UserError
from rsfm.models.hf.folder import INDEX, SINGLE, Checkpoint, open_folder, open_safetensors
from rsfm.models.hf.hub import download

Json = dict[str, Any]
Tensors = Mapping[str, Callable[[], np.ndarray]]
CONFIG, WEIGHTS, PICKLED = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
MERGE = "Merge it with peft's merge_and_unload() and give the folder of the merged model."
# Fields that change what the tensors mean; adapters with them are refused.
UNREAD = (
    "use_dora",
    "lora_bias",
    "fan_in_fan_out",
    "layer_replication",
    "target_parameters",
    "trainable_token_indices",
)
CHANGED_BASE = ("pissa", "olora", "corda", "loftq")  # ways to begin that alter the base's own weights
LARGEST_RANK = 4096
_PREFIX = "base_model.model."
_PART = re.compile(
    r"(?P<module>.+)\.(?P<kind>lora_embedding_[AB]|lora_[AB]|lora_magnitude_vector|token_adapter)(?:\.\w+)*?(?:\.(?:weight|bias))?"
)


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds a PEFT adapter."""
    return (folder / CONFIG).is_file()


def open_adapter(folder: Path, where: str) -> Checkpoint:
    """The checkpoint that an adapter names as its base, with the adapter merged in.

    Raises:
        UserError: the base is not there; another kind of adapter than LoRA, or one of its fields that is not read; tensors
            without a place in the base or of another shape.
    """
    config = _read_config(folder)
    if (folder / PICKLED).is_file() and not (folder / WEIGHTS).is_file():
        raise UserError(
            f"{folder}: holds only {PICKLED}, a pickle, which is never read. Save the adapter as {WEIGHTS}."
        )
    if not (folder / WEIGHTS).is_file():
        raise UserError(f"{folder}: holds {CONFIG} and no {WEIGHTS}. Copy the adapter again.")
    base = _open_base(folder, config)
    own = open_safetensors(folder / WEIGHTS)
    merged, count, replaced = _merge(folder, config, base, own)
    saved = f", {len(replaced)} tensors replaced ({', '.join(replaced[:3])})" if replaced else ""
    note = f"LoRA adapter of {folder} merged into {count} matrices of {base.where}{saved}"
    home = folder if (folder / "tokenizer.json").is_file() else base.folder
    grown = _with_rows(base.config, replaced, merged)
    return dataclasses.replace(base, where=where, config=grown, tensors=merged, folder=home, notes=(*base.notes, note))


def _read_config(folder: Path) -> Json:
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: expected an adapter's JSON, found: {error}. Copy the folder again.") from None
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        kind = config.get("peft_type") if isinstance(config, dict) else type(config).__name__
        raise UserError(f"{path}: expected a LoRA adapter (peft_type LORA), found {kind!r}. {MERGE}")
    changed = [name for name in UNREAD if config.get(name)]
    if str(config.get("init_lora_weights", "")).lower().split("_")[0] in CHANGED_BASE:
        changed.append(f"init_lora_weights {config['init_lora_weights']}")
    if changed:
        raise UserError(f"{path}: {', '.join(changed)} changes what the adapter means and is not read. {MERGE}")
    return config


def _open_base(folder: Path, config: Json) -> Checkpoint:
    """What the adapter names as its base: a folder, from here or from beside the adapter, or a hub id."""
    named = config.get("base_model_name_or_path")
    if not isinstance(named, str) or not named:
        raise UserError(
            f"{folder / CONFIG}: names no base. Put the base's folder or hub id under base_model_name_or_path."
        )
    places = [place for place in (Path(named), folder / named, folder.parent / Path(named).name) if place.is_dir()]
    if places and is_adapter(places[0]) and places[0].resolve() != folder.resolve():
        raise UserError(f"{folder}: its base {places[0]} is an adapter, too. {MERGE}")
    if places:
        return open_folder(places[0], named)
    try:
        fetched = download(f"{named}@{config['revision']}" if config.get("revision") else named)
        return dataclasses.replace(open_folder(fetched.path, fetched.name), notes=fetched.notes)
    except UserError as error:
        if any((folder / name).is_file() for name in (SINGLE, INDEX)):
            raise UserError(
                f"{folder}: holds weights and an adapter of '{named}', which is not here, so whether the adapter is merged in "
                f"already cannot be told. Remove {CONFIG} if it is; else put the base's folder under base_model_name_or_path."
            ) from None
        raise UserError(
            f"{folder}: an adapter of '{named}', which is not here ({error}) Put the base's folder under "
            f"base_model_name_or_path in {CONFIG}."
        ) from None


def _merge(folder: Path, config: Json, base: Checkpoint, own: Tensors) -> tuple[Tensors, int, list[str]]:
    """The base's tensors with the adapter's, how many matrices it changes, and the names it replaces whole."""
    tensors: dict[str, Callable[[], np.ndarray]] = dict(base.tensors)
    pairs: dict[str, dict[str, Callable[[], np.ndarray]]] = {}
    replaced: list[str] = []
    for name, read in own.items():
        bare = name.removeprefix(_PREFIX)
        part = _PART.fullmatch(bare)
        if part is None:  # of modules_to_save, or a bias that was trained
            target = _in_base(folder, base, re.sub(r"\.modules_to_save(\.default)?(?=\.)", "", bare))
            tensors[target] = functools.partial(_whole, folder, name, read)
            replaced.append(target)
        elif part["kind"] not in ("lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B") or bare.endswith(".bias"):
            raise UserError(f"{folder}: {name} is a part of an adapter that is not read. {MERGE}")
        else:
            pairs.setdefault(part["module"], {})[part["kind"]] = read
    if not pairs and not replaced:
        raise UserError(f"{folder / WEIGHTS}: holds no tensor of an adapter. Copy it again.")
    for module, pair in pairs.items():
        if set(pair) not in ({"lora_A", "lora_B"}, {"lora_embedding_A", "lora_embedding_B"}):
            raise UserError(
                f"{folder}: {module} has {' and '.join(sorted(pair))} alone, expected A and B. Copy it again."
            )
        target = _in_base(folder, base, f"{module}.weight")
        a, b = (pair[kind] for kind in sorted(pair))
        scale = _scale(folder, config, module)
        tensors[target] = functools.partial(
            _added, folder, module, tensors[target], a, b, scale, "embedding" in next(iter(pair))
        )
    return tensors, len(pairs), replaced


def _in_base(folder: Path, base: Checkpoint, name: str) -> str:
    """The base's name of a tensor; a model inside a larger one may be saved under another prefix."""
    if name in base.tensors:
        return name
    tail = re.search(r"layers\.\d+\..+$|(?:embed_tokens|lm_head|norm)\.\w+$", name)
    alike = [other for other in base.tensors if tail and (other == tail[0] or other.endswith(f".{tail[0]}"))]
    if len(alike) != 1:
        found = "no such tensor" if not alike else f"{len(alike)} of this ending"
        raise UserError(
            f"{folder}: adapts {name}; its base {base.where} has {found}. Give the adapter's own base. {MERGE}"
        )
    return alike[0]


def _scale(folder: Path, config: Json, module: str) -> tuple[float, int]:
    """Alpha over rank of a module, and its rank, by the patterns that name single modules."""
    rank, alpha = (
        _of_module(config, module, *keys) for keys in (("rank_pattern", "r"), ("alpha_pattern", "lora_alpha"))
    )
    whole = isinstance(rank, int) and not isinstance(rank, bool) and 0 < rank <= LARGEST_RANK
    if not whole or isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not math.isfinite(alpha):
        raise UserError(
            f"{folder / CONFIG}: expected a rank of 1 to {LARGEST_RANK} and a number alpha, found {rank!r}, {alpha!r}."
        )
    return (alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank), rank


def _of_module(config: Json, module: str, pattern: str, key: str) -> Any:
    """What the config says of a module: the value of the first pattern, a name or a regular expression, that ends its name."""
    patterns = config.get(pattern)
    for name, value in patterns.items() if isinstance(patterns, dict) else ():
        try:
            if module == name or module.endswith(f".{name}") or re.fullmatch(rf"(.*\.)?({name[:200]})", module):
                return value
        except re.error:
            raise UserError(f"{CONFIG}: {pattern} has '{name}', which is no name of a module. {MERGE}") from None
    return config.get(key)


def _added(
    folder: Path,
    module: str,
    weight: Callable[[], np.ndarray],
    a: Callable[[], np.ndarray],
    b: Callable[[], np.ndarray],
    scale: tuple[float, int],
    embedding: bool,
) -> np.ndarray:
    """W + scale B A; of an embedding its transpose."""
    base, down, up = weight(), np.asarray(a(), np.float32), np.asarray(b(), np.float32)
    factor, rank = scale
    shape = base.shape[::-1] if embedding else base.shape
    if (
        down.ndim != 2
        or up.ndim != 2
        or (up.shape[0], down.shape[1]) != shape
        or {up.shape[1], down.shape[0]} != {rank}
    ):
        raise UserError(
            f"{folder}: {module} expected A ({rank}, {shape[1]}) and B ({shape[0]}, {rank}) by {CONFIG} and the base, found "
            f"{down.shape} and {up.shape}. Give the adapter's own base."
        )
    change = factor * (up @ down)
    return (np.asarray(base, np.float32) + (change.T if embedding else change)).astype(base.dtype)


def _whole(folder: Path, name: str, read: Callable[[], np.ndarray]) -> np.ndarray:
    value = read()
    if not np.isfinite(np.asarray(value, np.float32)).all():
        raise UserError(f"{folder}: {name} holds values that are not finite. Copy the adapter again.")
    return value


def _with_rows(config: Json, replaced: list[str], tensors: Tensors) -> Json:
    """The base's config with as many tokens as an embedding that the adapter brings along."""
    name = next((each for each in replaced if each.endswith("embed_tokens.weight")), None)
    if name is None:
        return config
    rows = int(tensors[name]().shape[0])
    if isinstance(config.get("text_config"), dict):
        return {**config, "text_config": {**config["text_config"], "vocab_size": rows}}
    return {**config, "vocab_size": rows}
