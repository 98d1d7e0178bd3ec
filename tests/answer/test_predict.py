"""Prediction on scenes of any size, with a stand-in model whose answer is a known function of each pixel and window."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from experiments import seams
from rsfm.answer import windows
from rsfm.answer.batches import forward, stack
from rsfm.answer.footprint import RecordFootprint, open_footprint
from rsfm.answer.maps import map_rows
from rsfm.answer.predict import predict
from rsfm.errors import UserError
from rsfm.heads.mask.scene import class_probabilities
from rsfm.heads.scene import Tiling
from rsfm.models.foundation import FoundationModel
from rsfm.pretrained import Pretrained, load
from rsfm.processor import HeadSlots, Processor, ProcessorConfig
from rsfm.processor.plan import legend_plan
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.text.tokenizer import TextTokenizer
from rsfm.types import GeoGrid, Predictions, Record, Sample, StreamSpec

ROOT = Path(__file__).resolve().parents[2]
QUESTION = "Map the land cover: water, trees."
PLAN = legend_plan(ProcessorConfig(streams={}), ("water", "trees"))
SIZE = 32
GRID = GeoGrid(crs="EPSG:32633", transform=(10.0, 0.0, 404400.0, 0.0, -10.0, 5342400.0), height=0, width=0)


class Standin(FoundationModel):
    """Water where the first band is high, trees where it is low; `drift` lets the window's mean sway the answer."""

    def __init__(self, drift: float = 0.0):
        self.drift = nnx.Param(jnp.float32(drift))

    def __call__(self, sample: Sample) -> Predictions:
        values = sample.observations["optical"].values[:, 0, :, :, 0]
        sway = self.drift[...] * values.mean((1, 2), keepdims=True)
        water, trees = 3 * values + sway, -3 * values - sway
        slots = sample.targets["mask"]["position"].shape[1]
        empty = jnp.full((len(values), slots - 2, *values.shape[1:]), 30.0)  # slots that were not asked for
        logits = jnp.concatenate([jnp.stack([water, trees], axis=1), empty], axis=1)
        return Predictions(
            text_logits=jnp.zeros((*sample.text_ids.shape, 4)), outputs={"mask": {"logits": logits}}, aux={}
        )


@pytest.fixture(scope="module")
def processor() -> Processor:
    streams = {"optical": StreamSpec(families=("optical",), size=SIZE, bands=12, patch=8)}
    config = ProcessorConfig(streams=streams, heads={"mask": HeadSlots(slots=4), "value": HeadSlots(slots=4)})
    return Processor(config, TextTokenizer.load(ROOT / "tokenizers" / "text"))


def scene(height: int, width: int, *, seed: int = 0, bands: tuple[str, ...] = ("B02", "B03", "B04")) -> Record:
    """Smooth hills of reflectance."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width] / 17
    hills = 0.2 + 0.1 * np.sin(rows + rng.uniform(0, 6)) * np.cos(columns + rng.uniform(0, 6))
    values = np.repeat(hills[None, ..., None], len(bands), -1).astype(np.float32)
    observation = observe(SENSORS["sentinel2_l2a"], values, time_days=[9000.0], gsd_m=10.0, bands=bands)
    grid = dataclasses.replace(GRID, height=height, width=width)
    return Record(id="hills", observations={"sentinel2_l2a": observation}, location_deg=(13.7, 48.2), grid=grid)


def without(record: Record, rows: slice, columns: slice) -> Record:
    """The record with a hole of nodata."""
    observation = record.observations["sentinel2_l2a"]
    valid = observation.valid.copy()
    valid[:, rows, columns] = False
    return dataclasses.replace(record, observations={"sentinel2_l2a": dataclasses.replace(observation, valid=valid)})


def probabilities(model: FoundationModel, processor: Processor, record: Record, **options: object) -> np.ndarray:
    """The whole map's probabilities, none first."""
    parts = [rows.probability for rows in map_rows(model, processor, RecordFootprint(record), PLAN, **options)]
    return np.concatenate(parts, axis=1)


