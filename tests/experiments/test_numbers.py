"""The numbers experiment at a small size: its words, its samples, its runs and its scores."""

import dataclasses
import json

import numpy as np
import pytest

from experiments.numbers import report
from experiments.numbers.run import make_bench, predictions, run_file, small, train
from experiments.numbers.table import COLUMNS, in_words, places
from rsfm.quantities import NUMBER
from rsfm.scoring.results import read_rows
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.text.numeric import NUMERIC
from rsfm.training.experiment import find_config, load_config, load_module
from rsfm.types import Record, Value

SENSOR = SENSORS["fuel_moisture_table"]


def record(seed: int) -> Record:
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.1, 0.4, (3, 1, 1, 18)).astype(np.float32)
    values[..., 13] += 285
    values[..., 15] = 1520
    seen = observe(SENSOR, values, time_days=[6000.0, 6030.0, 6060.0], gsd_m=10.0)
    moisture = Value(name="live fuel moisture", value=float(rng.uniform(60, 180)), unit="%")
    return Record(
        id=str(seed), observations={SENSOR.name: seen}, location_deg=(-110.0 - seed, 38.0), values=(moisture,)
    )


SPLITS = {name: [record(10 * i + j) for j in range(4)] for i, name in enumerate(("train", "val", "test"))}


def test_the_table_in_words_keeps_its_numbers_and_units():
    words = in_words(record(0))
    assert len(NUMBER.findall(words)) == 3 * 8 + 2 and len(places()) == len(COLUMNS) == 10
    assert ", elevation 1520 m, slope " in words and " degC, rain " in words
    temperature = float(words.split("temperature ")[1].split()[0])
    assert temperature == pytest.approx(
        float(record(0).observations[SENSOR.name].values[0, 0, 0, 13]) - 273.15, abs=0.06
    )


@pytest.mark.parametrize("experiment", ["numbers_in", "numbers_out"])
def test_every_variant_builds_its_samples(experiment):
    variants = load_module(find_config(experiment)).VARIANTS
    assert load_config(experiment).name == experiment
    if experiment == "numbers_in":
        assert set(variants) == set(NUMERIC)
    lengths = {}
    for name, config in variants.items():
        bench = make_bench(small(config), SPLITS)
        sample = bench.samples["train"]
        written = config.processor.numbers_written
        assert (sample.targets["value"]["position"] >= 0).sum() == (0 if written else 4)
        assert (sample.text_numbers is not None) == (config.model.numbers.kind in ("xval", "fourier", "bins"))
        lengths[name] = int(sample.text_valid.sum(1).max())
        assert set(bench.prompts) == ({"val", "test"} if written else set())
    if experiment == "numbers_in":
        assert lengths["xval"] < lengths["text"] < lengths["digits"]


def test_a_run_is_kept_and_scored(tmp_path, monkeypatch):
    config = small(load_module(find_config("numbers_out")).VARIANTS["plain"])
    config = dataclasses.replace(
        config,
        train=dataclasses.replace(config.train, steps=2),
        data=(dataclasses.replace(config.data[0], batch_size=4),),
    )
    splits = {name: records * 5 for name, records in SPLITS.items()}
    bench = make_bench(config, splits)
    for seed, model, seconds in train(bench, [0]):
        path = run_file(tmp_path / "runs", "numbers_out", "plain", seed)
        path.parent.mkdir(parents=True)
        np.savez(path, seconds=seconds, **predictions(bench, model))
    monkeypatch.setattr(report, "all_records", lambda dataset, split: splits[split])
    out = tmp_path / "results" / "numbers.jsonl"
    arguments = ["report.py", "--runs", str(tmp_path / "runs"), "--out", str(out), "--figure", str(tmp_path / "f.png")]
    monkeypatch.setattr("sys.argv", arguments)
    report.main()
    rows = {row.metric: row for row in read_rows(out.parent)}
    assert rows["parse failures"].value == 0 and rows["coverage"].n == 20 and (tmp_path / "f.png").stat().st_size > 1000
    assert {"coverage, month 08", "coverage, sites southeast"} <= set(rows), json.dumps(sorted(rows))
