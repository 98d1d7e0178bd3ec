"""Command-line words over a config: `--train.steps 20 --model.depth=6`, any nested field, wrong names told."""

import dataclasses
import json
import types
import typing
from collections.abc import Sequence
from typing import Any, TypeVar

from rsfm.config import from_json, to_json
from rsfm.errors import UserError, unknown

T = TypeVar("T")


def apply_overrides(config: T, args: Sequence[str]) -> T:
    """The config with fields changed by `--dotted.path value` or `--dotted.path=value`.

    Values are read by the field's type: numbers, true/false (a bare `--flag` is true), strings as they stand, tuples as
    `1,2,3` or JSON, null where a field may be None. Entries of a tuple go by number: `--data.0.batch_size 4`.

    >>> apply_overrides(TrainConfig(), ["--steps", "20", "--optimizer.learning_rate=1e-3"]).steps
    20
    """
    data = to_json(config)
    for name, text in pairs(args):
        _set(type(config), data, name.split("."), text, f"--{name}")
    return from_json(type(config), data)


def pairs(args: Sequence[str]) -> list[tuple[str, str]]:
    """["--a.b", "1", "--c=2", "--flag"] -> [("a.b", "1"), ("c", "2"), ("flag", "true")]."""
    found: list[tuple[str, str]] = []
    words = list(args)
    while words:
        word = words.pop(0)
        if not word.startswith("--") or len(word) == 2:
            raise UserError(f"Unexpected argument '{word}': expected --field value, for example --train.steps 20.")
        name, equals, value = word[2:].partition("=")
        if not equals:
            value = words.pop(0) if words and not words[0].startswith("--") else "true"
        found.append((name.replace("-", "_"), value))
    return found


def _set(kind: Any, data: Any, path: list[str], text: str, where: str) -> None:
    """Walks `data` along the type it has, and replaces the last step of the path."""
    kind = _plain(kind)
    key, inner = _step_into(kind, data, path[0], where)
    if len(path) == 1:
        data[key] = _read(inner, text, where)
        return
    if not isinstance(data[key], (dict, list)):
        raise UserError(f"{where}: '{path[0]}' has no fields, it is {data[key]!r}.")
    _set(inner, data[key], path[1:], text, where)


def _step_into(kind: Any, data: Any, name: str, where: str) -> tuple[Any, Any]:
    """The key of `name` in `data` and the type of what is there."""
    if isinstance(data, list):
        if not name.isdigit() or int(name) >= len(data):
            raise UserError(f"{where}: expected a number below {len(data)} in place of '{name}'.")
        args = typing.get_args(kind)
        return int(name), args[0] if len(args) == 2 and args[1] is Ellipsis else args[int(name)]
    if name not in data:
        raise UserError(f"{where}: {unknown('field', name, data)}")
    return name, typing.get_type_hints(kind)[name] if dataclasses.is_dataclass(kind) else typing.get_args(kind)[1]


def _plain(kind: Any) -> Any:
    """`X | None` -> X."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return next(option for option in typing.get_args(kind) if option is not type(None))
    return kind


def _read(kind: Any, text: str, where: str) -> Any:
    if text in ("null", "None") and kind is not _plain(kind):
        return None
    kind = _plain(kind)
    if kind is str:
        return text
    if typing.get_origin(kind) is tuple and not text.lstrip().startswith("["):
        words = [word.strip() for word in text.strip("()").split(",") if word.strip()]
        kinds = typing.get_args(kind)
        return [
            _read(kinds[min(i, len(kinds) - 1)] if kinds[-1] is not Ellipsis else kinds[0], w, where)
            for i, w in enumerate(words)
        ]
    if kind is bool and text.lower() in ("true", "false", "yes", "no"):
        return text.lower() in ("true", "yes")
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise UserError(f"{where}: expected {getattr(kind, '__name__', kind)}, found '{text}'.") from None
