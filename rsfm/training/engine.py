"""What runs the step on devices: here jax.jit over a mesh; experiments/train_pmap.py has the other way to compare with.

State and batch have a layout from the start and keep it, so every structure of batch compiles once.
"""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from jax.sharding import NamedSharding

from rsfm.training.config import TrainConfig
from rsfm.training.optimizer import abstract_model, axis_names, make_optimizer, make_schedule
from rsfm.training.sharding import (
    batch_sharding,
    batch_ways,
    host_share,
    make_mesh,
    on_mesh,
    partition,
    replicated,
    to_global,
)
from rsfm.training.state import Build, TrainState, create_state, dotted, parameter_table, state_options
from rsfm.training.step import Metrics, make_eval_step, make_train_step
from rsfm.types import Sample


@runtime_checkable
class Engine(Protocol):
    """How the loop talks to devices. A state given to `step` is used up; `compiled` counts the step's executables."""

    compiled: int

    @property
    def host(self) -> tuple[int, int]: ...

    def create(self) -> TrainState: ...

    def abstract(self) -> TrainState: ...

    def adopt(self, state: TrainState) -> TrainState: ...

    def release(self, state: TrainState) -> TrainState: ...

    def step(self, state: TrainState, batch: Sample) -> tuple[TrainState, Metrics]: ...

    def evaluate(self, state: TrainState, batch: Sample) -> tuple[Metrics, Metrics]: ...


class JitEngine:
    """`jax.jit` with NamedSharding over the mesh (data, fsdp, tensor, expert) of the config.

    Args:
        config: of training.
        build: makes the model.
        devices: to lay the mesh on; all of all hosts if not given.

    Attributes:
        mesh: see rsfm.training.sharding.
        layout: a NamedSharding for every array of the state.
        compiled: how often the training step has been compiled.
    """

    def __init__(self, config: TrainConfig, build: Build, *, devices: Sequence[jax.Device] | None = None) -> None:
        self.mesh = make_mesh(config.mesh, devices)
        self.optimizer = make_optimizer(config.optimizer, build)
        self._new = lambda: create_state(build, self.optimizer, **state_options(config))
        self._shapes = jax.eval_shape(self._new)
        self.layout = state_layout(self._shapes, build, self.mesh)
        batch, whole = batch_sharding(self.mesh), replicated(self.mesh)
        train_step = make_train_step(config, self.optimizer, make_schedule(config.optimizer, config.steps))
        self.compiled = 0

        def counted(state: TrainState, sample: Sample) -> tuple[TrainState, Metrics]:
            self.compiled += 1  # runs when JAX traces, once a structure of batch
            return train_step(state, sample)

        self._step = jax.jit(
            counted, in_shardings=(self.layout, batch), out_shardings=(self.layout, whole), donate_argnums=0
        )
        self._evaluate = jax.jit(make_eval_step(config), in_shardings=(self.layout, batch), out_shardings=whole)

    @property
    def host(self) -> tuple[int, int]:
        """(i, n): this process reads part i of n of every batch."""
        return host_share(self.mesh)

    @property
    def ways(self) -> int:
        """Into how many parts a batch is cut."""
        return batch_ways(self.mesh)

    def create(self) -> TrainState:
        """A new state, each array born in its layout."""
        with on_mesh(self.mesh):
            return jax.jit(self._new, out_shardings=self.layout, compiler_options=_quick_compile())()

    def abstract(self) -> TrainState:
        """Shapes and layouts of the state, for restoring into it."""
        return jax.tree.map(
            lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
            self._shapes,
            self.layout,
        )

    def adopt(self, state: TrainState) -> TrainState:
        """A state of global arrays -> the state as `step` takes it."""
        return state

    def release(self, state: TrainState) -> TrainState:
        """The state as `step` gives it -> a state of global arrays."""
        return state

    def step(self, state: TrainState, batch: Sample) -> tuple[TrainState, Metrics]:
        """One step on this process's rows of a batch (numpy). Metrics are left on the devices."""
        with on_mesh(self.mesh):
            return self._step(state, to_global(batch, self.mesh))

    def evaluate(self, state: TrainState, batch: Sample) -> tuple[Metrics, Metrics]:
        """Sums of losses and what they are sums over, without learning."""
        with on_mesh(self.mesh):
            return self._evaluate(state, to_global(batch, self.mesh))


def state_layout(shapes: TrainState, build: Build, mesh: jax.sharding.Mesh) -> TrainState:
    """A NamedSharding for every array of the state: parameters by their logical names, moments like them."""
    table = parameter_table(abstract_model(build))

    def lay(path: tuple[Any, ...], leaf: jax.ShapeDtypeStruct) -> NamedSharding:
        name = next((dotted(path[i:]) for i in range(len(path)) if dotted(path[i:]) in table), None)
        if name is None:
            return replicated(mesh)
        return NamedSharding(mesh, partition(mesh, axis_names(table[name]), leaf.shape))

    return jax.tree_util.tree_map_with_path(lay, shapes)


def _quick_compile() -> dict[str, int] | None:
    """For what runs once: half the time to compile on a CPU. Other backends know no such option."""
    return {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None


def to_floats(metrics: Metrics) -> dict[str, float]:
    """Metrics on the host. Waits for the step that made them."""
    return {name: float(np.asarray(value)) for name, value in jax.device_get(metrics).items()}
