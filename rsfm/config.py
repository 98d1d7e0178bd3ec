"""Configs are frozen keyword-only dataclasses that go to JSON and back; a wrong key says what was meant."""

import dataclasses
import json
import types
import typing
from pathlib import Path
from typing import Any

from rsfm.errors import UserError, unknown

LARGEST = 64 << 20  # bytes of a file of settings
PACKAGE = Path(__file__).resolve().parent
FITTED = PACKAGE / "fitted"  # files that training needs, by the names they have in the repository


def resolve(name: str | Path, *, beside: Path | None = None, holds: str = "") -> Path:
    """The file or folder that a name in a config means.

    A relative name is looked for beside the config's file, in the working folder, among the fitted files that the package
    carries ("tokenizers/text") and in the repository around the package.

    Args:
        name: of a file or folder.
        beside: folder of the config's file.
        holds: a file that a folder must hold to be the one that is meant.

    Returns:
        The first that exists; where none does, the name as it stands, for an error that shows it.
    """
    path = Path(name).expanduser()
    folders = (beside, Path(), FITTED, PACKAGE.parent)
    places = [folder / path for folder in folders if folder is not None]
    return next((place for place in places if (place / holds).exists()), path)


def read_json(path: Path, hint: str) -> Any:
    """The values of a JSON file from outside.

    Args:
        path: the file.
        hint: what to do where it is none: "Copy the checkpoint folder again."

    Raises:
        UserError: it is missing, too large, no JSON, nested without end, or holds a number of thousands of digits.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path}: expected settings of {LARGEST >> 20} MB at most. {hint}")
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise UserError(f"{path}: expected JSON, found lists or objects in each other without end. {hint}") from None
    except (OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: expected JSON, found: {error}. {hint}") from error


def to_json(config: Any) -> Any:
    """Dataclass -> plain JSON values; tuples become lists."""
    if dataclasses.is_dataclass(config):
        return {f.name: to_json(getattr(config, f.name)) for f in dataclasses.fields(config)}
    if isinstance(config, dict):
        return {key: to_json(value) for key, value in config.items()}
    if isinstance(config, (tuple, list)):
        return [to_json(value) for value in config]
    return config


def from_json(cls: Any, data: Any, where: str = "config") -> Any:
    """JSON values -> dataclass of type `cls`, or a dict or tuple of dataclasses.

    Raises:
        UserError: an unknown key, a missing field, a value of the wrong kind; `where` says in which file.
    """
    return _build(cls, data, where)


def _build(kind: Any, data: Any, where: str) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(typing.cast(type, kind), data, where)
    if origin in (typing.Union, types.UnionType):
        if data is None:
            return None
        options = [option for option in args if option is not type(None)]
        return _build(options[0], data, where)
    if origin is tuple:
        if not isinstance(data, (list, tuple)):
            raise UserError(f"{where}: expected a list, found {_short(data)}.")
        kinds = [args[0]] * len(data) if len(args) == 2 and args[1] is Ellipsis else list(args)
        if len(kinds) != len(data):
            raise UserError(f"{where}: expected {len(kinds)} values, found {len(data)}.")
        return tuple(_build(k, value, f"{where}[{i}]") for i, (k, value) in enumerate(zip(kinds, data, strict=True)))
    if origin is dict:
        if not isinstance(data, dict):
            raise UserError(f"{where}: expected an object, found {_short(data)}.")
        return {key: _build(args[1], value, f"{where}.{key}") for key, value in data.items()}
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        if abs(data) > 1e300:
            raise UserError(f"{where}: expected a number, found one of {len(str(data))} digits.")
        return float(data)
    if kind in (int, float, str, bool) and (not isinstance(data, kind) or (kind is int and isinstance(data, bool))):
        raise UserError(f"{where}: expected {kind.__name__}, found {_short(data)}.")
    return data


def _build_dataclass(cls: type, data: Any, where: str) -> Any:
    if not isinstance(data, dict):
        raise UserError(f"{where}: expected an object, found {_short(data)}.")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for key in data:
        if key not in fields:
            raise UserError(f"{where}: {unknown('field', key[:60], fields)}")
    required = [
        n for n, f in fields.items() if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    for name in required:
        if name not in data:
            raise UserError(f"{where}: field '{name}' is missing.")
    hints = typing.get_type_hints(cls)
    return cls(**{key: _build(hints[key], value, f"{where}.{key}") for key, value in data.items()})


def _short(value: Any) -> str:
    """A value for a message of one line."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits, lists in each other without end
        text = type(value).__name__
    return text if len(text) <= 80 else f"{text[:77]}..."
