"""The scripts for TPU slices, with a stand-in for gcloud that writes down what it is asked."""

import os
import subprocess
from pathlib import Path

import pytest

from rsfm.data.root import REPOSITORY

SCRIPTS = sorted((REPOSITORY / "tpu").glob("*.sh"))
GCLOUD = """#!/usr/bin/env bash
echo "$@" >> "$GCLOUD_LOG"
for word in "$@"; do case "$word" in --command=*) bash -n -c "${word#--command=}" ;; esac; done
"""


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    gcloud = tmp_path / "gcloud"
    gcloud.write_text(GCLOUD)
    gcloud.chmod(0o755)
    named = {
        "PROJECT": "p",
        "NAME": "pod",
        "ZONE": "z",
        "REPOSITORY": "https://example.org/rsfm.git",
        "ARGS": "--train.steps 5",
    }
    return dict(os.environ, PATH=f"{tmp_path}:{os.environ['PATH']}", GCLOUD_LOG=str(tmp_path / "log"), **named)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_syntax(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)


@pytest.mark.parametrize(
    ("script", "asked"),
    [
        ("create", "tpus tpu-vm create pod --project=p --zone=z --accelerator-type=v4-8"),
        ("setup", "tpu-vm ssh pod --project=p --zone=z --worker=all"),
        ("run", "experiments/train.py 'debug' --out 'runs/debug' --resume --train.steps 5"),
        ("logs", "--worker=0 --command=tail"),
        ("stop", "--worker=0 --command=kill -TERM"),
        ("delete", "tpu-vm delete pod --project=p --zone=z"),
    ],
)
def test_asks_gcloud(script: str, asked: str, env: dict[str, str]) -> None:
    subprocess.run([str(REPOSITORY / "tpu" / f"{script}.sh")], env=env, check=True, capture_output=True)
    assert asked in Path(env["GCLOUD_LOG"]).read_text()


def test_spot_and_missing_project(env: dict[str, str]) -> None:
    create = str(REPOSITORY / "tpu" / "create.sh")
    subprocess.run([create], env=env | {"SPOT": "1"}, check=True)
    assert "--spot" in Path(env["GCLOUD_LOG"]).read_text()
    missing = subprocess.run([create], env=env | {"PROJECT": ""}, capture_output=True, text=True)
    assert missing.returncode == 2 and "PROJECT is not set" in missing.stderr
