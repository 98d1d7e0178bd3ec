"""`rsfm finetune` trains no task whose answers open a head that the checkpoint has not, and says so where it was asked for."""

import dataclasses
from pathlib import Path

import pytest

from rsfm.commands.finetune import _readable
from rsfm.errors import UserError
from rsfm.processor import HeadSlots, Processor

SHIPPED = Path(__file__).parents[2] / "rsfm" / "checkpoints" / "nano"


def test_a_task_without_its_head() -> None:
    config = Processor.load(SHIPPED).config
    without = dataclasses.replace(config, heads={name: config.heads[name] for name in ("mask", "value")})
    served = ("counting", "detection", "segmentation")
    assert _readable((), served, without) == ("counting", "segmentation")
    with pytest.raises(UserError, match="task detection needs a head that <box> opens, which this checkpoint has not"):
        _readable(("detection",), served, without)
    boxed = dataclasses.replace(without, heads=without.heads | {"box": HeadSlots(slots=4)})
    assert _readable((), served, boxed) == served and _readable(("detection",), served, boxed) == ("detection",)
