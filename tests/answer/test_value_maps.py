"""A map of numbers: value and 90 % interval of each pixel, on the scene's grid, from the classes it was trained on."""

import dataclasses
import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import rasterio
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

from rsfm.answer.footprint import RecordFootprint
from rsfm.answer.predict import predict
from rsfm.answer.products import write_products
from rsfm.errors import UserError
from rsfm.heads import value_band
from rsfm.models.foundation import FoundationModel
from rsfm.processor import HeadSlots, Processor, ProcessorConfig
from rsfm.processor.plan import quantity_plan
from rsfm.quantities import Quantity
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.text.tokenizer import TextTokenizer
from rsfm.types import GeoGrid, Predictions, Record, Sample, StreamSpec

ROOT = Path(__file__).resolve().parents[2]
EDGES = (0.0, 5.0, 10.0, 20.0, 40.0)
HEIGHT = Quantity(name="canopy height", unit="m", center=10.0, scale=8.0, map_edges=EDGES)
MOISTURE = Quantity(name="live fuel moisture", unit="%", center=100.0, scale=40.0)
QUESTION = "Map the canopy height."


class Standin(FoundationModel):
    """Class k is the likelier the nearer the first band is to k - 2."""

    def __init__(self):
        self.sharpness = nnx.Param(jnp.float32(3.0))

    def __call__(self, sample: Sample) -> Predictions:
        values = sample.observations["optical"].values[:, 0, :, :, 0]
        logits = [20.0 - self.sharpness[...] * (values - k + 2) ** 2 for k in range(4)]
        return Predictions(
            text_logits=jnp.zeros((*sample.text_ids.shape, 4)),
            outputs={"mask": {"logits": jnp.stack(logits, 1)}},
            aux={},
        )


@pytest.fixture(scope="module")
def processor() -> Processor:
    streams = {"optical": StreamSpec(families=("optical",), size=16, bands=4, patch=8)}
    config = ProcessorConfig(
        streams=streams, heads={"mask": HeadSlots(slots=4), "value": HeadSlots(slots=4)}, quantities=(HEIGHT, MOISTURE)
    )
    return Processor(config, TextTokenizer.load(ROOT / "tokenizers" / "text"))


@pytest.fixture(scope="module")
def record() -> Record:
    """Reflectance that rises from west to east, with a hole of nodata."""
    ramp = np.broadcast_to(np.linspace(-0.1, 0.35, 40, dtype=np.float32), (1, 24, 40))
    seen = observe(
        SENSORS["sentinel2_l2a"], np.repeat(ramp[..., None], 3, -1), time_days=[9000.0], gsd_m=10.0,
        bands=("B02", "B03", "B04"),
    )  # fmt: skip
    valid = seen.valid.copy()
    valid[:, 3:6, 7:9] = False
    grid = GeoGrid(crs="EPSG:32633", transform=(10.0, 0.0, 404400.0, 0.0, -10.0, 5342400.0), height=24, width=40)
    return Record(id="ramp", observations={"sentinel2_l2a": dataclasses.replace(seen, valid=valid)}, grid=grid)


def test_a_map_of_numbers_has_a_value_and_an_interval_everywhere(processor, record, tmp_path):
    answer = predict(Standin(), processor, record, QUESTION)
    band = answer.value_map
    assert band is not None and band.shape == (24, 40, 3) and answer.mask is None
    hole = ~record.observations["sentinel2_l2a"].valid[0]
    assert np.isnan(band[hole]).all() and np.isfinite(band[~hole]).all()
    value, low, high = np.moveaxis(band[~hole], -1, 0)
    assert (low < value).all() and (value < high).all() and low.min() >= 0 and high.max() <= 40
    row = band[10, :, 0]
    assert (np.diff(row) > 0).all(), "brighter is higher: no trace of windows or classes"
    assert answer.values[0].name == "mean canopy height" and answer.values[0].value == pytest.approx(value.mean())
    assert answer.text.startswith("canopy height: ") and " m in nine tenths of the pixels." in answer.text

    names = write_products(tmp_path, [answer], RecordFootprint(record), about={})
    assert names == ["answer.json", "values.tif"]
    with rasterio.open(tmp_path / "values.tif") as file:
        assert file.dtypes == ("float32",) * 3 and np.isnan(file.nodata)
        assert file.crs.to_epsg() == 32633 and tuple(file.transform)[:6] == record.grid.transform
        assert file.descriptions == ("canopy height m", "canopy height m, 5 %", "canopy height m, 95 %")
        np.testing.assert_array_equal(np.moveaxis(file.read(), 0, -1), band)
    told = json.loads((tmp_path / "answer.json").read_text(encoding="utf-8"))
    assert told["answers"][0]["files"] == ["values.tif"]


def test_the_model_is_asked_for_the_classes_it_was_trained_on(processor, record):
    asked = processor.asked(QUESTION, record)
    plan = quantity_plan(processor.config, *asked.subjects)
    assert plan.legend[1] == "5 to 10 m" and plan.quantity is HEIGHT
    assert plan.asked == "Map the canopy height." and plan.answer.startswith(
        "canopy height: 0 to 5 m <mask> 5 to 10 m "
    )
    assert plan.answer.count("<mask>") == 4
    assert asked.kind == "value map" and processor.asked("Map the land cover: water.", record).kind == "map"


def test_a_quantity_without_a_map_says_so(processor, record):
    with pytest.raises(
        UserError, match=r"has one live fuel moisture for a scene and no map of it. Ask .* \(the task value_map\)"
    ):
        processor.asked("Map the live fuel moisture.", record)


@given(st.lists(st.floats(0.01, 1), min_size=4, max_size=4), st.floats(0.3, 2))
def test_the_band_holds_nine_tenths_of_the_probability(weights, stretch):
    share = np.asarray(weights, np.float32)[:, None, None] / (sum(weights) + 0.5)
    value, low, high = value_band(EDGES, share)[0, 0]
    cdf = np.interp([low, high], EDGES, np.cumsum([0, *weights]) / sum(weights))
    assert cdf == pytest.approx([0.05, 0.95], abs=1e-3) and low < value < high
    _, inner, outer = value_band(EDGES, share, stretch=stretch)[0, 0]
    assert (outer - inner) == pytest.approx(stretch * (high - low), rel=1e-3)
    assert np.isnan(value_band(EDGES, 0 * share)).all()
