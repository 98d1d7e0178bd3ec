"""Released checkpoints of earlier formats: their configs and the names of their weights as this version has them.

Format 1 had a field of the model for each kind of head, and the layers that make features of pixels inside the mask head.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from rsfm.nn.weights import read_tensors

T = TypeVar("T")
FORMAT = 2

_NECK = ("from_token", "enter", "leave", "norm")
_PREFIXES = {  # of format 1 -> of format 2
    "value_experts.": "heads.value.experts.",
    "mask_experts.": "heads.mask.experts.",
    "value_head.": "heads.value.head.",
    **{f"mask_head.{part}.": f"necks.pixels.{part}." for part in _NECK},
    "mask_head.": "heads.mask.head.",
    "contrastive.": "heads.contrastive.head.",
}


def upgraded_model(data: Any, format: int) -> Any:
    """The JSON of a model's config; what is no config is left for the reader to complain about."""
    if not isinstance(data, dict):
        return data
    return _without_queues(data if format >= 2 else _heads_of_format_1(dict(data)))


def _heads_of_format_1(data: dict[str, Any]) -> dict[str, Any]:
    """A field of the model for each kind of head becomes an entry of `heads`."""
    experts, value, mask = data.pop("experts", None), data.pop("value", {}), dict(data.pop("mask", None) or {})
    contrastive = data.pop("contrastive", None)
    routed = {} if experts is None else {"experts": experts}
    data["heads"] = {"value": {"options": value, **routed}, "mask": routed}
    if contrastive is not None:
        data["heads"]["contrastive"] = {"options": contrastive}
    width = mask.get("pixel_width", 32)
    data["necks"] = {"pixels": {"width": width, "hidden": mask.get("hidden", 32)}}
    return data


def _without_queues(data: dict[str, Any]) -> dict[str, Any]:
    """Contrastive heads once had a queue of earlier pairs, which was never saved and is no more."""
    heads = data.get("heads")
    for head in heads.values() if isinstance(heads, dict) else ():
        if isinstance(head, dict) and isinstance(head.get("options"), dict):
            head["options"] = {name: value for name, value in head["options"].items() if name != "queue"}
    return data


def upgraded_names(arrays: Mapping[str, T], format: int) -> dict[str, T]:
    """Arrays by the names that the model's parameters have now."""
    return {_upgraded_name(name) if format < 2 else name: array for name, array in arrays.items()}


def released_tensors(folder: Path) -> dict[str, np.ndarray]:
    """The weights of a released checkpoint's folder by the names that the model's parameters have now."""
    try:
        format = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("format", 1)
    except (OSError, ValueError, AttributeError):
        format = 1  # a folder with weights alone: names that are already new pass through
    return upgraded_names(read_tensors(folder / "model.safetensors"), format)


def _upgraded_name(name: str) -> str:
    old = next((prefix for prefix in _PREFIXES if name.startswith(prefix)), None)
    return name if old is None else _PREFIXES[old] + name.removeprefix(old)
