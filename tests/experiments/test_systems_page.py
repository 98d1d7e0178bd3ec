"""The page of the systems: numbers of rows, which way is better, what was not run and what is missing; no run is made twice."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.systems import runs
from experiments.systems.baselines import Prior
from experiments.systems.catalogue import SYSTEMS
from experiments.systems.page import page, verdict
from experiments.systems.scores import Spread, ranked
from rsfm.errors import UserError
from rsfm.scoring.results import Result, append_rows
from rsfm.tasks import TASKS
from rsfm.types import Mask, Record, Value

ROW: dict[str, Any] = {
    "config": "systems/geoclip",
    "command": "python -m experiments.systems run geoclip --seeds 0",
    "dataset": "fuel_moisture",
    "split": "test",
    "protocol": "published",
    "metric": "median error km",
    "n": 735,
}


def row(model: str, value: float, seed: int = 0, **changes: Any) -> Result:
    return Result(**{**ROW, "model": model, "value": value, "seeds": (seed,), **changes})


ROWS = [row("baselines: middle", 900.0), row("with, seed 0", 300.0), row("with, seed 1", 500.0, 1)]
ROWS += [row("without, seed 0", 450.0), row("without, seed 1", 450.0, 1)]


def test_every_system_stands_on_the_page_once() -> None:
    text = page(ROWS)
    assert [name for name, system in SYSTEMS.items() if text.count(f"| {system.title} |") != 1] == []
    with_row, waiting, missing = text.split("\n## ")[0], text.split("not run yet\n")[1], text.split("## Missing")[1]
    assert "| GeoCLIP |" in with_row and "| RingMo |" in waiting and "| Emu3 |" in missing


def test_a_system_is_either_written_or_missing_something() -> None:
    written = set(runs.names())
    assert len(SYSTEMS) == 36
    assert [name for name, system in SYSTEMS.items() if bool(system.missing) == (name in written)] == []


def test_seeds_are_averaged_between_their_ends() -> None:
    line = next(line for line in page(ROWS).splitlines() if line.startswith("| GeoCLIP |"))
    assert "| 400.00 [300.00, 500.00] | 450.00 [450.00, 450.00] | 900.00 | 0 1 |" in line


def test_less_error_and_more_accuracy_are_better() -> None:
    assert "1 have the better mean with their mechanism, 0 of them by more than the intervals, and 1" in verdict(
        {"geoclip": ROWS}
    )
    apart = [row("baselines: middle", 900.0), row("with, seed 0", 300.0), row("without, seed 0", 450.0)]
    assert "1 have the better mean with their mechanism, 1 of them by more" in verdict({"geoclip": apart})
    shares = [dataclasses.replace(each, metric="accuracy", value=each.value / 1000) for each in ROWS]
    assert "0 have the better mean with their mechanism, 0 of them by more than the intervals, and 0" in verdict(
        {"geoclip": shares}
    )
    assert "Of 0 systems" in verdict({"geoclip": ROWS[:2]})


def test_what_has_its_row_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, asked = tmp_path / "systems.jsonl", []
    append_rows(out, ROWS)

    def scored(name: str, side: str, seed: int, *_: Any) -> dict[str, Any]:
        asked.append((side, seed))
        return {"metric": "median error km", "value": 1.0, "low": 1.0, "high": 1.0, "n": 735}

    monkeypatch.setattr(runs, "trained_score", scored)
    monkeypatch.setattr(runs, "opener", lambda config: None)
    runs.run_all(["geoclip"], [0, 1, 2], runs=tmp_path, out=out)
    assert asked == [("CONFIG", 2), ("WITHOUT", 2)]
    runs.run_all(["geoclip"], [2], runs=tmp_path, out=out)
    assert len(asked) == 2 and len(runs.known_rows(out)) == 7
    with pytest.raises(UserError, match="No config of a system 'nobody'"):
        runs.run("nobody", 0, runs=tmp_path, out=out)


def record(scene: str, value: float) -> Record:
    mask = Mask(class_index=np.array([[0, 1, 1]]), legend=("water", "trees"))
    return Record(
        id=scene, observations={}, scene=scene, values=(Value(name="height", value=value, unit="m"),), mask=mask
    )


def test_the_prior_says_what_training_says_most() -> None:
    known = [record("airport", 1.0), record("forest", 2.0), record("forest", 6.0)]
    named = Prior(TASKS["scene"], known).answer(known[0], "What scene is this?")
    assert named.text == "forest ."
    numbered = Prior(TASKS["regression"], known).answer(known[0], "How high?")
    assert [value.value for value in numbered.values] == [3.0]
    mapped = Prior(TASKS["segmentation"], known).answer(known[0], "").mask
    assert mapped is not None and (mapped.class_index == 1).all()


def test_records_are_spread_over_the_whole_set() -> None:
    records = [record(str(i), 0.0) for i in range(9)]
    assert [each.id for each in Spread(records, 3)] == ["0", "4", "8"] and len(Spread(records, 0)) == 9


def test_a_sentence_next_to_its_picture_is_found() -> None:
    right = ranked("mR", np.eye(20), np.arange(20))["value"]
    assert right == 100 and ranked("mR", np.roll(np.eye(20), 1, axis=0), np.arange(20))["value"] < 50
