"""A run stopped at a random step and resumed gives the numbers of the run that was not, on fewer devices too."""

import gc
import json
import logging
import os
import random
import resource
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

from rsfm.errors import UserError
from rsfm.training.checkpoint import Checkpoints, read_weights
from rsfm.training.config import TrainConfig
from rsfm.training.engine import JitEngine
from rsfm.training.log import read_rows
from rsfm.training.resume import check_folder
from rsfm.training.run import run, run_folder
from rsfm.training.state import model_arrays
from tests.training.standin import Stream, build

STEPS = 12


def start(folder: Path, *words: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.training.worker", str(folder), str(STEPS), *words], env=dict(os.environ)
    )


def losses(folder: Path) -> list[float]:
    rows = read_rows(folder / "metrics.jsonl")
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    return [row["loss"] for row in rows]


def wait_for_rows(path: Path, count: int) -> None:
    limit = time.monotonic() + 120
    while len(read_rows(path)) < count:
        assert time.monotonic() < limit, f"{path} did not reach {count} rows"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    assert start(folder).wait() == 0
    return folder


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run told to stop somewhere on its way."""
    folder = tmp_path_factory.mktemp("stopped")
    process = start(folder, "--pause", "0.2")
    wait_for_rows(folder / "metrics.jsonl", random.randint(1, STEPS - 4))
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM
    saved = [int(path.name) for path in (folder / "checkpoints").iterdir()]
    assert saved == [len(read_rows(folder / "metrics.jsonl"))] and saved[0] < STEPS
    return folder


def copy(folder: Path, to: Path) -> Path:
    subprocess.run(["cp", "-r", str(folder), str(to)], check=True)
    return to


def test_stopped_and_resumed_is_the_same_to_the_last_digit(whole: Path, stopped: Path, tmp_path: Path) -> None:
    folder = copy(stopped, tmp_path / "run")
    assert start(folder).wait() == 0
    assert losses(folder) == losses(whole)


def test_eight_devices_to_four(whole: Path, stopped: Path, tmp_path: Path) -> None:
    folder = copy(stopped, tmp_path / "run")
    assert start(folder, "--devices", "4", "--mesh", "2,1,2,1").wait() == 0
    np.testing.assert_allclose(losses(folder), losses(whole), rtol=1e-5)


def test_a_killed_run_goes_on_from_its_last_checkpoint(whole: Path, tmp_path: Path) -> None:
    process = start(tmp_path, "--pause", "0.2", "--save_every", "2")
    wait_for_rows(tmp_path / "metrics.jsonl", 5)
    process.kill()
    process.wait()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 99, "lo')  # what a crash leaves
    assert start(tmp_path).wait() == 0
    assert losses(tmp_path) == losses(whole)


def test_the_run_folder_tells_what_was_done(whole: Path) -> None:
    row = read_rows(whole / "metrics.jsonl")[-1]
    names = {
        "step",
        "loss",
        "loss_text",
        "loss_value",
        "learning_rate",
        "gradient_norm",
        "samples_per_second",
        "compiled",
    }
    assert names <= set(row) and row["compiled"] == 2
    assert list((whole / "tensorboard").glob("events*")) and (whole / "config.json").exists()
    assert json.loads((whole / "trainable.json").read_text())["frozen_parameters"] == 0
    assert not list(whole.rglob("*.part")) and not list(whole.rglob("*orbax-checkpoint-tmp*"))


def test_weights_of_a_run_are_read_by_name(whole: Path) -> None:
    weights = read_weights(whole)
    with Checkpoints(whole / "checkpoints") as checkpoints:
        engine = JitEngine(TrainConfig(), partial(build, dropout=0.1), devices=jax.devices()[:1])
        state, position = checkpoints.restore(engine.abstract())
    assert position == {"next": STEPS} and int(state.step) == STEPS
    assert weights.keys() == model_arrays(state).keys()
    np.testing.assert_array_equal(weights["value.kernel"], state.params["value"]["kernel"])


def test_weights_of_a_run_are_the_averaged_ones_where_it_kept_them(tmp_path: Path) -> None:
    engine = partial(JitEngine, devices=jax.devices()[:1])
    config = TrainConfig(steps=3, average_decay=0.5, save_every=0)
    trained = run(config, build, Stream, tmp_path, engine=engine)
    weights, final = read_weights(tmp_path), nnx.to_flat_state(nnx.state(trained.model, nnx.Param))
    for path, param in final:  # what a run ends with, and exports, is the average
        np.testing.assert_array_equal(weights[".".join(map(str, path))], param[...])
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        state, _ = checkpoints.restore(engine(config, build).abstract())
    assert not np.array_equal(weights["value.kernel"], state.params["value"]["kernel"])
    assert weights.keys() == model_arrays(state).keys()


def test_validation_starts_from_the_same_place_each_time(tmp_path: Path) -> None:
    engine = partial(JitEngine, devices=jax.devices()[:1])
    config = TrainConfig(steps=4, eval_every=2, eval_batches=2)
    trained = run(config, build, Stream, tmp_path, validation=Stream, engine=engine)
    rows = read_rows(tmp_path / "evaluation.jsonl")
    assert [row["step"] for row in rows] == [2, 4] and rows[1]["loss"] < rows[0]["loss"]
    assert trained.exit_code == 0 and trained.last["step"] == 4


def test_a_folder_with_a_run_is_not_written_over(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Give --resume"):
        check_folder(whole, resume=False)
    check_folder(whole, resume=True)
    check_folder(tmp_path / "new", resume=False)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write the run .Not a directory"), run_folder(tmp_path / "file" / "run"):
        pass


def test_a_run_that_fails_before_its_first_step_leaves_nothing(tmp_path: Path) -> None:
    class Broken(Stream):
        def __next__(self):
            raise UserError("cannot read picture 3.")

    engine = partial(JitEngine, devices=jax.devices()[:1])
    with pytest.raises(UserError, match="cannot read picture 3"):
        run(TrainConfig(steps=4), build, Broken, tmp_path / "new" / "run", engine=engine)
    assert not list(tmp_path.iterdir())


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two checkpoints."""
    folder = tmp_path_factory.mktemp("twice") / "run"
    run(TrainConfig(steps=4, save_every=2), build, Stream, folder, engine=partial(JitEngine, devices=jax.devices()[:1]))
    return folder


