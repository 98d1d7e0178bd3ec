"""A published land-cover model is asked like any other checkpoint: maps, areas, other legends, scenes of any size."""

import dataclasses
import json

import numpy as np
import pytest
import rasterio

import rsfm
from rsfm import pretrained
from rsfm.answer.footprint import RecordFootprint
from rsfm.cli import main
from rsfm.errors import UserError
from rsfm.models.published.dynamic_world import BANDS, LEGEND, DynamicWorld, probabilities
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.types import Record

WATER = (0.08, 0.06, 0.04, 0.03, 0.02, 0.02, 0.02, 0.01, 0.01)
TREES = (0.09, 0.07, 0.04, 0.08, 0.22, 0.28, 0.30, 0.14, 0.06)


def scene(height: int, width: int) -> Record:
    """Water on the left, trees on the right, with a little noise."""
    rng = np.random.default_rng(0)
    left = np.arange(width)[None, :, None] < width // 2
    values = np.where(left, WATER, TREES) * rng.normal(1, 0.05, (height, width, 1))
    every = SENSORS["sentinel2_l1c"]
    seen = observe(every, values[None].astype(np.float32), time_days=[9000.0], gsd_m=10.0, bands=BANDS)
    return Record(id="shore", observations={"sentinel2_l1c": seen})


@pytest.fixture(scope="module")
def loaded():
    return rsfm.load("dynamic_world")


def test_maps_its_own_legend(loaded):
    answer = loaded.predict(scene(48, 64), "Map the land cover.", probability=True)
    assert answer.mask.legend == LEGEND and answer.notes == ()
    shares = dict(zip(LEGEND, answer.mask.shares, strict=True))
    assert 0.45 < shares["water"] < 0.55 and shares["trees"] > 0.4
    np.testing.assert_allclose(answer.probability.sum(0), 1, atol=1e-5)
    np.testing.assert_array_equal(answer.mask.class_index, answer.probability.argmax(0))


def test_one_class_an_area_and_other_names_read_the_same_map(loaded):
    record = scene(48, 64)
    whole = loaded.predict(record, "Map the land cover.", probability=True)
    water = loaded.predict(record, "Map the water.")
    np.testing.assert_array_equal(water.mask.class_index == 0, whole.mask.class_index == 0)
    area = loaded.predict(record, "How many hectares of water are there?").values[0]
    np.testing.assert_allclose(area.value, (whole.mask.class_index == 0).sum() / 100, rtol=1e-6)
    named = loaded.predict(record, "Map the land cover: forest, permanent water bodies, clouds.")
    np.testing.assert_array_equal(named.mask.class_index == 1, whole.mask.class_index == 0)
    np.testing.assert_array_equal(named.mask.class_index == 0, whole.mask.class_index == 1)
    assert any("no clouds" in note for note in named.notes)


def test_windows_agree_with_the_whole_and_compile_once(loaded, monkeypatch):
    record, traced = scene(60, 150), []
    whole = probabilities(loaded.model, [record])[0]
    monkeypatch.setattr("rsfm.answer.land_cover.WINDOW", 96)
    forward = DynamicWorld.__call__
    monkeypatch.setattr(DynamicWorld, "__call__", lambda self, x: traced.append(x.shape) or forward(self, x))
    rows = list(loaded.rows(RecordFootprint(record), loaded.plan("Map the land cover."), overlap=0.5))
    found = np.concatenate([part.probability[1:] for part in rows], axis=1)
    assert len(traced) == 1 and found.shape == (9, 60, 150)
    agree = found.argmax(0) == whole.argmax(-1)
    assert agree.mean() > 0.99


def test_nodata_gets_no_class(loaded):
    record = scene(40, 40)
    seen = record.observations["sentinel2_l1c"]
    valid = seen.valid.copy()
    valid[:, :, :10] = False
    holed = dataclasses.replace(record, observations={"sentinel2_l1c": dataclasses.replace(seen, valid=valid)})
    index = loaded.predict(holed, "Map the land cover.").mask.class_index
    assert (index[:, :10] == -1).all() and (index[:, 10:] >= 0).all()


@pytest.mark.parametrize("question", ["What is this?", "Map the ships.", "How many hectares of ships are there?"])
def test_what_it_cannot_answer_is_refused(loaded, question):
    with pytest.raises(UserError, match="maps of land cover only|has no ships. Its classes: water, trees"):
        loaded.predict(scene(16, 16), question)


def test_commands_that_need_words_say_so():
    with pytest.raises(UserError, match="dynamic_world maps land cover and has no words"):
        pretrained.load_foundation("dynamic_world")


def test_an_unknown_kind_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"format": 1, "kind": "dynamic_wrld"}), encoding="utf-8")
    with pytest.raises(UserError, match="Did you mean 'dynamic_world'"):
        pretrained.load(tmp_path)


def test_the_command_writes_the_map(tmp_path, capsys):
    values = np.round(scene(40, 48).observations["sentinel2_l1c"].values[0] * 1e4).astype(np.uint16)
    path, transform = tmp_path / "scene.tif", rasterio.transform.from_origin(404400, 5342400, 10, 10)
    every = [band.name for band in SENSORS["sentinel2_l2a"].bands]
    profile = {"driver": "GTiff", "height": 40, "width": 48, "count": 12, "dtype": "uint16", "crs": "EPSG:32633"}
    with rasterio.open(path, "w", transform=transform, **profile) as file:
        for i, name in enumerate(every, start=1):
            file.write(values[..., BANDS.index(name)] if name in BANDS else np.full((40, 48), 500, np.uint16), i)
            file.set_band_description(i, name)
    out = tmp_path / "map"
    command = [
        "predict",
        str(path),
        "--sensor",
        "sentinel2_l2a",
        "--unit",
        "dn_no_offset",
        "--checkpoint",
        "dynamic_world",
    ]
    assert main([*command, "--ask", "Map the land cover.", "--out", str(out)]) == 0
    assert "on sentinel2_l2a it is less sure" in capsys.readouterr().err
    with rasterio.open(out / "mask.tif") as file:
        assert file.shape == (40, 48) and file.crs.to_epsg() == 32633
        assert np.unique(file.read(1)[:, :16]).size == 1
    told = json.loads((out / "answer.json").read_text(encoding="utf-8"))["answers"][0]
    assert set(told["mask"]) == set(LEGEND) and {"mask.tif", "overlay.png"} <= set(told["files"])
