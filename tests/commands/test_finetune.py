"""`rsfm finetune`: options work or are refused, and the card's command trains the same weights again."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from rsfm import cli, pretrained
from rsfm.nn.weights import read_tensors
from tests.small_checkpoint import make_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("small") / "small")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of one's own: series of NDVI with a number to tell."""
    rng, lines = np.random.default_rng(0), ["id,date,split,ndvi,height [m]"]
    for i in range(40):
        split = "val" if i % 4 == 0 else "train"
        lines += [f"{i},2021-0{month}-01,{split},{rng.uniform(0.1, 0.9):.3f},{i / 4:.2f}" for month in range(3, 8)]
    path = tmp_path_factory.mktemp("table") / "series.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert cli.main(["finetune", *map(str, words)]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("rsfm: ") and "Traceback" not in line
    return line


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--lora-alpha", "4"], "--lora-alpha is of adapters"),
        (["--lora-targets", "decoder"], "--lora-targets is of adapters"),
        (["--quantize", "nf4"], "--quantize is of adapters"),
        (["--validation", "train"], "--validation train: the split is trained on"),
        (["--calibrate", "train"], "--calibrate train: the split is trained on"),
        (["--validation", "nowhere"], "nowhere"),
        (["--change"], "Give --resume with it"),
        (["--train.eval_every", "2"], "no validation data to evaluate on"),
        (["--processor.streams.optical.size", "64"], "is taken from the model"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.data
def test_what_would_be_ignored_is_refused(words, says, checkpoint, published_data, tmp_path, capsys) -> None:
    base = [
        checkpoint,
        "--dataset",
        "aid_rsicd",
        "--data",
        published_data,
        "--out",
        tmp_path / "run",
        "--steps",
        "1",
    ]
    assert says in refused(capsys, *base, *words)
    assert not (tmp_path / "run").exists()


@pytest.mark.data
def test_a_split_is_watched_and_rows_and_cards_name_seed_and_command(
    checkpoint: Path, published_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [checkpoint, "--dataset", "aid_rsicd", "--data", published_data, "--steps", 2, "--batch-size", 8]
    words += ["--learning-rate", "1e-3", "--validation", "val", "--train.seed", "1", "--train.eval_batches", "1"]
    first, again = tmp_path / "first", tmp_path / "again"
    assert cli.main(["finetune", *map(str, words), "--out", str(first)]) == 0
    rows = [json.loads(line) for line in (first / "evaluation.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2] and all(np.isfinite(row["loss_text"]) for row in rows)
    card = (first / "model" / "README.md").read_text()
    command = shlex.split(card.split("`")[1])
    assert command[:2] == ["rsfm", "finetune"]
    command[command.index("--out") + 1] = str(again)
    assert cli.main(command[1:]) == 0
    one, two = (read_tensors(folder / "model" / "model.safetensors") for folder in (first, again))
    assert one.keys() == two.keys() and all(np.array_equal(one[name], two[name]) for name in one)
    assert pretrained.load(first / "model").seed == 1
    capsys.readouterr()
    scored = [
        "evaluate",
        first / "model",
        "--dataset",
        "aid_rsicd",
        "--data",
        published_data,
        "--split",
        "val",
        "--limit",
        "4",
        "--json",
    ]
    assert cli.main([str(word) for word in scored]) == 0
    assert all(row["seeds"] == [1] for row in json.loads(capsys.readouterr().out)["rows"])


@pytest.mark.data
def test_long_conversations_are_no_error(checkpoint: Path, published_data: Path, tmp_path: Path) -> None:
    """A scene and a caption of AID in one conversation are longer than the 64 tokens a source has by default."""
    words = ["finetune", checkpoint, "--dataset", "aid_rsicd", "--data", published_data, "--lora", 2, "--steps", 2]
    words += ["--batch-size", 8, "--out", tmp_path / "run"]
    assert cli.main([str(word) for word in words]) == 0
    assert (tmp_path / "run" / "adapter").is_dir() and pretrained.load(tmp_path / "run" / "model").seed == 0


@pytest.mark.parametrize(
    "words",
    [
        ["finetune", "nano", "--data", "{table}", "--out", "gs://bucket/run"],
        ["train", "debug", "--out", "s3://bucket/run"],
        ["predict", "https://example.org/scene.tif", "--ask", "What is this?"],
        ["predict", "gs://bucket/scene.tif", "--ask", "What is this?"],
        ["data", "prepare", "aid_rsicd", "--out", "gs://bucket/prepared"],
        ["evaluate", "gs://bucket/model", "--data", "{table}"],
        ["info", "gs://bucket/model"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_an_address_is_one_clear_line(words, table, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = [word.format(table=table) for word in words]
    assert cli.main(words) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    address = next(word for word in words if "://" in word)
    assert line.startswith(f"rsfm: {address}: is an address"), line
    assert not list(tmp_path.iterdir())
