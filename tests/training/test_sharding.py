"""Logical names to mesh axes, arrays born in their layout, one compile a structure of batch."""

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from rsfm.errors import UserError
from rsfm.training.config import TrainConfig
from rsfm.training.engine import JitEngine
from rsfm.training.sharding import LOGICAL_AXES, MESH_AXES, batch_ways, host_share, make_mesh, partition
from tests.training.standin import build, make_sample


def test_mesh_takes_the_devices_that_are_left() -> None:
    mesh = make_mesh((-1, 2, 1, 1))
    assert dict(mesh.shape) == {"data": 4, "fsdp": 2, "tensor": 1, "expert": 1}
    assert batch_ways(mesh) == 8 and host_share(mesh) == (0, 1)


@pytest.mark.parametrize("shape", [(3, 1, 1, 1), (-1, -1, 1, 1), (-1, 16, 1, 1), (8, 1, 1), (0, 1, 1, 1)], ids=str)
def test_impossible_meshes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="whose product is the 8 devices"):
        make_mesh(shape)


def test_the_table_names_axes_of_the_mesh() -> None:
    axes = {axis for value in LOGICAL_AXES.values() for axis in ((value,) if isinstance(value, str) else value or ())}
    assert axes == set(MESH_AXES)


def test_partition_by_names() -> None:
    mesh = make_mesh((1, 2, 4, 1))
    assert partition(mesh, ("layers", "embed", "mlp"), (3, 16, 32)) == P(None, ("fsdp",), ("tensor",))
    assert partition(mesh, ("embed", "mlp"), (16, 30)) == P(("fsdp",), None)  # 30 is not cut in 4
    assert partition(mesh, ("heads", "vocab"), (8, 8)) == P(("tensor",), None)  # tensor is taken
    assert partition(mesh, (None,), (8,)) == P(None)
    with pytest.raises(UserError, match="Did you mean 'embed'"):
        partition(mesh, ("embd",), (8,))


def test_state_is_born_in_its_layout_and_keeps_it() -> None:
    engine = JitEngine(TrainConfig(mesh=(2, 2, 2, 1), average_decay=0.9), build)
    state = engine.create()
    kernel = state.params["layers"]["up"]["kernel"]
    assert kernel.sharding.spec == P(None, ("fsdp",), ("tensor",)) and kernel.addressable_shards[0].data.shape == (
        2,
        8,
        16,
    )
    assert (
        state.optimizer[1].mu["layers"]["up"]["kernel"].sharding
        == kernel.sharding
        == state.average["layers"]["up"]["kernel"].sharding
    )
    after, _ = engine.step(state, make_sample(0))
    layouts = [jax.tree.map(lambda leaf: leaf.sharding, tree) for tree in (after, engine.abstract())]
    assert jax.tree.leaves(layouts[0]) == jax.tree.leaves(layouts[1])


def test_initial_weights_do_not_depend_on_the_mesh() -> None:
    one, other = (JitEngine(TrainConfig(mesh=shape), build).create().params for shape in ((8, 1, 1, 1), (1, 2, 4, 1)))
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_one_compile_a_structure() -> None:
    engine = JitEngine(TrainConfig(mesh=(2, 2, 2, 1)), build)
    state, compiles = engine.create(), []
    count = lambda name, *_, **__: compiles.append(name) if name.endswith("backend_compile_duration") else None  # noqa: E731
    samples = [make_sample(i, streams=streams) for i, streams in enumerate([("optical",), ("optical", "sar")])]
    for sample in samples:
        state, _ = engine.step(state, sample)
    jax.monitoring.register_event_duration_secs_listener(count)
    for i in range(6):
        state, _ = engine.step(state, samples[i % 2])
    assert engine.compiled == 2 and not compiles


def test_a_batch_that_cannot_be_cut_is_refused() -> None:
    engine = JitEngine(TrainConfig(), build)
    with pytest.raises(UserError, match="batch size 6: not a multiple of the 8 ways"):
        engine.step(engine.create(), make_sample(0, batch=6))
