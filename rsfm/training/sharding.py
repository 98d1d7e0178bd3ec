"""The mesh, and the one table that lays arrays on it: logical axis names -> mesh axes.

A parameter says what its dimensions are ("embed", "mlp", ...) where it is made; the step does not know how many chips
there are.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from rsfm.errors import UserError, lookup

MESH_AXES = ("data", "fsdp", "tensor", "expert")

LOGICAL_AXES: dict[str, str | tuple[str, ...] | None] = {
    "batch": ("data", "fsdp"),
    "embed": "fsdp",
    "mlp": "tensor",
    "heads": "tensor",
    "vocab": "tensor",
    "expert": "expert",
    "layers": None,
}


def make_mesh(shape: Sequence[int], devices: Sequence[jax.Device] | None = None) -> Mesh:
    """A mesh over all devices with automatic partitioning.

    Args:
        shape: devices along MESH_AXES; one entry may be -1 and takes what is left.
        devices: all devices of all hosts if not given.
    """
    devices = jax.devices() if devices is None else devices
    sizes = _fill(tuple(shape), len(devices))
    return jax.make_mesh(sizes, MESH_AXES, axis_types=(AxisType.Auto,) * len(MESH_AXES), devices=devices)


def _fill(shape: tuple[int, ...], devices: int) -> tuple[int, ...]:
    known = int(np.prod([size for size in shape if size != -1]))
    legal = len(shape) == len(MESH_AXES) and shape.count(-1) <= 1 and all(size == -1 or size > 0 for size in shape)
    sizes = tuple(devices // known if size == -1 else size for size in shape) if legal else ()
    if not legal or int(np.prod(sizes)) != devices:
        raise UserError(
            f"train.mesh {shape}: expected {len(MESH_AXES)} sizes {MESH_AXES} whose product is the {devices} devices "
            "here, one of them may be -1. Set --train.mesh, for example --train.mesh=-1,1,1,1."
        )
    return sizes


@contextlib.contextmanager
def on_mesh(mesh: Mesh) -> Iterator[None]:
    """Within it, sharding constraints by bare PartitionSpec and Flax's logical names mean this mesh."""
    rules = [(name, axes) for name, axes in LOGICAL_AXES.items()]
    with jax.set_mesh(mesh), nnx.logical_axis_rules(rules):
        yield


def partition(mesh: Mesh, names: Sequence[str | None], shape: Sequence[int]) -> PartitionSpec:
    """The layout of one array. A dimension that its mesh axes do not divide stays whole; no mesh axis is used twice."""
    used: set[str] = set()
    entries: list[tuple[str, ...] | None] = []
    for name, size in zip(names, shape, strict=True):
        axes = _mesh_axes(name)
        fits = axes and not used & set(axes) and size % int(np.prod([mesh.shape[axis] for axis in axes])) == 0
        used |= set(axes) if fits else set()
        entries.append(axes if fits else None)
    return PartitionSpec(*entries)


def _mesh_axes(name: str | None) -> tuple[str, ...]:
    axes = lookup(LOGICAL_AXES, "logical axis", name) if name is not None else None
    return (axes,) if isinstance(axes, str) else axes or ()


def replicated(mesh: Mesh) -> NamedSharding:
    """The same array on every device."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """The leading axis over the data-parallel mesh axes."""
    return NamedSharding(mesh, PartitionSpec(LOGICAL_AXES["batch"]))


def batch_ways(mesh: Mesh) -> int:
    """Into how many parts a batch is cut."""
    return int(np.prod([mesh.shape[axis] for axis in _mesh_axes("batch")]))


def host_share(mesh: Mesh) -> tuple[int, int]:
    """(i, n): this process reads part i of n of every global batch. Hosts whose devices share a part read it alike."""
    ways = batch_ways(mesh)
    slices = batch_sharding(mesh).addressable_devices_indices_map((ways,)).values()
    rows = sorted({(index[0].start or 0) for index in slices if index is not None})
    return rows[0] // len(rows), ways // len(rows)


def to_global(batch: Any, mesh: Mesh) -> Any:
    """This process's rows of a batch (numpy) -> arrays over the whole mesh."""
    sharding, ways = batch_sharding(mesh), batch_ways(mesh)
    parts = host_share(mesh)[1]

    def place(leaf: np.ndarray) -> jax.Array:
        rows = leaf.shape[0] * parts
        if rows % ways:
            raise UserError(
                f"batch size {rows}: not a multiple of the {ways} ways of the mesh axes {LOGICAL_AXES['batch']}."
            )
        return jax.make_array_from_process_local_data(sharding, np.asarray(leaf), (rows, *leaf.shape[1:]))

    return jax.tree.map(place, batch)


def constrain_batch(tree: Any, axis: int = 0) -> Any:
    """Keeps `axis` of every leaf laid out as the batch inside a jitted step; nothing outside our mesh, as under pmap."""
    if jax.sharding.get_abstract_mesh().axis_names != MESH_AXES:
        return tree
    spec = PartitionSpec(*(None,) * axis, LOGICAL_AXES["batch"])
    return jax.tree.map(lambda leaf: jax.lax.with_sharding_constraint(leaf, spec), tree)
