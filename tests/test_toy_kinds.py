"""Heads, an objective and tasks from a file outside the package train, are saved, loaded, predict and are scored."""

import json
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import rasterio
from PIL import Image

from rsfm import pretrained
from rsfm.answer.footprint import RecordFootprint
from rsfm.answer.predict import predict
from rsfm.answer.products import write_products
from rsfm.errors import UserError
from rsfm.heads import HEADS
from rsfm.objectives import OBJECTIVES
from rsfm.pretrained import Pretrained
from rsfm.scoring.evaluation import evaluate
from rsfm.tasks import TASKS
from rsfm.training.experiment import load_config, load_module
from rsfm.training.log import read_rows
from rsfm.training.loop import train

matplotlib.use("Agg")
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


@pytest.fixture
def loaded(tmp_path: Path) -> Pretrained:
    """The file's experiment, trained, saved and loaded again."""
    trained = train(load_config(TOY), tmp_path / "run")
    rows = read_rows(tmp_path / "run" / "metrics.jsonl")
    losses = [row["loss_colour"] for row in rows if row.get("loss_colour") is not None]
    assert losses[-1] < 0.5 * losses[0]
    assert any(row.get("loss_small_tokens") is not None for row in rows), "the source without labels was learned from"
    folder = pretrained.save_checkpoint(
        tmp_path / "model", trained.model, trained.processor, card="# toy\n", dtype="float32"
    )
    found = pretrained.load(folder)
    assert isinstance(found, Pretrained)
    return found


def test_heads_and_an_objective_of_ones_own(loaded: Pretrained, tmp_path: Path) -> None:
    records = load_module(TOY).Plates(Path(), "val")
    answer = predict(loaded.model, loaded.processor, records[0], "What are the colours?")
    assert answer.text.startswith("The colours are 0.") and not answer.parts
    scores, _ = evaluate(loaded.model, loaded.processor, records, "colour", limit=16)
    assert scores[0]["metric"] == "error" and scores[0]["value"] < 0.09, "the mean of random colours is off by .1"
    check_relief(loaded, tmp_path)


def check_relief(loaded: Pretrained, folder: Path) -> None:
    """A head that lies on the ground, opened by the decoder, over windows of a scene larger than one: files and pictures."""
    toy = load_module(TOY)
    record = toy.plate(3 * toy.SIZE - 7, 4 * toy.SIZE + 3, (0.5, 0.7, 0.6), 0.3, 1.0)
    answer = predict(loaded.model, loaded.processor, record, "What is the relief?")
    relief, truth = answer.parts["relief"], toy.metres(record)
    assert answer.text == "Here is the relief." and relief.shape == truth.shape
    assert np.abs(relief - truth).mean() < 1.0 < np.abs(truth - truth.mean()).mean(), (
        "a window of its own at full resolution"
    )
    names = write_products(folder, [answer, answer], RecordFootprint(record), about={})
    assert names == ["answer.json", "relief.tif", "overlay.png", "relief_2.tif", "overlay_2.png"]
    with rasterio.open(folder / "relief.tif") as file:
        np.testing.assert_array_equal(file.read(1), relief)
        assert file.crs.to_epsg() == 32633 and file.descriptions == ("relief m",)
    assert Image.open(folder / "overlay.png").size == relief.shape[::-1]
    saved = json.loads((folder / "answer.json").read_text(encoding="utf-8"))["answers"][0]
    assert saved["relief"]["highest"] == pytest.approx(relief.max()) and saved["files"] == ["relief.tif", "overlay.png"]
    drawn = answer.plot().images[0].get_array()
    np.testing.assert_array_equal(drawn, relief)
    np.testing.assert_array_equal(answer.to_xarray()["relief"].values, relief)


def test_a_head_that_no_table_has_says_so(tmp_path: Path) -> None:
    config = load_config(TOY)
    HEADS.pop("colour", None)
    with pytest.raises(UserError, match="Unknown head 'colour'"):
        train(config, tmp_path / "run")