def test_one_window_is_the_plain_forward_bit_for_bit(processor: Processor) -> None:
    model, record = Standin(drift=2.0), scene(SIZE, SIZE)
    sample = stack([processor.prompt(record, PLAN.asked, PLAN.answer)])
    plain = np.asarray(class_probabilities(forward(model, sample).outputs["mask"]["logits"][:, :2]))[0]
    answer = predict(model, processor, record, QUESTION, probability=True)
    assert answer.probability is not None and answer.mask is not None
    np.testing.assert_array_equal(answer.probability, plain[1:])
    np.testing.assert_array_equal(answer.mask.class_index, plain.argmax(0) - 1)
    assert answer.grid == record.grid and answer.mask.legend == ("water", "trees")


@pytest.mark.parametrize("shape", [(10, 90), (33, 32), (64, 64), (100, 75), (5, 7)])
def test_pixelwise_models_leave_no_trace_of_windows(processor: Processor, shape: tuple[int, int]) -> None:
    record = scene(*shape)
    whole = probabilities(Standin(), processor, record)
    logit = (
        3 * (record.observations["sentinel2_l2a"].values[0, ..., 0] - 0.2) / 0.15
    )  # reflectance is normalized by unit
    expected = np.exp(logit) / (1 + np.exp(logit) + np.exp(-logit))
    assert whole.shape == (3, *shape)
    np.testing.assert_allclose(whole[1], expected, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_the_batch_changes_nothing(processor: Processor, batch_size: int) -> None:
    record, model = scene(70, 130), Standin(drift=1.0)
    reference = probabilities(model, processor, record)
    np.testing.assert_allclose(probabilities(model, processor, record, batch_size=batch_size), reference, atol=1e-6)


def test_steps_across_seams_are_no_larger_than_elsewhere(processor: Processor) -> None:
    """Windows that disagree with their neighbours: without blending every seam shows."""
    record, model = scene(96, 200, seed=3), Standin(drift=3.0)

    def step_ratio(overlap: float) -> float:
        parts = list(map_rows(model, processor, RecordFootprint(record), PLAN, overlap=overlap))
        step = np.abs(np.diff(np.concatenate([part.probability for part in parts], axis=1), axis=2)).mean((0, 1))
        starts = Tiling(height=96, width=200, size=SIZE, overlap=overlap).columns
        seams = sorted({edge - 1 for start in starts for edge in (start, start + SIZE) if 0 < edge < 200})
        elsewhere = np.setdiff1d(np.arange(len(step)), seams)
        return float(step[seams].mean() / step[elsewhere].mean())

    assert step_ratio(0.25) <= 1.0 < step_ratio(0.0)


def test_nodata_stays_nodata(processor: Processor) -> None:
    record = without(scene(80, 80), slice(0, 50), slice(10, 40))
    answer = predict(Standin(), processor, record, QUESTION)
    assert answer.mask is not None
    hole = np.zeros((80, 80), bool)
    hole[0:50, 10:40] = True
    np.testing.assert_array_equal(answer.mask.class_index < 0, hole)


def test_all_nodata_is_told(processor: Processor) -> None:
    record = without(scene(40, 40), slice(None), slice(None))
    with pytest.raises(UserError, match="nodata"):
        predict(Standin(), processor, record, QUESTION)


def test_windows_without_data_are_not_run(processor: Processor, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []
    original = windows.run_windows
    monkeypatch.setattr(
        windows, "run_windows", lambda m, samples, *rest: ran.append(len(samples)) or original(m, samples, *rest)
    )
    record = without(scene(64, 200), slice(None), slice(60, None))
    predict(Standin(), processor, record, QUESTION)
    assert sum(ran) < len(Tiling(height=64, width=200, size=SIZE)) / 2


def test_one_compilation_serves_every_window(processor: Processor) -> None:
    model, compiled = Standin(), []
    jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: compiled.append(event))

    def count(record: Record) -> int:
        before = len([event for event in compiled if "backend_compile" in event])
        predict(model, processor, record, QUESTION)
        return len([event for event in compiled if "backend_compile" in event]) - before

    wide = 16 * 24 + 8  # 16 columns of windows: a full batch a row
    count(scene(SIZE, wide))
    assert count(scene(150, wide)) == 0, "another height is only more batches"


def test_memory_does_not_grow_with_height(processor: Processor) -> None:
    """The strip that is open holds one row of windows."""
    tall = list(map_rows(Standin(), processor, RecordFootprint(scene(400, 40)), PLAN))
    assert max(len(rows.class_index) for rows in tall) <= SIZE
    assert sum(len(rows.class_index) for rows in tall) == 400
    assert [rows.first for rows in tall] == list(np.cumsum([0, *(len(rows.class_index) for rows in tall[:-1])]))


def test_the_text_names_the_classes_found(processor: Processor) -> None:
    answer = predict(Standin(), processor, scene(50, 50), QUESTION)
    shares = answer.to_json()["mask"]
    largest = max(shares, key=shares.get)
    assert answer.text.startswith(f"{largest} {100 * shares[largest]:.1f} %")


def test_text_json_and_legend_count_shares_of_the_whole_picture(processor: Processor) -> None:
    """A third without data leaves at most two thirds for the classes, wherever a share is told."""
    wide = scene(48, 60)
    (name, seen), *_ = wide.observations.items()
    valid = seen.valid.copy()
    valid[..., :20] = False
    half = dataclasses.replace(wide, observations={name: dataclasses.replace(seen, valid=valid)})
    answer = predict(Standin(), processor, half, QUESTION)
    assert answer.mask is not None
    assert sum(answer.mask.shares) == pytest.approx((answer.mask.class_index >= 0).mean()) and answer.mask.shares
    assert sum(answer.mask.shares) <= 2 / 3 + 1e-9
    assert list(answer.to_json()["mask"].values()) == [round(share, 4) for share in answer.mask.shares]
    told = sum(float(word.split()[-2]) for word in answer.text.split(",")) / 100
    assert told == pytest.approx(sum(answer.mask.shares), abs=0.003)


def write_tif(
    path: Path, height: int, width: int, *, bands: int = 12, offset: int = 0, crs: str | None = "EPSG:32633"
) -> Path:
    rasterio = pytest.importorskip("rasterio")
    rng = np.random.default_rng(offset)
    data = rng.integers(500, 3000, size=(bands, height, width), dtype=np.uint16)
    transform = rasterio.transform.from_origin(404400 + 10 * offset, 5342400, 10, 10)
    options = {"crs": crs} if crs else {}
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=height,
        width=width,
        count=bands,
        dtype="uint16",
        transform=transform,
        **options,
    ) as dataset:
        dataset.write(data)
    return path


