"""The same step under jax.pmap, to compare with train.py:  python experiments/train_pmap.py debug --out runs/pmap [...]

Every device holds the whole state and a share of the batch; gradients are summed over devices with psum. One process
only, no mesh: train.mesh is not read. Both ways agree to 1e-5 over 20 steps (tests/training/test_pmap.py), with one
exception: the router's balance and z-loss are of one device's tokens here and of the whole batch there. To compare the
rest, give both --train.loss.weights.balance 0 --train.loss.weights.z_loss 0.
"""

import sys
from pathlib import Path

import jax
import tyro

from rsfm import cli
from rsfm.commands.train import train_config
from rsfm.errors import UserError
from rsfm.training.config import TrainConfig
from rsfm.training.optimizer import make_optimizer, make_schedule
from rsfm.training.state import Build, TrainState, create_state, state_options
from rsfm.training.step import Metrics, make_eval_step, make_train_step
from rsfm.types import Sample

AXIS = "devices"


class PmapEngine:
    """`jax.pmap` over the devices of one process. Arrays of the state and the batch have a leading axis of devices."""

    def __init__(self, config: TrainConfig, build: Build) -> None:
        if jax.process_count() > 1:
            raise UserError("train_pmap.py runs in one process. Use train.py on several hosts.")
        self.devices, self.compiled = jax.local_device_count(), 0
        optimizer = make_optimizer(config.optimizer, build)
        schedule = make_schedule(config.optimizer, config.steps)
        step = make_train_step(config, optimizer, schedule, device_axis=AXIS)
        evaluate = make_eval_step(config)
        self._new = lambda: create_state(build, optimizer, **state_options(config))

        def counted(state: TrainState, sample: Sample) -> tuple[TrainState, Metrics]:
            self.compiled += 1  # runs when JAX traces, once a structure of batch
            return step(state, sample)

        self._step = jax.pmap(counted, axis_name=AXIS, donate_argnums=0)
        self._evaluate = jax.pmap(lambda *args: jax.lax.psum(evaluate(*args), AXIS), axis_name=AXIS)

    @property
    def host(self) -> tuple[int, int]:
        """This process reads whole batches."""
        return 0, 1

    def create(self) -> TrainState:
        """A new state on one device."""
        return jax.jit(self._new)()

    def abstract(self) -> TrainState:
        """Shapes of the state, for restoring into it."""
        here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        return jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=here), jax.eval_shape(self._new))

    def adopt(self, state: TrainState) -> TrainState:
        """A copy of the state on every device."""
        copy = jax.pmap(lambda whole, _: whole, in_axes=(None, 0), axis_size=self.devices)
        return copy(state, jax.numpy.arange(self.devices))

    def release(self, state: TrainState) -> TrainState:
        """The first device's copy."""
        return jax.tree.map(lambda leaf: leaf[0], state)

    def step(self, state: TrainState, batch: Sample) -> tuple[TrainState, Metrics]:
        """One step on a whole batch (numpy)."""
        state, metrics = self._step(state, self._share(batch))
        return state, jax.tree.map(lambda leaf: leaf[0], metrics)

    def evaluate(self, state: TrainState, batch: Sample) -> tuple[Metrics, Metrics]:
        """Sums of losses and what they are sums over, without learning."""
        return jax.tree.map(lambda leaf: leaf[0], self._evaluate(state, self._share(batch)))

    def _share(self, batch: Sample) -> Sample:
        rows = batch.text_ids.shape[0]
        if rows % self.devices:
            raise UserError(f"batch size {rows}: not a multiple of the {self.devices} devices.")
        return jax.tree.map(lambda leaf: leaf.reshape(self.devices, -1, *leaf.shape[1:]), batch)


def train(
    config: tyro.conf.Positional[str],
    *,
    out: Path,
    resume: bool = False,
    change: bool = False,
    overrides: tuple[str, ...] = (),
) -> int:
    """Trains a model under jax.pmap, to compare with experiments/train.py.

    Example:
        python experiments/train_pmap.py debug --out runs/pmap --train.steps 20

    Args:
        config: a name in experiments/configs, a Python file that defines CONFIG, or a run's config.json.
        out: run folder.
        resume: go on from the last state in the run folder.
        change: with --resume: go on though the config is another than the run was started with.
        overrides: fields of the config by dotted name.
    """
    program = "python experiments/train_pmap.py"
    return train_config(
        config, out, resume=resume, change=change, overrides=overrides, engine=PmapEngine, program=program
    )


if __name__ == "__main__":
    sys.exit(cli.exit_code(lambda: cli.call(train, "train_pmap.py", sys.argv[1:])))
