"""From a user's float rasters to a map of numbers with intervals: table, training, prediction, score."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

from rsfm.commands.finetune import experiment, finetune
from rsfm.commands.predict import predict
from rsfm.data.datasets.geotiff_folder import GeoTiffFolder
from rsfm.data.training.pipeline import Source
from rsfm.data.training.prepare import write_records
from rsfm.errors import UserError
from rsfm.models.connector import ConnectorConfig
from rsfm.pretrained import load
from rsfm.scoring.evaluation import evaluate
from tests.small_checkpoint import interleaved_config, make_checkpoint

EDGES = (0.0, 10.0, 20.0, 30.0, 40.0)
TRANSFORM = rasterio.transform.from_origin(404400, 5342400, 10, 10)


def write(path: Path, pixels: np.ndarray, **options) -> None:
    profile = {"driver": "GTiff", "count": len(pixels), "height": pixels.shape[1], "width": pixels.shape[2]}
    with rasterio.open(path, "w", crs="EPSG:32633", transform=TRANSFORM, **profile, **options) as file:
        file.write(pixels)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Canopy is the higher the darker the red, on scenes of 48 pixels; a third of the labels is missing."""
    folder = tmp_path_factory.mktemp("canopy")
    rng = np.random.default_rng(0)
    lines = ["image,sensor,split,value_map:canopy height[m],edges"]
    for i, split in enumerate(("train", "train", "train", "test")):
        rows, columns = np.mgrid[:48, :48] / 48.0
        height = 20 + 19 * np.sin(3 * rows + 5 * columns + i)
        bands = np.stack([300 + 0 * height, 500 + 20 * height, 2500 - 50 * height]) + rng.normal(0, 10, (3, 48, 48))
        write(folder / f"{i}.tif", bands.astype(np.uint16), dtype="uint16")
        known = np.where(rng.random(height.shape) < 1 / 3, -9999.0, height).astype(np.float32)
        write(folder / f"{i}_height.tif", known[None], dtype="float32", nodata=-9999.0)
        lines.append(f"{i}.tif,aerial_rgb,{split},{i}_height.tif,{';'.join(map(str, EDGES))}")
    (folder / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


def train(table: Path, out: Path, *, steps: int, resume: bool = False) -> Path:
    """A small checkpoint of random weights trained on them."""
    splits = {split: GeoTiffFolder(table, split) for split in ("train", "test")}
    prepared = write_records(GeoTiffFolder.info, splits, out / "prepared")
    light = dataclasses.replace(interleaved_config(), connector=ConnectorConfig(queries=3, heads=2))  # no pyramid
    base = make_checkpoint(out / "base", light)
    options = {"steps": steps, "batch_size": 8, "learning_rate": 3e-3, "resume": resume}
    finetune(str(base), dataset=str(prepared), out=out / "run", task=("value_map",), calibrate="test", **options)
    return out / "run" / "model"


def test_the_quantity_and_the_window_come_from_the_data(table: Path, tmp_path: Path) -> None:
    loaded = load(str(make_checkpoint(tmp_path / "base")))
    splits = {"train": GeoTiffFolder(table, "train")}
    prepared = write_records(GeoTiffFolder.info, splits, tmp_path / "prepared")
    options = {"steps": 1, "learning_rate": 1e-3, "freeze": ()}
    source = Source(dataset=str(prepared), split="train", tasks=("value_map",), batch_size=1)
    made = experiment(loaded, tmp_path / "base", source, **options)
    quantity = made.processor.quantities[-1]
    assert (quantity.name, quantity.unit, quantity.map_edges) == ("canopy height", "m", EDGES)
    assert quantity.map_legend[1] == "10 to 20 m" and made.data[0].augment.label_crop == 32
    words = experiment(loaded, tmp_path / "base", dataclasses.replace(source, tasks=("scene",)), **options)
    assert words.processor.quantities == loaded.processor.config.quantities
    assert (words.data[0].augment.crop, words.data[0].text_length) == (0, 64), "words are told of the whole picture"
    with pytest.raises(UserError, match="--calibrate train: the split is trained on. Choose one that is not"):
        finetune("nano", dataset=str(prepared), out=tmp_path / "run", calibrate="train")
    options = {"task": ("scene",), "split": "train", "calibrate": "all", "out": tmp_path / "run"}
    with pytest.raises(
        UserError, match="--calibrate all: expected maps of numbers there and the task value_map, found 1 kinds"
    ):
        finetune("nano", dataset=str(prepared), **options)


def test_what_was_trained_on_is_mapped_with_its_intervals(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = train(table, tmp_path, steps=2)
    loaded, test = load(str(trained)), GeoTiffFolder(table, "test")
    scores, answers = evaluate(loaded.model, loaded.processor, test, "value_map", batch_size=4)
    labelled, band = np.isfinite(test[0].value_map.values), answers[0].value_map
    score = {one["metric"]: one["value"] for one in scores}
    # Calibrated on these very pixels: the conformal promise is exact.
    assert 0.899 < score["coverage"] < 0.903 and loaded.processor.config.quantities[-1].stretch != 1.0
    assert scores[0]["n"] == labelled.sum() and 0.4 < labelled.mean() < 0.9
    assert band is not None and np.isfinite(band).all(), "labels may be missing, the map has none"
    value, low, high = np.moveaxis(band, -1, 0)
    assert (low < high).all() and (EDGES[0] <= value).all() and (value <= EDGES[-1]).all()

    out = tmp_path / "out"
    scene, question = str(table / "3.tif"), "Map the canopy height."
    predict((scene,), ask=(question,), checkpoint=str(trained), sensor=("aerial_rgb",), out=out)
    told = json.loads((out / "answer.json").read_text(encoding="utf-8"))["answers"][0]
    assert told["files"] == ["values.tif"] and told["values"][0]["unit"] == "m"
    with rasterio.open(out / "values.tif") as file:
        np.testing.assert_allclose(np.moveaxis(file.read(), 0, -1), band, atol=1e-3)
        assert tuple(file.transform)[:6] == tuple(TRANSFORM)[:6]
    with pytest.raises(
        UserError, match="no map of numbers came back .* Fine-tune the checkpoint on the task value_map"
    ):
        untrained = load(str(tmp_path / "base"))
        evaluate(untrained.model, untrained.processor, test, "value_map", batch_size=4)

    def too_few(*_) -> None:
        raise UserError("5 calibration targets cannot promise 90% coverage.")

    monkeypatch.setattr("rsfm.answer.map_calibration.stretch", too_few)
    with pytest.raises(UserError, match="5 calibration targets .* Saved with its intervals as trained"):
        train(table, tmp_path, steps=2, resume=True)
    assert load(str(trained)).processor.config.quantities[-1].stretch == 1.0, "what was trained is kept"


@pytest.mark.slow
def test_the_map_is_learned(table: Path, tmp_path: Path) -> None:
    loaded = load(str(train(table, tmp_path, steps=600)))
    scores, _ = evaluate(loaded.model, loaded.processor, GeoTiffFolder(table, "test"), "value_map", batch_size=4)
    score = {one["metric"]: one["value"] for one in scores}
    assert score["r2"] > 0.8 and score["width"] < 25, score
