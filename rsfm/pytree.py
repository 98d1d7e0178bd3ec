"""Frozen keyword-only dataclasses that are JAX pytrees.

Unflattening goes through `object.__new__`: JAX rebuilds pytrees around sentinels, abstract values and shardings, which a
checking `__init__` would rightly refuse (`flax.struct` and `jax.tree_util.register_dataclass` call `__init__` there).
"""

import dataclasses
import html
from typing import Any, TypeVar, dataclass_transform

import jax
import numpy as np

T = TypeVar("T")
_LONGEST, _MOST = 120, 8  # letters of a text and items of a list that a short repr shows


def static(**kwargs: Any) -> Any:
    """A field that is part of the tree's structure, not a leaf: hashable, and a retrace when it changes."""
    return dataclasses.field(metadata={"static": True}, **kwargs)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(static, dataclasses.field))
def pytree_dataclass(cls: type[T]) -> type[T]:
    """Makes `cls` a frozen, keyword-only dataclass and registers it as a pytree with named keys."""
    cls = dataclasses.dataclass(frozen=True, kw_only=True)(cls)
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    leaves = tuple(f.name for f in fields if not f.metadata.get("static"))
    statics = tuple(f.name for f in fields if f.metadata.get("static"))

    def flatten_with_keys(node: Any) -> tuple[list[tuple[Any, Any]], tuple[Any, ...]]:
        children = [(jax.tree_util.GetAttrKey(name), getattr(node, name)) for name in leaves]
        return children, tuple(getattr(node, name) for name in statics)

    def flatten(node: Any) -> tuple[list[Any], tuple[Any, ...]]:
        return [getattr(node, name) for name in leaves], tuple(getattr(node, name) for name in statics)

    def unflatten(aux: tuple[Any, ...], children: Any) -> Any:
        node = object.__new__(cls)
        for name, value in (*zip(leaves, children, strict=True), *zip(statics, aux, strict=True)):
            object.__setattr__(node, name, value)
        return node

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
    return cls


def replace(node: T, **changes: Any) -> T:
    """A copy of a dataclass node with some fields changed."""
    return dataclasses.replace(node, **changes)  # type: ignore[type-var]


def brief(cls: type[T]) -> type[T]:
    """Gives a dataclass a short repr, and a table of the same in notebooks: shapes in place of arrays, no empty fields."""
    cls.__repr__ = _brief_repr  # type: ignore[method-assign]
    if not hasattr(cls, "_repr_html_"):
        cls._repr_html_ = _brief_html  # type: ignore[attr-defined]
    return cls


def in_brief(value: Any) -> str:
    """A value in at most a line: an array by its type and shape, a long text or list by its beginning.

    >>> in_brief(np.zeros((2, 3), np.float32))
    'float32[2,3]'
    """
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{value.dtype}[{','.join(map(str, value.shape))}]" if np.ndim(value) else f"{value}"
    if isinstance(value, dict):
        return "{" + ", ".join(_some([f"{key}: {in_brief(item)}" for key, item in value.items()])) + "}"
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(_some([in_brief(item) for item in value])) + ")"
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _some(items: list[str]) -> list[str]:
    return items if len(items) <= _MOST else [*items[:_MOST], f"... {len(items)} in all"]


def _shown(node: Any) -> list[tuple[str, str]]:
    fields = [(field.name, getattr(node, field.name, None)) for field in dataclasses.fields(node)]
    empty = ("", "()", "{}", "None")
    return [(name, text) for name, value in fields if (text := in_brief(value)) not in empty]


def _brief_repr(node: Any) -> str:
    return f"{type(node).__name__}({', '.join(f'{name}={text}' for name, text in _shown(node))})"


def _brief_html(node: Any) -> str:
    rows = (
        f"<tr><td>{name}</td><td style='text-align:left'>{html.escape(text)}</td></tr>" for name, text in _shown(node)
    )
    return f"<b>{type(node).__name__}</b><table>{''.join(rows)}</table>"