def test_a_bit_that_flips_in_any_file_of_a_checkpoint_is_noticed(twice: Path, tmp_path: Path) -> None:
    """The checkpoint before is used, said, and gives the numbers of the run that nothing happened to."""
    newest = twice / "checkpoints" / "4"
    files = [path.relative_to(newest) for path in newest.rglob("*") if path.is_file()]
    assert "_CHECKPOINT_METADATA" in map(str, files) and len(files) > 8
    for i, file in enumerate(files):
        folder = copy(twice, tmp_path / str(i))
        flip(folder / "checkpoints" / "4" / file, random.randrange(8 * (newest / file).stat().st_size))
        with pytest.raises(UserError, match="SHA256SUMS|expected SHA-256"):
            read_weights(folder)
        with Checkpoints(folder / "checkpoints") as checkpoints:
            assert checkpoints.latest == 2, file
            assert "4 is damaged and was set aside as 4.damaged" in checkpoints.notes[0]


def test_a_run_goes_on_from_the_checkpoint_before_a_damaged_one(twice: Path, tmp_path: Path, capfd) -> None:
    folder = copy(twice, tmp_path / "run")
    flip(next((folder / "checkpoints" / "4" / "model").rglob("d/*")), 100)
    engine = partial(JitEngine, devices=jax.devices()[:1])
    trained = run(TrainConfig(steps=4, save_every=2), build, Stream, folder, engine=engine)
    assert trained.exit_code == 0 and "set aside as 4.damaged" in capfd.readouterr().err
    rows = [[row["loss"] for row in read_rows(place / "metrics.jsonl")] for place in (folder, twice)]
    assert rows[0] == rows[1] and len(rows[0]) == 4
    with Checkpoints(folder / "checkpoints") as checkpoints:
        assert checkpoints.latest == 4 and not checkpoints.notes
    for step in ("2", "4"):
        flip(next((folder / "checkpoints" / step / "training").rglob("d/*")), 100)
    with pytest.raises(UserError, match="no checkpoint is as it was written"):
        run(TrainConfig(steps=4, save_every=2), build, Stream, folder, engine=engine)
    assert len(read_rows(folder / "metrics.jsonl")) == 4


@pytest.mark.parametrize("limit", [600, 1500])
def test_a_full_disk_is_told_and_leaves_no_half_checkpoint(limit: int, tmp_path: Path, caplog) -> None:
    """A limit on the size of files stands for the disk: writing past it fails in the same places."""
    engine = partial(JitEngine, devices=jax.devices()[:1])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(UserError, match="cannot be written|could not be written") as caught:
            run(TrainConfig(steps=4, save_every=2), build, Stream, tmp_path / "run", engine=engine)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(caught.value) and str(tmp_path / "run") in str(caught.value)
    assert not list(tmp_path.rglob("*orbax-checkpoint-tmp*")) and not list(tmp_path.rglob("*.part"))
    assert (limit > 1000) == (tmp_path / "run").exists()
    gc.collect()  # where what nobody awaited would be told
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_checkpoint_of_another_model_is_refused(whole: Path) -> None:
    engine = JitEngine(TrainConfig(freeze=("layers",)), build, devices=jax.devices()[:1])
    with (
        Checkpoints(whole / "checkpoints") as checkpoints,
        pytest.raises(UserError, match="not a checkpoint of this model"),
    ):
        checkpoints.restore(engine.abstract())


def test_what_late_threads_of_a_failed_write_say_is_not_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """tensorstore calls back into an event loop that the failure of another array has closed."""
    printed: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: printed.append(error))
    before, other = sys.excepthook, RuntimeError("another")
    with Checkpoints(tmp_path / "checkpoints"):
        for error in (RuntimeError("Event loop is closed"), other):
            sys.excepthook(RuntimeError, error, None)
    assert printed == [other] and sys.excepthook is before
