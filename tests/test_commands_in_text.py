"""Every command line printed in README, in --help and in docstrings is one that works: run where it is short, else parsed.

Short ones run on files made here. Long ones (training, evaluation of thousands of records) are read by the real parser, their
overrides put into the real config; `-m slow` runs them at a few steps.
"""

import argparse
import ast
import builtins
import doctest
import importlib
import io
import json
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import from_origin

import rsfm
from rsfm import cli
from tests.command_lines import ROOT, command_of, functions, printed, read_arguments, split_words
from tests.small_checkpoint import make_checkpoint

PRINTED = printed()
FUNCTIONS = dict(functions())
RSFM = [(where, line) for where, line in PRINTED if re.match(r"(\$ )?rsfm [a-z]", line)]
# Commands that are only parsed, and why they are not run.
LONG = {
    "rsfm train": "minutes to hours of training",
    "rsfm sweep": "several trainings; tests/training/test_sweep.py",
    "rsfm finetune": "minutes of training; test_long_commands_run_at_a_few_steps",
    "rsfm evaluate": "thousands of records; test_long_commands_run_at_a_few_steps",
    "rsfm benchmark": "a minute of measuring; tests/test_cli.py runs it on a small size",
    "rsfm benchmark decode": "needs a language model; tests/commands/test_benchmark_decode.py runs it",
    "rsfm demo": "needs the demo's pictures; tests/commands/test_demonstration.py runs it",
    "rsfm locate": "needs CLIP ViT-L/14 of 1.7 GB; tests/commands/test_locate.py runs it",
    "rsfm data prepare": "copies a whole data set; tests/data/training/test_prepare.py runs it",
    "rsfm data instruct": "reads a whole data set; tests/tasks/test_instruction.py runs it",
    "rsfm data show": "needs a published data set; tests/test_cli.py runs it",
    "rsfm results": "writes into the repository's own texts; tests/test_cli.py runs it on copies",
}
SENSORS = {"sentinel1_rtc": (2, "float32"), "sentinel1_grd": (2, "float32"), "hls": (10, "uint16")}
ANSWERS = {"prediction": "a river .", "references": ["a river runs .", "there is a river ."]}


def label(value: Any) -> str:
    return str(value)[:60]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("small") / "small")


def write_scene(path: Path, sensor: str) -> None:
    """A small scene such as the sensor's, on one grid for all."""
    rng = np.random.default_rng(sum(map(ord, path.name)))
    count, kind = SENSORS.get(sensor, (12, "uint16"))
    values = rng.uniform(-20, -5, (count, 32, 32)) if kind == "float32" else rng.integers(300, 3000, (count, 32, 32))
    place = {"crs": "EPSG:32633", "transform": from_origin(404_400, 5_342_400, 10, 10)}
    size = {"height": 32, "width": 32, "count": count, "dtype": kind}
    with rasterio.open(path, "w", driver="GTiff", **size, **place) as dataset:
        dataset.write(values.astype(kind))


def write_file(word: str, arguments: dict[str, Any], place: int) -> None:
    """Something of the kind that a printed name stands for, in the folder the test runs in."""
    path = Path(word)
    sensors = arguments.get("sensor") or ("sentinel2_l2a",)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        write_scene(path, sensors[min(place, len(sensors) - 1)])
    elif path.suffix in (".jpg", ".png"):
        Image.fromarray(np.random.default_rng(place).integers(0, 255, (40, 48, 3), np.uint8)).save(path)
    elif path.suffix == ".jsonl":
        path.write_text(3 * (json.dumps(answers_of(arguments["task"])) + "\n"))


def answers_of(task: str) -> dict[str, Any]:
    if task == "grounding":
        return {"prediction": "<box>0.1 0.1 0.5 0.5</box>", "references": ["<box>0.1 0.1 0.5 0.6</box>"]}
    return {"prediction": "3", "references": ["4"]} if task == "counting" else ANSWERS


# --- all of them


def test_there_are_commands_of_every_kind() -> None:
    assert len(RSFM) > 40 and {command_of(split_words(line))[0] for _, line in RSFM} >= FUNCTIONS.keys() - {
        "rsfm doctor"
    }
    assert LONG.keys() <= FUNCTIONS.keys()


@pytest.mark.parametrize(("where", "line"), RSFM, ids=label)
def test_the_parser_takes_what_is_printed(where: str, line: str) -> None:
    name, words = command_of(split_words(line))
    if words[-1:] == ["--help"]:
        return
    arguments = read_arguments(FUNCTIONS[name], words)
    if name == "rsfm train":
        from rsfm.commands.train import check_overrides
        from rsfm.training.experiment import load_config
        from rsfm.training.overrides import apply_overrides

        config = arguments["config"]
        config = config if Path(ROOT / config).exists() or "/" not in config else "debug"
        experiment = apply_overrides(load_config(ROOT / config if "/" in config else config), arguments["overrides"])
        check_overrides(experiment, arguments["overrides"])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_command_prints_help_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*name.split()[1:], "--help"]) == 0
    told = capsys.readouterr().out
    assert "--" in told
    if name != "rsfm doctor":
        assert name in told.split("Example:")[1]


TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))


@pytest.mark.parametrize("line", sorted({line for _, line in PRINTED if line.startswith("make ")}))
def test_make_has_the_targets_that_are_printed(line: str) -> None:
    assert set(split_words(line)[1:2]) <= TARGETS


