"""train_pmap.py and train.py give the same losses over 20 steps, on eight devices."""

from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

from rsfm.data.root import REPOSITORY
from rsfm.errors import UserError
from rsfm.training.config import TrainConfig
from rsfm.training.engine import JitEngine
from rsfm.training.experiment import load_module
from rsfm.training.log import read_rows
from rsfm.training.run import run
from tests.training.standin import Stream, build, make_sample

PmapEngine = load_module(REPOSITORY / "experiments" / "train_pmap.py").PmapEngine
STREAMS = (("optical",), ("optical", "sar"))


def losses(folder: Path) -> list[float]:
    return [row["loss"] for row in read_rows(folder / "metrics.jsonl")]


def test_agrees_with_jit_over_twenty_steps(tmp_path: Path) -> None:
    """Rows differ in tokens and values, so the mean over devices of their mean losses would be another number."""
    config = TrainConfig(steps=20, accumulate=2, eval_every=20, eval_batches=2, average_decay=0.9)
    for name, engine in (("jit", partial(JitEngine, devices=jax.devices()[:1])), ("pmap", PmapEngine)):
        run(
            config,
            build,
            partial(Stream, batch=16, streams=STREAMS),
            tmp_path / name,
            validation=partial(Stream, batch=16),
            engine=engine,
        )
    np.testing.assert_allclose(losses(tmp_path / "pmap"), losses(tmp_path / "jit"), rtol=1e-5)
    held_out = [read_rows(tmp_path / name / "evaluation.jsonl")[0]["loss"] for name in ("pmap", "jit")]
    assert held_out[0] == pytest.approx(held_out[1], rel=1e-5)


def test_goes_on_from_a_checkpoint_of_the_other(tmp_path: Path) -> None:
    open_data = partial(Stream, batch=16)
    run(TrainConfig(steps=3), build, open_data, tmp_path, engine=partial(JitEngine, devices=jax.devices()[:1]))
    trained = run(TrainConfig(steps=5), build, open_data, tmp_path, engine=PmapEngine)
    assert len(losses(tmp_path)) == 5 and int(trained.state.step) == 5


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    engine = PmapEngine(TrainConfig(), build)
    with pytest.raises(UserError, match="not a multiple of the 8 devices"):
        engine.step(engine.adopt(engine.create()), make_sample(0, batch=6))
