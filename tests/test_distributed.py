"""Two processes of four devices each, over loopback, equal one process with eight; SIGTERM to one stops both."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rsfm.training.log import read_rows

STEPS = 8


def launch(folder: Path, processes: int, *words: str, stderr: int | None = None) -> list[subprocess.Popen]:
    """The worker on 8 devices, shared by so many processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = dict(os.environ, XLA_FLAGS=f"--xla_force_host_platform_device_count={8 // processes}")
    if processes > 1:
        env |= {
            "RSFM_COORDINATOR": f"127.0.0.1:{port}",
            "RSFM_PROCESSES": str(processes),
            "JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo",
        }
    command = [sys.executable, "-m", "tests.training.worker", str(folder), str(STEPS), *words]
    ranks = [env | {"RSFM_PROCESS": str(rank)} for rank in range(processes)]
    return [subprocess.Popen(command, env=own, stderr=stderr) for own in ranks]


def lines_of(worker: subprocess.Popen) -> list[str]:
    """What it said on stderr, but for progress and what the run log says of steps."""
    assert worker.stderr is not None
    words = worker.stderr.read().decode().replace("\r", "\n").splitlines()
    return [
        line
        for line in words
        if line.strip() and "step" not in line.split("rsfm:")[0] and "spmd_partitioner" not in line
    ]


def finish(workers: list[subprocess.Popen]) -> list[int]:
    try:
        return [worker.wait(timeout=300) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()


def losses(folder: Path) -> list[float]:
    return [row["loss"] for row in read_rows(folder / "metrics.jsonl")]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    assert finish(launch(folder, 1, "--export", str(folder / "weights.npz"))) == [0]
    return folder


@pytest.mark.parametrize("mesh", ["2,2,2,1"])
def test_two_processes_equal_one(mesh: str, alone: Path, tmp_path: Path) -> None:
    assert finish(launch(tmp_path, 2, "--mesh", mesh, "--export", str(tmp_path / "weights.npz"))) == [0, 0]
    assert len(losses(tmp_path)) == STEPS
    np.testing.assert_allclose(losses(tmp_path), losses(alone), rtol=1e-5)
    with np.load(tmp_path / "weights.npz") as ours, np.load(alone / "weights.npz") as theirs:
        assert set(ours) == set(theirs)
        for name in theirs:  # what the first process gathers of both is the whole model
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_sigterm_to_one_stops_both_and_one_process_goes_on(alone: Path, tmp_path: Path) -> None:
    workers = launch(tmp_path, 2, "--pause", "0.5")
    limit = time.monotonic() + 200
    while not losses(tmp_path):
        assert time.monotonic() < limit and all(worker.poll() is None for worker in workers)
        time.sleep(0.05)
    workers[1].send_signal(signal.SIGTERM)
    assert finish(workers) == [128 + signal.SIGTERM] * 2
    assert 0 < len(losses(tmp_path)) < STEPS
    assert finish(launch(tmp_path, 1)) == [0]
    assert len(losses(tmp_path)) == STEPS
    np.testing.assert_allclose(losses(tmp_path), losses(alone), rtol=1e-5)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
@pytest.mark.parametrize("victim", [0, 1])
def test_where_one_dies_or_stands_still_the_other_ends_in_one_line(
    victim: int, number: int, alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RSFM_HEARTBEAT", "10")
    workers = launch(tmp_path, 2, "--pause", "0.5", "--save_every", "2", stderr=subprocess.PIPE)
    limit = time.monotonic() + 300
    while len(losses(tmp_path)) < 3:
        assert time.monotonic() < limit and all(worker.poll() is None for worker in workers)
        time.sleep(0.05)
    before = time.monotonic()
    workers[victim].send_signal(number)
    other = workers[1 - victim]
    try:
        assert other.wait(timeout=60) == 75
        assert time.monotonic() - before < (5 if number == signal.SIGKILL else 20)
        (line,) = lines_of(other)
        assert line.startswith(f"rsfm: process {victim} of 2 ") and line.endswith("from the last checkpoint.")
        if number == signal.SIGSTOP:  # it wakes up alone
            workers[victim].send_signal(signal.SIGCONT)
            assert workers[victim].wait(timeout=60) == 75 and len(lines_of(workers[victim])) == 1
    finally:
        for worker in workers:
            worker.kill()
    assert finish(launch(tmp_path, 1)) == [0]
    np.testing.assert_allclose(losses(tmp_path), losses(alone), rtol=1e-5)