def test_make_demo_says_how_to_call_rsfm_afterwards() -> None:
    recipe = re.search(r"^demo:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert recipe is not None and "activate" in recipe[1] and "$(V)/rsfm" in recipe[1].splitlines()[-1]


class Parsed(BaseException):
    """The words of a script were understood; it need not go on."""


@pytest.mark.slow
@pytest.mark.parametrize("line", sorted({line for _, line in PRINTED if "python" in line.split()[0]}), ids=label)
def test_scripts_take_the_words_that_are_printed(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = split_words(line)
    module = words[2] if words[1] == "-m" else words[1].removesuffix(".py").replace("/", ".")
    path = ROOT / (module.replace(".", "/") + ".py")
    path = path if path.is_file() else path.with_suffix("") / "__main__.py"
    assert path.is_file(), f"{line}: no such script"
    source = path.read_text(encoding="utf-8")
    assert "__main__" in source
    given = words[3:] if words[1] == "-m" else words[2:]
    if module in ("experiments.train", "experiments.train_pmap"):
        read_arguments(FUNCTIONS["rsfm train"], given)
        return
    if "argparse" not in source and "tyro" not in source:
        assert not given, f"{path.name} reads no words"
        return

    def parsed(self: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> None:
        original(self, args, namespace)
        raise Parsed

    import tyro

    original, read = argparse.ArgumentParser.parse_args, tyro.cli

    def called(function: Any, **options: Any) -> None:
        monkeypatch.setattr(tyro, "cli", read)  # which reads the words for us, too
        arguments = read_arguments(function, list(options.get("args") or sys.argv[1:]))
        raise Parsed(arguments)

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parsed)
    monkeypatch.setattr(tyro, "cli", called)
    monkeypatch.setattr(sys, "argv", [path.name, *given])
    with pytest.raises(Parsed):
        runpy.run_path(str(path), run_name="__main__")


# --- run

SHORT = [(where, line) for where, line in RSFM if command_of(split_words(line))[0] not in LONG]


@pytest.mark.parametrize(
    ("where", "line"),
    [pytest.param(*each, marks=pytest.mark.slow) for each in SHORT],  # seconds of compiling each
    ids=label,
)
def test_short_commands_run(
    where: str, line: str, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    name, words = command_of(split_words(line))
    arguments = read_arguments(FUNCTIONS[name], words)
    monkeypatch.chdir(tmp_path)
    for place, word in enumerate(
        [*arguments.get("scenes", ()), *map(str, filter(None, [arguments.get("predictions")]))]
    ):
        write_file(word, arguments, place)
    if name in ("rsfm predict", "rsfm chat"):  # the words of a small model mean nothing, all else is as printed
        small = str(checkpoint)
        words = [small if word == arguments.get("checkpoint") else word for word in words]
        words += [] if small in words else ["--checkpoint", small]
        words += ["--sensor", "sentinel2_l2a"] if not arguments["sensor"] and words[0].endswith(".tif") else []
        monkeypatch.setattr("sys.stdin", io.StringIO("What is this?\n/map water, trees\n/quit\n"))
        if "canopy" in line:
            words[words.index("--ask") + 1] = (
                "Map the water, trees."  # which the small model has not learned as numbers
            )
    assert cli.main([*name.split()[1:], *words]) == 0, capsys.readouterr().err
    told = capsys.readouterr().out
    assert told.strip() and "Traceback" not in told
    if arguments.get("out") is not None and name == "rsfm predict":
        assert json.loads((tmp_path / arguments["out"] / "answer.json").read_text())["answers"]


FEW = [
    line
    for _, line in RSFM
    if command_of(split_words(line))[0] in ("rsfm finetune", "rsfm evaluate") and " runs/" not in line.split(" --")[0]
]


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("line", FEW, ids=label)
def test_long_commands_run_at_a_few_steps(line: str, published_data: Path, tmp_path: Path, monkeypatch) -> None:
    name, words = command_of(split_words(line))
    arguments = read_arguments(FUNCTIONS[name], words)
    if not arguments["dataset"]:
        pytest.skip("a table of one's own: tests/commands/test_finetune_series.py")
    words = [str(tmp_path / "out") if word == str(arguments.get("out")) else word for word in words]
    words += ["--data", str(published_data), "--batch-size", "2"]
    words += ["--limit", "2"] if name == "rsfm evaluate" else ["--steps", "1"]
    assert cli.main([*name.split()[1:], *words]) == 0


# --- examples in docstrings

READS = (
    "load(",
    "train(",
    "open_scene(",
    "open_footprint(",
    "score_file(",
    "load_sensor(",
    "load_config(",
    "prepare(",
    "load_decoder(",
    "load_towers(",
)  # files
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "rsfm").rglob("*.py")
    if ">>>" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_docstrings_give_what_they_print(name: str) -> None:
    module = importlib.import_module(name)
    globs = {"np": np, "jax": jax, "rsfm": rsfm, "Path": Path, "dataclasses": importlib.import_module("dataclasses")}
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, globs={**vars(module), **globs}):
        known = {*test.globs, *dir(builtins)}
        for example in test.examples:
            tree = ast.parse(example.source)
            names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
            read = {node.id for node in names if isinstance(node.ctx, ast.Load)}
            stored = {node.id for node in names} - read
            unknown = read - known - stored  # the reader's own: a record, a model, a scene
            known |= {node.id for node in names}
            if unknown or any(word in example.source for word in READS):
                break
        else:
            runner.run(test)
    assert runner.failures == 0
