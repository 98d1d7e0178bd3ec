"""What --resume refuses: another config, a state that is lost, a folder that another process trains; and lost training ends badly."""

import json
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

from rsfm.config import to_json
from rsfm.data.writing.lock import only_writer
from rsfm.errors import UserError
from rsfm.pytree import replace
from rsfm.training.config import OptimizerConfig, TrainConfig
from rsfm.training.engine import JitEngine
from rsfm.training.loop import load_config, train
from rsfm.training.resume import check_folder
from rsfm.training.run import run
from tests.training.standin import Stream, build

ENGINE = partial(JitEngine, devices=jax.devices()[:1])
CONFIG = TrainConfig(steps=6, save_every=2)


def a_run(folder: Path, rows: int, config: dict) -> Path:
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "metrics.jsonl").write_text("".join(f'{{"step": {i + 1}}}\n' for i in range(rows)))
    return folder


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("train.seed", 1, "train.seed 0 -> 1"),
        ("train.optimizer.learning_rate", 1.0, "train.optimizer.learning_rate .* -> 1.0"),
        ("train.steps", 7, "train.steps 20 -> 7"),
        ("train.freeze", ["encoder"], r"train.freeze \[\] -> \[\"encoder\"\]"),
        ("data.0.batch_size", 3, r"data\[0\].batch_size .* -> 3"),
        ("data.0.dataset", "mine", r"data\[0\].dataset"),
        ("data", [], "data .* -> "),
        ("model.encoder.depth", 9, "model.encoder.depth"),
        ("train.mesh", [2, 1, 1, 1], None),
        ("train.save_every", 7, None),
        ("train.keep", 7, None),
        ("train.stop_after", 7, None),
        ("validation", [], None),
    ],
)
def test_another_config_is_said_and_wants_change(path: str, value: object, said: str | None, tmp_path: Path) -> None:
    before = json.loads(json.dumps(to_json(load_config("debug"))))
    folder = a_run(tmp_path / "run", 1, before)
    after = json.loads(json.dumps(before))
    *parts, last = path.split(".")
    place = after
    for part in parts:
        place = place[int(part)] if isinstance(place, list) else place[part]
    place[last] = value
    check_folder(folder, before, resume=True)
    check_folder(folder, after, resume=True, change=True)
    if said is None:
        check_folder(folder, after, resume=True)
    else:
        with pytest.raises(UserError, match=f"{said}.*--change"):
            check_folder(folder, after, resume=True)
    assert json.loads((folder / "config.json").read_text()) == before


def test_a_run_whose_state_was_taken_away_does_not_start_anew(tmp_path: Path) -> None:
    young = a_run(tmp_path / "young", 4, {"train": {"save_every": 2}})
    check_folder(young, resume=True)  # killed before its first checkpoint was whole
    old = a_run(tmp_path / "old", 5, {"train": {"save_every": 2}})
    with pytest.raises(UserError, match="checkpoints/, which is empty, though metrics.jsonl reaches step 5"):
        check_folder(old, resume=True)
    (young / "checkpoints").rmdir()
    with pytest.raises(UserError, match="which is not there"):
        check_folder(young, resume=True)


def test_a_second_training_into_a_folder_is_refused(tmp_path: Path) -> None:
    with only_writer(tmp_path / "run"), pytest.raises(UserError, match="run: .* is writing there now"):
        train(load_config("debug"), tmp_path / "run")
    assert not list(tmp_path.iterdir())


class NaN(Stream):
    """Labels of the value head that are no numbers, in the batches from `first` to `last`."""

    first, last = 0, 1000

    def __next__(self):
        index, sample = self._next, super().__next__()
        if not self.first <= index < self.last:
            return sample
        nothing = np.full((8, 1), np.nan, np.float32)
        return replace(sample, targets={"value": dict(sample.targets["value"]) | {"value": nothing}})


def test_a_run_that_learns_nothing_ends_badly_and_early(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="10 of 10 steps were left out"):
        run(TrainConfig(steps=30), build, NaN, tmp_path / "run", engine=ENGINE)


def test_a_run_that_learned_in_few_of_its_steps_ends_badly(tmp_path: Path) -> None:
    late = type("Late", (NaN,), {"first": 2})
    with pytest.raises(UserError, match="4 of 6 steps were left out"):
        run(CONFIG, build, late, tmp_path / "run", engine=ENGINE)
    few = type("Few", (NaN,), {"first": 2, "last": 4})
    assert run(CONFIG, build, few, tmp_path / "few", engine=ENGINE).exit_code == 0


def test_a_rate_that_makes_the_weights_burst_ends_badly(tmp_path: Path) -> None:
    config = TrainConfig(steps=30, optimizer=OptimizerConfig(learning_rate=1e38, schedule="constant"))
    with pytest.raises(UserError, match="steps were left out since loss or gradient was not finite"):
        run(config, build, Stream, tmp_path / "run", engine=ENGINE)
