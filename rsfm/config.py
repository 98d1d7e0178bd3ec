"""Configs are frozen keyword-only dataclasses that go to JSON and back; a wrong key says what was meant."""

import dataclasses
import types
import typing
from typing import Any

from rsfm.errors import UserError, unknown


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
            raise UserError(f"{where}: expected a list, found {data!r}.")
        kinds = [args[0]] * len(data) if len(args) == 2 and args[1] is Ellipsis else list(args)
        if len(kinds) != len(data):
            raise UserError(f"{where}: expected {len(kinds)} values, found {len(data)}.")
        return tuple(_build(k, value, f"{where}[{i}]") for i, (k, value) in enumerate(zip(kinds, data, strict=True)))
    if origin is dict:
        if not isinstance(data, dict):
            raise UserError(f"{where}: expected an object, found {data!r}.")
        return {key: _build(args[1], value, f"{where}.{key}") for key, value in data.items()}
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if kind in (int, float, str, bool) and (not isinstance(data, kind) or (kind is int and isinstance(data, bool))):
        raise UserError(f"{where}: expected {kind.__name__}, found {data!r}.")
    return data


def _build_dataclass(cls: type, data: Any, where: str) -> Any:
    if not isinstance(data, dict):
        raise UserError(f"{where}: expected an object, found {data!r}.")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for key in data:
        if key not in fields:
            raise UserError(f"{where}: {unknown('field', key, fields)}")
    required = [
        n for n, f in fields.items() if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    for name in required:
        if name not in data:
            raise UserError(f"{where}: field '{name}' is missing.")
    hints = typing.get_type_hints(cls)
    return cls(**{key: _build(hints[key], value, f"{where}.{key}") for key, value in data.items()})
