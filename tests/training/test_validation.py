"""The best state of a run is its result, a run that learns no more ends, and a resumed one decides as if never stopped."""

import dataclasses
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

from rsfm.errors import UserError
from rsfm.tasks import TASKS
from rsfm.training.checkpoint import read_weights
from rsfm.training.config import TrainConfig
from rsfm.training.engine import JitEngine
from rsfm.training.run import Trained, run
from rsfm.training.state import TrainState, model_arrays
from rsfm.training.validation import first_score, higher_is_better
from tests.training.standin import Stream, build

ENGINE = partial(JitEngine, devices=jax.devices()[:1])
CONFIG = TrainConfig(steps=8, save_every=3, eval_every=1, eval_batches=1, watch="task/score")


def scores(of: Callable[[int], float]) -> Callable[[TrainState], dict[str, float]]:
    return lambda state: {"task/score": of(int(state.step))}


def trained(folder: Path, of: Callable[[int], float], *, higher: bool = True, **changes) -> Trained:
    config = dataclasses.replace(CONFIG, **changes)
    return run(config, build, Stream, folder, validation=Stream, scores=scores(of), higher=higher, engine=ENGINE)


def weights(found: Trained) -> dict[str, np.ndarray]:
    return {name: np.asarray(array) for name, array in model_arrays(found.state).items()}


def steps(folder: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (folder / "evaluation.jsonl").read_text().splitlines()]


def test_the_best_state_is_the_result_and_what_is_read_from_the_folder(tmp_path: Path) -> None:
    best = trained(tmp_path / "whole", lambda step: -abs(step - 5))
    short = run(dataclasses.replace(CONFIG, watch="", stop_after=5), build, Stream, tmp_path / "short", engine=ENGINE)
    assert int(best.state.step) == 5 and steps(tmp_path / "whole") == list(range(1, 9))
    assert all(np.array_equal(weights(best)[name], array) for name, array in weights(short).items())
    assert all(np.array_equal(read_weights(tmp_path / "whole")[name], array) for name, array in weights(best).items())


def test_lower_is_better_where_it_is_and_the_first_of_equals_stays(tmp_path: Path) -> None:
    assert int(trained(tmp_path / "a", lambda step: abs(step - 3), higher=False).state.step) == 3
    assert int(trained(tmp_path / "b", lambda step: 1.0).state.step) == 1
    assert int(trained(tmp_path / "c", lambda step: float("nan") if step < 4 else 0.1).state.step) == 4


def test_a_run_that_learns_no_more_ends_and_stays_ended(tmp_path: Path) -> None:
    ended = trained(tmp_path, lambda step: -abs(step - 2), patience=3)
    assert steps(tmp_path) == [1, 2, 3, 4, 5] and int(ended.state.step) == 2 and ended.exit_code == 0
    again = trained(tmp_path, lambda step: 100.0, patience=3)
    assert steps(tmp_path) == [1, 2, 3, 4, 5] and int(again.state.step) == 2


def test_a_resumed_run_decides_as_one_that_was_never_stopped(tmp_path: Path) -> None:
    def of(step: int) -> float:
        return {2: 0.9, 6: 0.95}.get(step, 0.1)

    whole = trained(tmp_path / "whole", of)
    trained(tmp_path / "parts", of, stop_after=4)
    rows = (tmp_path / "parts" / "evaluation.jsonl").open("a")
    rows.write(json.dumps({"step": 5, "loss": 1.0, "task/score": 9.0}) + "\n")  # of steps that will be made again
    rows.close()
    parts = trained(tmp_path / "parts", of)
    assert int(whole.state.step) == int(parts.state.step) == 6
    assert all(np.array_equal(weights(parts)[name], array) for name, array in weights(whole).items())
    assert (tmp_path / "parts" / "evaluation.jsonl").read_text() == (
        tmp_path / "whole" / "evaluation.jsonl"
    ).read_text()


def test_a_score_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Did you mean 'task/score'"):
        trained(tmp_path, lambda step: 1.0, watch="task/scores")


def test_tasks_say_which_way_is_better() -> None:
    assert first_score(("segmentation", "scene"), TASKS) == "segmentation/miou" and first_score((), TASKS) == ""
    assert higher_is_better("segmentation/miou", TASKS) and higher_is_better("scene/accuracy", TASKS)
    assert not higher_is_better("loss", TASKS) and not higher_is_better("regression/rmse", TASKS)
