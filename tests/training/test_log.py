"""Rows of metrics: one a step, valid JSON whatever the numbers, cut to the checkpoint on resuming, never half."""

import json
import math
from pathlib import Path

import jax.numpy as jnp

from rsfm.training.log import RunLog, keep_rows, read_rows, tidy


def metrics(loss: float) -> dict:
    return {"loss": jnp.asarray(loss), "loss_mask": jnp.asarray(math.nan), "learning_rate": jnp.asarray(0.1)}


def test_a_row_is_written_when_the_next_step_has_started(tmp_path: Path) -> None:
    with RunLog(tmp_path, start=0, steps=3) as log:
        for step in (1, 2):
            log.step(step, metrics(step), samples=4, compiled=1)
            assert len(read_rows(tmp_path / "metrics.jsonl")) == step - 1
    rows = read_rows(tmp_path / "metrics.jsonl")
    assert [(row["step"], row["loss"]) for row in rows] == [(1, 1.0), (2, 2.0)]
    assert "loss_mask" not in rows[0] and rows[0]["samples_per_second"] > 0


def test_json_has_no_nan() -> None:
    row = tidy({"loss": math.nan, "gradient_norm": math.inf, "loss_value": math.nan, "loss_text": 1.0})
    assert row == {"loss": None, "gradient_norm": None, "loss_text": 1.0}
    json.dumps(row, allow_nan=False)


def test_resuming_drops_what_will_be_made_again(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')
    keep_rows(path, 2)
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n'
    keep_rows(tmp_path / "absent.jsonl", 2)
    assert not (tmp_path / "absent.jsonl").exists()


def test_other_processes_write_nothing(tmp_path: Path) -> None:
    with RunLog(tmp_path, start=0, steps=1, primary=False) as log:
        log.step(1, metrics(1.0), samples=4, compiled=1)
    assert not list(tmp_path.iterdir()) and log.last["loss"] == 1.0
