"""Runs that are killed again and again land on the losses of those that nobody touched."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize(("kills", "pairs"), [(3, 0), (10, 5)])
def test_nothing_is_lost_under_fire(kills: int, pairs: int, tmp_path: Path) -> None:
    words = ["--kills", str(kills), "--pairs", str(pairs), "--steps", "8", "--out", str(tmp_path)]
    environment = {**os.environ, "XLA_FLAGS": "", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "experiments.chaos", *words], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    row = json.loads(done.stdout)
    assert done.returncode == 0 and row["kills"] == kills and row["lost"] == 0, done.stderr[-2000:]
    assert row["of_one_of_two"] == (kills // pairs if pairs else 0)
