"""A sweep: every combination from every seed once, nothing run twice, mistakes before the first run, and the numbers put together."""

import json
from pathlib import Path

import pytest

from rsfm.errors import UserError
from rsfm.training.experiment import load_config
from rsfm.training.sweep import SCORE, Trial, last_loss, read_values, sweep, trials

VALUES = {"train.optimizer.learning_rate": ["1e-3", "5e-3"], "model.encoder.depth": ["1", "2"]}


def test_words_name_fields_and_values() -> None:
    assert read_values(["a.b=1,2", "c=x"]) == {"a.b": ["1", "2"], "c": ["x"]}
    for wrong in (["a"], ["a="], ["=1"], ["a=1", "a=2"]):
        with pytest.raises(UserError, match="expected a field and its values, each field once"):
            read_values(wrong)


def test_every_combination_from_every_seed(tmp_path: Path) -> None:
    made = trials(load_config("debug"), VALUES, [0, 7], tmp_path)
    assert len(made) == 8 == len({trial.folder for trial in made})
    for trial in made:
        rate, depth = (value for _, value in trial.values)
        assert trial.config.train.optimizer.learning_rate == float(rate)
        assert trial.config.model.encoder.depth == int(depth) and trial.config.train.seed == trial.seed


def test_the_seed_reaches_every_stage(tmp_path: Path) -> None:
    (trial,) = trials(load_config("systems/ringmo"), {}, [5], tmp_path)
    assert {stage.train.seed for stage in trial.config.stages} == {5}


def test_mistakes_are_found_before_the_first_run(tmp_path: Path) -> None:
    debug = load_config("debug")
    with pytest.raises(UserError, match="Did you mean 'steps'"):
        trials(debug, {"train.stps": ["1"]}, [0], tmp_path)
    with pytest.raises(UserError, match="expected int, found 'many'"):
        trials(debug, {"train.steps": ["10", "many"]}, [0], tmp_path)
    with pytest.raises(UserError, match="share a folder"):
        trials(debug, {"train.steps": ["10", "10"]}, [0], tmp_path)


def test_what_has_a_score_is_not_run_again_and_what_failed_is(tmp_path: Path) -> None:
    wanted = trials(load_config("debug"), {"train.steps": ["1", "2"]}, [0, 1], tmp_path)
    run: list[Path] = []

    def score(trial: Trial) -> float:
        run.append(trial.folder)
        if len(run) == 3:
            raise KeyboardInterrupt
        return trial.config.train.steps + 10.0 * trial.seed

    with pytest.raises(KeyboardInterrupt):
        sweep(wanted, score)
    lines = sweep(wanted, score)
    assert run == [trial.folder for trial in wanted[:3]] + [trial.folder for trial in wanted[2:]]
    assert [(line.mean, line.low, line.high, line.seeds) for line in lines] == [(6, 1, 11, 2), (7, 2, 12, 2)]
    assert json.loads((wanted[0].folder / SCORE).read_text())["values"] == {"train.steps": "1"}


def test_the_loss_at_the_end(tmp_path: Path) -> None:
    log = tmp_path / "1-first" / "metrics.jsonl"
    log.parent.mkdir()
    log.write_text("".join(json.dumps({"step": i, "loss": float(i)}) + "\n" for i in range(1, 21)))
    assert last_loss(tmp_path) == 19.5
    log.with_name("evaluation.jsonl").write_text(json.dumps({"step": 20, "loss": 3.0}) + "\n")
    assert last_loss(tmp_path) == 3.0
    with pytest.raises(UserError, match="no row of metrics"):
        last_loss(tmp_path / "nothing")
