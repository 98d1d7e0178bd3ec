"""Every entry of every table keeps the table's promises: names, units, sources, and what a wrong name is answered."""

import ast
import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flax import nnx

import rsfm
from rsfm.config import from_json, to_json
from rsfm.data.datasets import DATASETS, EmptySplit
from rsfm.errors import UserError, lookup
from rsfm.heads import HEADS
from rsfm.models.foundation import FoundationModel, ModelConfig
from rsfm.models.sizes import SIZES
from rsfm.sensors import SENSORS
from rsfm.sensors.names import band_name
from rsfm.sensors.observe import observe
from rsfm.tasks import TASKS
from rsfm.tokenizers import TOKENIZERS
from rsfm.types import BAND_CODES, Record

ROOT = Path(rsfm.__file__).parent
COMMANDS = ("predict", "chat", "locate", "instruct", "finetune")
FAMILIES = {"optical", "hyperspectral", "sar", "elevation", "weather", "mixed"}
UNITS = {"reflectance", "radiance", "dB", "K", "m", "degree", "display", "1"}
TABLES: dict[str, Mapping[str, Any]] = {
    "sensor": SENSORS,
    "dataset": DATASETS,
    "task": TASKS,
    "head": HEADS,
    "tokenizer": TOKENIZERS,
    "size": SIZES,
}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, table in TABLES.items() for name in table])
def test_a_misspelt_name_is_answered_with_the_right_one(kind: str, name: str) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name), "names are lower case words joined by underscores"
    assert lookup(TABLES[kind], kind, name) is TABLES[kind][name]
    with pytest.raises(UserError, match=rf"^Unknown {kind} '{name}x'\. Did you mean '{name}'\? Known: "):
        lookup(TABLES[kind], kind, name + "x")


@pytest.mark.parametrize("name", SENSORS)
def test_sensor(name: str) -> None:
    sensor = SENSORS[name]
    assert sensor.name == name and sensor.title and sensor.family in FAMILIES
    assert len(sensor.source) > 20, "where the band table was taken from"
    assert sensor.scale > 0
    assert len({band.name for band in sensor.bands}) == len(sensor.bands) > 0
    for band in sensor.bands:
        assert band.unit in UNITS and band.code in BAND_CODES and band.gsd_m > 0, band
        if band.code == "":
            assert 0.3 < band.center_um < 15 and 0 < band.width_um < band.center_um, "told by its wavelength alone"
        elif band.unit == "dB":
            assert 5e3 < band.center_um < 1e6, "the true carrier, centimetres"
        else:
            assert band.center_um == band.width_um == 0, "a band with a code and no wavelength of its own"


@pytest.mark.parametrize("name", SENSORS)
def test_sensor_says_how_its_files_are_known(name: str) -> None:
    """Own names lead to their own band, aliases to one band alone, layouts and fills are of the sensor."""
    sensor = SENSORS[name]
    names = [band.name for band in sensor.bands]
    for band in sensor.bands:
        assert band_name(sensor, band.name, own=True) == band_name(sensor, f" {band.name.lower()} ") == band.name
        for alias in band.aliases:
            assert band_name(sensor, alias) == band.name, f"{alias} is the name of two bands"
    for layout in sensor.layouts:
        assert set(layout) <= set(names) and len(set(layout)) == len(layout) < len(names)
    assert len({len(layout) for layout in sensor.layouts}) == len(sensor.layouts), "a count tells the layout"
    assert set(sensor.assumed) <= {"picture", "integer", "float"}
    for variant in sensor.variants.values():
        assert set(variant.values()) <= set(names)
    for pattern in sensor.products:
        assert not re.search(pattern, ""), "a pattern that every name matches"
    for fill in sensor.fill:
        assert not sensor.bands[0].unit == "display" and isinstance(fill, int)


