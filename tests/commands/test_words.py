"""A command is written down so that the parser of the command line reads the same arguments out of it."""

import inspect
import shlex
from pathlib import Path
from typing import Any

import pytest

from rsfm import cli
from rsfm.commands.finetune import finetune
from rsfm.commands.train import train
from rsfm.commands.words import command_line


def read_back(function: Any, program: str, line: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments with which the words after `program` call the function."""
    seen: dict[str, Any] = {}

    def catching(**arguments: Any) -> int:
        seen.update(arguments)
        return 0

    catching.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    catching.__annotations__ = inspect.get_annotations(inspect.unwrap(function))
    catching.__doc__ = function.__doc__
    positional = [
        name for name, each in catching.__signature__.parameters.items() if each.kind is not each.KEYWORD_ONLY
    ]

    def call(*args: Any, **options: Any) -> int:
        return catching(**dict(zip(positional, args, strict=False)), **options)

    call.__signature__, call.__annotations__, call.__doc__ = (  # type: ignore[attr-defined]
        catching.__signature__,
        catching.__annotations__,
        function.__doc__,
    )
    assert cli.call(call, program, shlex.split(line.removeprefix(program))) == 0
    return seen


@pytest.mark.parametrize(
    "given",
    [
        {"dataset": "aid_rsicd", "out": Path("runs/a b")},
        {"dataset": "aid_rsicd", "out": Path("o"), "lora": 8, "lora_alpha": 4.0, "lora_targets": ("decoder",)},
        {"dataset": "d", "out": Path("o"), "task": ("scene", "captioning"), "freeze": ("!value_head", "encoder.*")},
        {"dataset": "d", "out": Path("o"), "batch_size": 2, "learning_rate": 3e-5, "steps": 7, "calibrate": "val"},
        {"dataset": "d", "out": Path("o"), "validation": "val", "overrides": ("--train.seed", "1")},
        {"data": Path("my series.csv"), "out": Path("o"), "target": ("severity [1]",), "quantize": "nf4", "lora": 2},
    ],
    ids=str,
)
def test_the_line_of_a_card_gives_the_arguments_again(given, monkeypatch) -> None:
    line = command_line("rsfm finetune", finetune, {"checkpoint": "nano", **given})
    seen = read_back(finetune, "rsfm finetune", line, monkeypatch)
    defaults = {name: each.default for name, each in inspect.signature(finetune).parameters.items()}
    assert seen == {**defaults, "overrides": (), "checkpoint": "nano", **given}


def test_how_one_run_went_is_left_out() -> None:
    arguments = {"config": "debug", "out": Path("o"), "resume": True, "overrides": ("--train.steps", "3")}
    line = command_line("rsfm train", train, arguments, without=("resume", "change"))
    assert line == "rsfm train debug --out o --train.steps 3"
