"""The second network of the step: frozen as training starts or following the student, on a mesh, in stages, through a stop."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

from rsfm.heads import HeadConfig
from rsfm.training.config import OptimizerConfig, TrainConfig
from rsfm.training.engine import JitEngine
from rsfm.training.experiment import Stage, load_config
from rsfm.training.log import read_rows
from rsfm.training.loop import train
from rsfm.training.state import model_arrays
from tests.training.standin import build, make_sample


@pytest.mark.parametrize("decay", [1.0, 0.5], ids=["frozen", "mean"])
def test_a_teacher_starts_as_the_student_and_is_frozen_or_follows(decay: float) -> None:
    config = TrainConfig(teacher_decay=decay, optimizer=OptimizerConfig(learning_rate=1e-2))
    engine = JitEngine(config, build, devices=jax.devices()[:1])
    state = engine.create()
    start = jax.device_get(state.params)
    state, _ = engine.step(state, make_sample(0))
    first = jax.device_get(state.params)
    for a, b, c in zip(*map(jax.tree.leaves, (start, first, jax.device_get(state.teacher))), strict=True):
        np.testing.assert_allclose(c, a if decay == 1 else (a + b) / 2, atol=1e-7)


def experiment() -> object:
    """The synthetic pictures of debug without their labels, in two stages: random projections, then a moving teacher."""
    debug = load_config("debug")
    head = HeadConfig(kind="reconstruction", options={"outputs": {"tokens": 0, "encoded": 0}, "width": 32, "depth": 1})
    source = dataclasses.replace(debug.data[0], tasks=(), objectives=("masked",), text_length=8)
    optimizer = OptimizerConfig(learning_rate=3e-3, warmup_steps=2)

    def stage(name: str, target: str, decay: float) -> Stage:
        hiding = {"places": 0.5, "edge": 8}
        objectives = {"masked": {"targets": [target], "hiding": hiding}}
        settings = {"optimizer": optimizer, "objectives": objectives, "teacher_decay": decay, "average_decay": 0.9}
        config = TrainConfig(steps=8, save_every=4, mesh=(2, 2, 2, 1), **settings)
        return Stage(name=name, data=(source,), train=config)

    model = dataclasses.replace(debug.model, heads={**debug.model.heads, "reconstruction": head})
    stages = (stage("projections", "tokens", 1.0), stage("mean", "encoded", 0.9))
    return dataclasses.replace(debug, model=model, stages=stages, data=(), validation=())


def stopped_at(config: object, step: int, which: int) -> object:
    stages = list(config.stages)
    stages[which] = dataclasses.replace(stages[which], train=dataclasses.replace(stages[which].train, stop_after=step))
    return dataclasses.replace(config, stages=tuple(stages[: which + 1]))


@pytest.mark.slow
def test_two_stages_stopped_and_resumed_in_each_are_bit_exact(tmp_path: Path) -> None:
    config = experiment()
    whole = train(config, tmp_path / "whole")
    for which in (0, 1):
        folder = tmp_path / f"stopped{which}"
        train(stopped_at(config, 4, which), folder)
        again = train(config, folder, resume=True)
        left, right = model_arrays(whole.state), model_arrays(again.state)
        assert all(np.array_equal(left[name], right[name]) for name in left)
        teachers = [jax.tree.leaves(jax.device_get(each.state.teacher)) for each in (whole, again)]
        assert all(np.array_equal(a, b) for a, b in zip(*teachers, strict=True))
    for stage, loss in (("1-projections", "loss_masked_tokens"), ("2-mean", "loss_masked_encoded")):
        rows = [row for row in read_rows(tmp_path / "whole" / stage / "metrics.jsonl") if loss in row]
        assert rows[-1][loss] < rows[0][loss]