def test_no_table_outside_the_sensors_names_one() -> None:
    """What differs by instrument is a field of Sensor: no dictionary, tuple or set elsewhere in reading lists sensors' names."""
    for path in sorted((ROOT / "data" / "reading").rglob("*.py")) + [ROOT / "commands" / f"{n}.py" for n in COMMANDS]:
        strings = {
            node.value
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        named = {name for name in SENSORS if name in strings} - {"elevation"}
        assert not named, f"{path.name} asks by the names {sorted(named)}: ask a field of Sensor"


@pytest.mark.parametrize("name", SENSORS)
def test_sensor_makes_observations_and_counts_bands(name: str) -> None:
    sensor = SENSORS[name]
    c = len(sensor.bands)
    seen = observe(sensor, np.zeros((1, 2, 2, c), np.float32), time_days=[8000.0], gsd_m=10.0)
    assert seen.values.shape == (1, 2, 2, c) and seen.valid.all() and seen.band_valid.all()
    with pytest.raises(UserError, match=rf"{name}.* {c} bands.* c={c + 1}"):
        observe(sensor, np.zeros((1, 2, 2, c + 1), np.float32), time_days=[8000.0], gsd_m=10.0)


@pytest.mark.parametrize("name", DATASETS)
def test_dataset_facts(name: str, tmp_path: Path) -> None:
    info = DATASETS[name].info
    assert info.name == name and info.title and info.licence and info.citation and info.layout
    assert info.splits and all(info.splits.values())
    assert set(info.sensors) <= set(SENSORS) and set(info.tasks) <= set(TASKS)
    first = next(iter(info.splits))
    if info.sensors:  # a user's own folder has the splits its table names
        with pytest.raises(UserError, match=f"Did you mean '{first}'"):
            DATASETS[name](tmp_path, first + "x")
    with pytest.raises(UserError, match=name):
        DATASETS[name](tmp_path / "nowhere", first)
    assert not list(tmp_path.iterdir())


@pytest.mark.data
@pytest.mark.parametrize(("name", "split"), [(n, split) for n, d in DATASETS.items() for split in d.info.splits])
def test_dataset_gives_records(name: str, split: str, published_data: Path) -> None:
    info = DATASETS[name].info
    if not (published_data / info.folder).is_dir():
        pytest.skip(f"no {info.folder} in the data folder")
    try:
        dataset = DATASETS[name](published_data, split)
    except EmptySplit as reason:
        pytest.skip(str(reason))
    record = dataset[0]
    assert len(dataset) > 0 and record.id and set(record.observations) <= set(info.sensors)
    for sensor, seen in record.observations.items():
        assert seen.values.dtype == np.float32 and np.isfinite(seen.values).all(), "missing is a mask, not a number"
        assert seen.values.shape[-1] <= len(SENSORS[sensor].bands)
    rng = np.random.default_rng(0)
    assert any(TASKS[task].dialogue(record, rng) for task in info.tasks for record in (dataset[0], dataset[-1]))
    with pytest.raises(IndexError):
        dataset[len(dataset)]


@pytest.mark.parametrize("name", TASKS)
def test_task(name: str) -> None:
    task = TASKS[name]
    assert task.name == name and task.__doc__ and len(task.metrics) > 0
    assert set(task.metrics) == set(task.higher_is_better)
    unlabelled = Record(id="nothing known", observations={})
    assert task.dialogue(unlabelled, np.random.default_rng(0)) is None, "a record without labels has nothing to ask"


@pytest.mark.parametrize("name", TOKENIZERS)
def test_tokenizer_config_survives_json(name: str) -> None:
    config, module = TOKENIZERS[name]
    required = {"patch": 4} if "patch" in {field.name for field in dataclasses.fields(config)} else {}
    made = config(**required)
    assert from_json(config, to_json(made)) == made
    assert issubclass(module, nnx.Module) and module.__doc__


@pytest.mark.parametrize("name", HEADS)
def test_head_config_survives_json(name: str) -> None:
    config = HEADS[name].config_type
    assert HEADS[name].__doc__ and issubclass(HEADS[name], nnx.Module)
    assert from_json(config, to_json(config())) == config()


@pytest.mark.parametrize("name", SIZES)
def test_size_survives_json(name: str) -> None:
    assert from_json(ModelConfig, to_json(SIZES[name])) == SIZES[name]


def test_sizes_grow() -> None:
    """By shape only: no parameter is made."""
    counts = []
    for config in SIZES.values():
        model = nnx.eval_shape(lambda config=config: FoundationModel(config, rngs=nnx.Rngs(0)))
        counts.append(sum(int(np.prod(leaf.shape)) for leaf in nnx.to_flat_state(nnx.state(model, nnx.Param)).leaves))
    assert counts == sorted(counts)
    assert 2 * counts[0] <= 20 * 2**20, "nano ships with the package: 20 MB at two bytes a parameter"
    assert counts[-1] > 5e8