def test_scenes_of_two_sensors_must_share_the_grid(tmp_path: Path) -> None:
    first = write_tif(tmp_path / "a.tif", 40, 40)
    other = write_tif(tmp_path / "b.tif", 40, 40, bands=6, offset=7)
    with pytest.raises(UserError, match="not on one grid.*rio warp"):
        open_footprint([first, other], sensors=["sentinel2_l2a", "hls"])


def test_sensors_and_dates_are_counted(tmp_path: Path) -> None:
    paths = [write_tif(tmp_path / f"{name}.tif", 40, 40) for name in "abc"]
    with pytest.raises(UserError, match="sensor: expected one name, or one for each of 3"):
        open_footprint(paths, sensors=["sentinel2_l2a"] * 2)
    with pytest.raises(UserError, match="date"):
        open_footprint(paths, sensors=["sentinel2_l2a"], dates=["2024-01-01", "2024-02-01"])
    series = open_footprint(paths, sensors=["sentinel2_l2a"], dates=["2024-01-01", "2024-02-01", "2024-03-01"])
    assert series.read((0, 0, 8, 8)).observations["sentinel2_l2a"].values.shape == (3, 8, 8, 12)


def test_a_file_and_its_record_give_the_same_map(tmp_path: Path, processor: Processor) -> None:
    footprint = open_footprint([write_tif(tmp_path / "a.tif", 75, 60)], sensors=["sentinel2_l2a"])
    model = Standin(drift=0.5)
    from_file = predict(model, processor, footprint, QUESTION)
    from_memory = predict(model, processor, footprint.read((0, 0, 75, 60)), QUESTION)
    assert from_file.mask is not None and from_memory.mask is not None
    np.testing.assert_array_equal(from_file.mask.class_index, from_memory.mask.class_index)


# --- the shipped checkpoint


