"""Land cover at validation places: what is scored in the common legend, and the simple methods beside."""

import numpy as np
import pytest

from experiments.cover import WATER, common, forest, index_threshold, scores
from rsfm.data.datasets.hls_worldcover import LEGEND
from rsfm.data.landcover import COVER
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.tasks import TASKS
from rsfm.types import Answer, Mask, Record

SIDE = 12


def record(wet: np.ndarray) -> Record:
    """Water is dark in the infrared, tree cover bright; one pixel is moss, which may be of three common classes."""
    sensor = SENSORS["hls_l30"]
    rng = np.random.default_rng(int(wet.sum()))
    bands = np.where(
        wet[..., None], [0.03, 0.04, 0.06, 0.03, 0.02, 0.01, 0.01], [0.02, 0.03, 0.06, 0.04, 0.35, 0.2, 0.1]
    )
    values = (bands + rng.uniform(0, 0.005, bands.shape))[None].astype(np.float32)
    classes = np.where(wet, LEGEND.index("permanent water bodies"), LEGEND.index("tree cover"))
    classes[0, 0] = LEGEND.index("moss and lichen")
    elevation = observe(
        SENSORS["elevation"],
        np.zeros((1, SIDE, SIDE, 1), np.float32),
        time_days=[np.nan],
        gsd_m=30.0,
        bands=("elevation",),
    )
    seen = observe(sensor, values, time_days=[np.nan], gsd_m=30.0)
    return common(
        Record(
            id="lake",
            observations={sensor.name: seen, "elevation": elevation},
            mask=Mask(class_index=classes, legend=LEGEND),
        ),
        "hls_worldcover306",
    )


LAKE = record(np.arange(SIDE * SIDE).reshape(SIDE, SIDE) % SIDE < 5)


def test_the_common_legend_leaves_out_what_may_be_several_classes():
    assert LAKE.mask is not None and LAKE.mask.legend == COVER and set(LAKE.observations) == {"hls_l30"}
    assert LAKE.mask.class_index[0, 0] == -1 and (LAKE.mask.class_index >= 0).sum() == SIDE * SIDE - 1
    assert LAKE.mask.class_index[5, 0] == WATER and LAKE.mask.class_index[5, 11] == COVER.index("trees")


@pytest.mark.parametrize("infrared", [1, 2])
def test_an_index_finds_the_water_and_names_nothing_else(infrared):
    answer = index_threshold(infrared, lambda index: 0.0)(LAKE)
    assert answer.mask is not None and set(np.unique(answer.mask.class_index)) == {-1, WATER}
    assert scores(TASKS["segmentation"].statistics(LAKE, answer))["water_iou"] == 1.0


def test_a_forest_learns_a_lake_and_maps_another():
    other = record(np.arange(SIDE * SIDE).reshape(SIDE, SIDE) < 70)
    found = scores(TASKS["segmentation"].statistics(other, forest([LAKE], 0)(other)))
    assert found["overall_accuracy"] > 0.95 and found["water_iou"] > 0.9


def test_half_the_water_missed_is_half_its_iou():
    assert LAKE.mask is not None
    trees = np.full((SIDE, SIDE), COVER.index("trees"))
    half = np.where(np.arange(SIDE)[:, None] < SIDE // 2, LAKE.mask.class_index, trees)
    answer = Answer(question="", text="", mask=Mask(class_index=half, legend=COVER))
    assert scores(TASKS["segmentation"].statistics(LAKE, answer))["water_iou"] == pytest.approx(0.5, abs=0.02)
