"""From a table of one's own to a fine-tuned checkpoint, its score and an answer a place, without a line of Python."""

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from rsfm.cli import main
from rsfm.models.foundation import StreamConfig
from rsfm.models.sizes import SIZES
from rsfm.pretrained import load
from tests.small_checkpoint import make_checkpoint, small_config

TARGET = "severity [t/ha]"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A series whose target follows its near infrared, and a small checkpoint that reads pixel series."""
    folder = tmp_path_factory.mktemp("series")
    rng = np.random.default_rng(0)
    lines = ["id,date,B04 [reflectance],B8A [reflectance],VV [dB],severity [t/ha]"]
    for place in range(40):
        nir = rng.uniform(0.1, 0.6)
        for date in ("2021-05-03", "2021-06-12", "2021-07-01")[: 1 + place % 3]:
            lines.append(f"{place},{date},{rng.uniform(0, 0.2):.3f},{nir:.4f},,{300 + 900 * nir:.2f}")
    (folder / "mine.csv").write_text("\n".join(lines) + "\n")
    small = small_config()
    spec = dataclasses.replace(SIZES["nano"].streams["series"].spec, times=4)
    config = dataclasses.replace(small, streams={"series": StreamConfig(spec=spec, tokenizer="spectral")})
    make_checkpoint(folder / "base", config)
    return folder


@pytest.fixture(scope="module")
def run(home: Path) -> Path:
    words = ["finetune", str(home / "base"), "--data", str(home / "mine.csv"), "--target", TARGET, "--steps", "3"]
    words += ["--batch-size", "8", "--learning-rate", "3e-3", "--out", str(home / "run")]
    assert main(words) == 0
    return home / "run" / "model"


def test_the_number_is_standardized_on_the_training_places_and_saved(run: Path) -> None:
    quantity = next(q for q in load(run).processor.config.quantities if q.name == "severity")
    assert quantity.unit == "t/ha" and 500 < quantity.center < 750 and 60 < quantity.scale < 200
    assert abs(quantity.standardize(quantity.center)) < 1e-9


def test_it_is_scored_by_the_same_words(home: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", str(run), "--data", str(home / "mine.csv"), "--target", TARGET, "--split", "train", "--json"]
    assert main(words) == 0
    scores = {row["metric"]: row["value"] for row in json.loads(capsys.readouterr().out)["rows"]}
    assert set(scores) == {"rmse", "mae", "r2", "coverage", "answered"}


def test_every_place_is_answered(home: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["predict", str(home / "mine.csv"), "--checkpoint", str(run), "--ask", "What is the severity?"]
    assert main([*words, "--out", str(home / "answers")]) == 0
    with (home / "answers" / "answers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [str(i) for i in range(40)]
    assert {row["question"] for row in rows} == {"What is the severity?"} and "unit" in rows[0]
    assert "39: " in capsys.readouterr().out


def test_show_tells_a_place(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "show", "--data", str(home / "mine.csv"), "--target", TARGET, "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["values"]) == ["severity"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["evaluate", "nano"], "Which data? Give --dataset NAME"),
        (["evaluate", "nano", "--data", "nowhere.csv"], "--data nowhere.csv: no such file or folder"),
        (["evaluate", "nano", "--data", "/"], "--data /: expected a table of images"),
        (["evaluate", "nano", "--data", "{home}/mine.csv", "--target", "height"], "Unknown target 'height'"),
        (
            ["finetune", "nano", "--data", "{home}/mine.csv", "--target", "seveity", "--out", "x"],
            "Did you mean 'severity",
        ),
    ],
)
def test_mistakes_are_one_line(words: list[str], message: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word.format(home=home) for word in words]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and error.count("\n") == 0
