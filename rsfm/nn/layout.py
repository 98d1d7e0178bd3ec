"""Where activations lie on a mesh, said by name; who trains sets the mesh and the rules, and without them nothing happens."""

import math

import jax
from flax.core.spmd import get_logical_axis_rules
from jax.sharding import PartitionSpec
from jaxtyping import Array


def lay_out(x: Array, *names: str | None) -> Array:
    """`x` with each dimension laid along the mesh axes of its logical name, None = whole on every device.

    Partitioning guesses from the parameters how activations lie, and where it guesses otherwise on two sides of an
    operation it copies all of them to all devices. Said at the borders of encoder and decoder, it has no need to guess.
    Outside `rsfm.training.sharding.on_mesh` (prediction, pmap), and where the mesh does not divide `x`, `x` is returned.

    >>> x = lay_out(x, "batch", None, None)
    """
    rules, mesh = dict(get_logical_axis_rules()), jax.sharding.get_abstract_mesh()
    if not rules or mesh.empty or x.ndim != len(names):
        return x
    axes = [_axes(rules[name]) if name is not None else () for name in names]
    ways = [math.prod(mesh.shape[axis] for axis in each) for each in axes]
    if any(size % count for size, count in zip(x.shape, ways, strict=True)):
        return x
    return jax.lax.with_sharding_constraint(x, PartitionSpec(*(each or None for each in axes)))


def _axes(rule: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (rule,) if isinstance(rule, str) else tuple(rule or ())
