"""Frozen keyword-only dataclasses that are JAX pytrees.

Unflattening goes through `object.__new__`: JAX rebuilds pytrees around sentinels, abstract values and shardings, which a
checking `__init__` would rightly refuse (`flax.struct` and `jax.tree_util.register_dataclass` call `__init__` there).
"""

import dataclasses
from typing import Any, TypeVar, dataclass_transform

import jax

T = TypeVar("T")


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
