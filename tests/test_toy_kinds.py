"""A head, an objective and a task from a file outside the package train, are saved, loaded, predict and are scored."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rsfm import pretrained
from rsfm.answer.predict import predict
from rsfm.errors import UserError
from rsfm.heads import HEADS
from rsfm.objectives import OBJECTIVES
from rsfm.scoring.evaluation import evaluate
from rsfm.tasks import TASKS
from rsfm.training.experiment import load_config, load_module
from rsfm.training.log import read_rows
from rsfm.training.loop import train

TOY = Path(__file__).parent / "fixtures" / "toy_kinds.py"


@pytest.fixture(autouse=True)
def tables() -> Iterator[None]:
    """The tables with the file's entries, and as they were after a test."""
    before = [(table, dict(table)) for table in (HEADS, OBJECTIVES, TASKS)]
    load_module(TOY).register()
    yield
    for table, entries in before:
        table.clear()  # type: ignore[attr-defined]
        table.update(entries)  # type: ignore[attr-defined]


def test_a_head_and_an_objective_of_ones_own(tmp_path: Path) -> None:
    config = load_config(TOY)
    trained = train(config, tmp_path / "run")
    rows = read_rows(tmp_path / "run" / "metrics.jsonl")
    losses = [row["loss_colour"] for row in rows if row.get("loss_colour") is not None]
    assert losses[-1] < 0.5 * losses[0]
    assert any(row.get("loss_small_tokens") is not None for row in rows), "the source without labels was learned from"
    folder = pretrained.save_checkpoint(
        tmp_path / "model", trained.model, trained.processor, card="# toy\n", dtype="float32"
    )
    loaded = pretrained.load(folder)
    records = load_module(TOY).Plates(Path(), "val")
    answer = predict(loaded.model, loaded.processor, records[0], "What are the colours?")
    assert answer.text.startswith("The colours are 0.")
    scores, _ = evaluate(loaded.model, loaded.processor, records, "colour", limit=16)
    assert scores[0]["metric"] == "error" and scores[0]["value"] < 0.09, "the mean of random colours is off by .1"


def test_a_head_that_no_table_has_says_so(tmp_path: Path) -> None:
    config = load_config(TOY)
    HEADS.pop("colour", None)
    with pytest.raises(UserError, match="Unknown head 'colour'"):
        train(config, tmp_path / "run")