@pytest.fixture(scope="module")
def nano() -> Pretrained:
    return load("nano")


def test_one_window_of_nano_is_its_plain_forward_bit_for_bit(nano: Pretrained) -> None:
    size = nano.config.streams["optical"].spec.size
    record = scene(size, size)
    plan = legend_plan(nano.processor.config, nano.processor.config.legends["land cover"])
    sample = stack([nano.processor.prompt(record, plan.asked, plan.answer)])
    plain = np.asarray(class_probabilities(forward(nano.model, sample).outputs["mask"]["logits"][:, :9]))[0]
    answer = predict(nano.model, nano.processor, record, "Map the land cover.", probability=True)
    assert answer.probability is not None and answer.mask is not None
    np.testing.assert_array_equal(answer.probability, plain[1:])
    np.testing.assert_array_equal(answer.mask.class_index, plain.argmax(0) - 1)


@pytest.mark.data
def test_steps_of_nano_across_seams_of_a_real_scene(nano: Pretrained, published_data: Path) -> None:
    """Landsat 7, 3 x 3 windows: the mean step in class probability between neighbours is no larger at a seam."""
    footprint = open_footprint([published_data / "landsat7_stars" / "L7_ETMs.tif"], sensors=["landsat7_etm"])
    at, elsewhere = seams.at_and_elsewhere(
        seams.probabilities(nano, footprint), nano.config.streams["optical"].spec.size
    )
    assert len(at) == 8 and at.mean() <= elsewhere.mean(), f"{at.mean():.5f} at edges, {elsewhere.mean():.5f} elsewhere"


BIG = """
import json, resource, time
import jax
from rsfm import pretrained
from rsfm.answer.footprint import open_footprint
from rsfm.answer.maps import map_rows
from rsfm.processor.plan import legend_plan
from rsfm.data.writing.rasters import MaskWriter
compiled = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, *_, **__: compiled.append(event) if "backend_compile" in event else None
)
loaded = pretrained.load({checkpoint!r})
footprint = open_footprint([{scene!r}], sensors=["sentinel2_l2a"])
plan = legend_plan(loaded.processor.config, ("water", "trees", "crops"))
after_first, rows, clock = None, 0, time.monotonic()
with MaskWriter({out!r}, footprint.grid, plan.legend) as writer:
    for part in map_rows(loaded.model, loaded.processor, footprint, plan):
        writer.write(part.first, 0, part.class_index)
        after_first = len(compiled) if after_first is None else after_first
        rows += len(part.class_index)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
told = dict(peak_bytes=peak, compiled=len(compiled), compiled_later=len(compiled) - after_first, rows=rows)
print(json.dumps(told | dict(seconds=round(time.monotonic() - clock))))
"""


@pytest.mark.slow
def test_a_whole_sentinel_2_tile_in_three_gigabytes(tmp_path: Path) -> None:
    """10,980 x 10,980 pixels of 12 bands: peak memory under 3 GB, nothing compiled after the first row of windows."""
    rasterio = pytest.importorskip("rasterio")
    edge, path = 10_980, tmp_path / "tile.tif"
    rng = np.random.default_rng(0)
    block = rng.integers(300, 3500, size=(12, 512, edge), dtype=np.uint16)
    options = {"driver": "GTiff", "height": edge, "width": edge, "count": 12, "dtype": "uint16", "crs": "EPSG:32633"}
    transform = rasterio.transform.from_origin(399960, 5300040, 10, 10)
    with rasterio.open(
        path, "w", tiled=True, blockxsize=512, blockysize=512, transform=transform, **options
    ) as dataset:
        for row in range(0, edge, 512):
            height = min(512, edge - row)
            dataset.write(block[:, :height], window=rasterio.windows.Window(0, row, edge, height))
    code = BIG.format(checkpoint="nano", scene=str(path), out=str(tmp_path / "mask.tif"))
    env = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}  # one device, as users have
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=env)
    path.unlink()
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["peak_bytes"] < 3e9 and told["compiled_later"] == 0 and told["rows"] == edge
    with rasterio.open(tmp_path / "mask.tif") as mask:
        assert mask.transform == transform and mask.crs.to_epsg() == 32633 and mask.shape == (edge, edge)
