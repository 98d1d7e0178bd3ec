"""A checkpoint folder of somebody else's: absurd sizes, wrong types and circles are one line, before anything is made."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from rsfm.config import read_json
from rsfm.data.writing.digests import DIGESTS
from rsfm.errors import UserError
from rsfm.pretrained import SHIPPED, load

NANO = SHIPPED / "nano"
Change = Callable[[dict[str, Any]], None]


def setting(*path: str | int, to: Any) -> Change:
    """Sets one field of a JSON file."""

    def change(data: dict[str, Any]) -> None:
        place: Any = data
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to

    return change


CONFIGS: dict[str, Change] = {
    "no heads": setting("model", "encoder", "heads", to=0),
    "no heads in the decoder": setting("model", "decoder", "transformer", "heads", to=0),
    "no key heads": setting("model", "decoder", "transformer", "kv_heads", to=0),
    "odd heads": setting("model", "decoder", "transformer", "kv_heads", to=5),
    "experts below zero": setting("model", "experts", "experts", to=-1),
    "endless experts": setting("model", "experts", "experts", to=10**9),
    "endless depth": setting("model", "encoder", "depth", to=10**9),
    "no depth": setting("model", "encoder", "depth", to=0),
    "endless width": setting("model", "encoder", "width", to=10**12),
    "digits": setting("model", "encoder", "width", to=10**400),
    "queries": setting("model", "connector", "queries", to=10**9),
    "unknown dtype": setting("model", "compute_dtype", to="float12"),
    "an object as dtype": setting("model", "compute_dtype", to="O"),
    "unknown norm": setting("model", "encoder", "norm", to="none of these"),
    "unknown connector": setting("model", "connector", "kind", to="none of these"),
    "unknown tokenizer": setting("model", "streams", "optical", "tokenizer", to="none of these"),
    "wrong options": setting("model", "streams", "optical", "options", to={"groups": 10**9}),
    "options of another kind": setting("model", "streams", "optical", "options", to={"pyramid": [1]}),
    "a number as text": setting("model", "encoder", "width", to="192"),
    "a list as number": setting("model", "encoder", "width", to=[192]),
    "not a number": setting("model", "decoder", "rope_theta", to=float("nan")),
    "no streams": setting("model", "streams", to={}),
    "streams of another kind": setting("model", "streams", to=[1, 2]),
    "a window of a million": setting("model", "streams", "optical", "spec", "size", to=10**6),
    "no patch": setting("model", "streams", "optical", "spec", "patch", to=0),
    "null": setting("model", to=None),
    "format of another kind": setting("format", to="1"),
}
PROCESSORS: dict[str, Change] = {
    "masks": setting("max_masks", to=10**9),
    "values": setting("max_values", to=-5),
    "lengths": setting("text_lengths", to=[10**9]),
    "no lengths": setting("text_lengths", to=[]),
    "length zero": setting("text_lengths", to=[0, 64]),
    "legends": setting("legends", to={"land cover": 3}),
    "streams": setting("streams", to=None),
    "quantities": setting("quantities", to="area"),
    "unknown": setting("max_mask", to=3),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """nano, its weights by a link: nothing here reaches them."""
    folder = Path(shutil.copytree(NANO, tmp_path / "copy", ignore=shutil.ignore_patterns("model.safetensors", DIGESTS)))
    (folder / "model.safetensors").symlink_to(NANO / "model.safetensors")
    return folder


def refused(folder: Path) -> str:
    begin = time.monotonic()
    with pytest.raises(UserError) as told:
        load(folder)
    line = str(told.value)
    assert "\n" not in line and len(line) < 600 and time.monotonic() - begin < 30
    return line


def edited(path: Path, change: Change) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_that_is_no_model(name: str, copy: Path) -> None:
    edited(copy / "config.json", CONFIGS[name])
    assert str(copy) in refused(copy)


@pytest.mark.parametrize("name", PROCESSORS)
def test_a_processor_that_is_none(name: str, copy: Path) -> None:
    edited(copy / "processor.json", PROCESSORS[name])
    assert "processor.json" in refused(copy)


@pytest.mark.parametrize(
    "part", ["config.json", "processor.json", "tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json"]
)
@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        '{"a":' * 5_000,
        "9" * 5_000,
        "",
        "null",
        "[]",
        "3",
        '"x"',
        "\x00",
        "\u00ed",
    ],
    ids=["lists", "objects", "digits", "empty", "null", "list", "number", "text", "zero", "bare letter"],
)
def test_json_without_sense(part: str, text: str, copy: Path) -> None:
    (copy / part).write_text(text, encoding="utf-8")
    if part.endswith("tokenizer_config.json") and text in ("null", "[]", "3", '"x"'):
        return  # an empty one means the same
    assert Path(part).name in refused(copy)


def adapter(folder: Path, of: Path, **changes: Any) -> Path:
    """An adapter of a base, as written by save_adapter, with changes."""
    import hashlib

    folder.mkdir()
    tensors = {"decoder.x.lora_a": np.zeros((8, 4), np.float32), "decoder.x.lora_b": np.zeros((4, 8), np.float32)}
    save_file(tensors, folder / "adapter.safetensors")
    weights = of / "model.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest() if weights.exists() else "0"
    facts = {"format": 1, "base": str(of), "base_sha256": digest, "tensors": sorted(tensors), "lora": {"rank": 4}}
    (folder / "adapter.json").write_text(json.dumps(facts | changes))
    return folder


@pytest.mark.parametrize(
    "changes",
    [
        {"base": 3},
        {"base": None},
        {"base_sha256": ["x"]},
        {"tensors": 5},
        {"tensors": [["x"]]},
        {"tensors": ["\x1b[2J"]},
        {"lora": None},
        {"lora": {"rank": 10**9}},
        {"lora": {"rank": 0}},
        {"lora": {"rank": 4, "alpha": float("inf")}},
        {"lora": {"rank": 4, "targets": ["["]}},
        {"lora": {"rank": 4, "quantize": "int1"}},
    ],
    ids=str,
)
def test_an_adapter_of_wrong_kinds(changes: dict[str, Any], tmp_path: Path) -> None:
    refused(adapter(tmp_path / "adapter", NANO, **changes))


def test_adapters_in_a_circle(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    adapter(first, second)
    adapter(second, first)
    for folder in (first, second):
        (folder / "model.safetensors").write_bytes(b"same")
        data = json.loads((folder / "adapter.json").read_text())
        data["base_sha256"] = "0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5"
        (folder / "adapter.json").write_text(json.dumps(data))
    assert "is an adapter, too" in refused(first)
    itself = adapter(tmp_path / "itself", tmp_path / "itself")
    assert "is an adapter, too" in refused(itself)


def test_settings_are_small_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"a": [1, 2.5, null]}')
    assert read_json(path, "") == {"a": [1, 2.5, None]}
    with pytest.raises(UserError, match="y.json: expected JSON, found"):
        read_json(tmp_path / "y.json", "Copy it.")
