"""Physical units to the model's numbers: by unit or by statistics, and never by those of another unit."""

import numpy as np
import pytest

from rsfm.data.datasets import DATASETS
from rsfm.data.root import data_root
from rsfm.data.training.normalize import BandStatistics, fit_statistics, normalize
from rsfm.errors import UserError
from rsfm.processor.fitted import fitted_statistics
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.types import Record

STATISTICS = fitted_statistics()


def flat(value: float, sensor: str = "aerial_rgb"):
    bands = len(SENSORS[sensor].bands)
    return observe(SENSORS[sensor], np.full((1, 4, 4, bands), value, np.float32), time_days=[0.0], gsd_m=1.0)


def test_units_need_no_statistics():
    assert normalize("sentinel2_l2a", flat(0.35, "sentinel2_l2a"), {})[0, 0, 0, 0] == pytest.approx(1.0, abs=1e-5)


def test_invalid_pixels_are_zero():
    observation = flat(0.5)
    valid = observation.valid.copy()
    valid[0, 0] = False
    hidden = type(observation)(**{**observation.__dict__, "valid": valid})
    assert not normalize("aerial_rgb", hidden, {})[0, 0].any()


def test_fitted_statistics_standardize_what_they_were_fitted_on():
    rng = np.random.default_rng(0)
    values = rng.normal(0.4, 0.1, (1, 32, 32, 3)).astype(np.float32)
    record = Record(
        id="x", observations={"aerial_rgb": observe(SENSORS["aerial_rgb"], values, time_days=[0.0], gsd_m=1.0)}
    )
    table = {"aerial_rgb": fit_statistics("aerial_rgb", [record], source="test")}
    out = normalize("aerial_rgb", record.observations["aerial_rgb"], table)
    np.testing.assert_allclose([out.mean(), out.std()], [0, 1], atol=1e-3)


def test_relative_statistics_keep_the_shape_and_drop_the_brightness():
    rng = np.random.default_rng(0)
    shape = rng.uniform(0.5, 1.5, (1, 24, 24, 3)) * [0.1, 0.2, 0.4]
    light = rng.uniform(0.2, 3.0, (1, 24, 24, 1))
    records = [
        Record(
            id="x",
            observations={
                "aerial_rgb": observe(SENSORS["aerial_rgb"], values.astype(np.float32), time_days=[0.0], gsd_m=1.0)
            },
        )
        for values in (shape, shape * light)
    ]
    table = {"aerial_rgb": fit_statistics("aerial_rgb", records[:1], source="test", relative=True)}
    even, lit = (normalize("aerial_rgb", record.observations["aerial_rgb"], table) for record in records)
    np.testing.assert_allclose(even, lit, atol=1e-4)
    assert abs(even.mean()) < 0.2 and even.std() == pytest.approx(1, abs=0.1)
    halved = type(records[0].observations["aerial_rgb"])(
        **{**records[0].observations["aerial_rgb"].__dict__, "band_valid": np.array([[True, True, False]])}
    )
    assert not normalize("aerial_rgb", halved, table)[..., 2].any(), "a missing band has no part in the brightness"


@pytest.mark.parametrize("relative", [False, True])
def test_a_band_missing_at_a_date_counts_at_the_others(relative):
    rng = np.random.default_rng(0)
    values = rng.uniform(0.2, 0.6, (2, 24, 24, 3)).astype(np.float32) * [1.0, 0.5, 2.0]
    values[1, ..., 2] = np.nan
    gap = observe(SENSORS["aerial_rgb"], values, time_days=[0.0, 1.0], gsd_m=1.0)
    assert gap.band_valid.tolist() == [[True, True, True], [True, True, False]] and gap.valid.all()
    fitted = fit_statistics(
        "aerial_rgb", [Record(id="x", observations={"aerial_rgb": gap})], source="t", relative=relative
    )
    assert fitted.mean[2] == pytest.approx(values[0, ..., 2].mean(), rel=1e-5), "never zero-filled"
    out = normalize("aerial_rgb", gap, {"aerial_rgb": fitted})
    assert not out[1, ..., 2].any() and out[0, ..., 2].all() and out[1, ..., :2].all()
    garbage = type(gap)(**{**gap.__dict__, "values": np.where(np.isnan(values), 1e9, values).astype(np.float32)})
    np.testing.assert_array_equal(normalize("aerial_rgb", garbage, {"aerial_rgb": fitted}), out)


def test_values_of_another_unit_are_refused():
    table = {"aerial_rgb": BandStatistics(source="test", mean=(0.4,) * 3, std=(0.1,) * 3)}
    with pytest.raises(
        UserError, match="aerial_rgb: most values lie over 12 standard deviations .* expected about 0.4, found 90"
    ):
        normalize("aerial_rgb", flat(90.0), table)


@pytest.mark.data
@pytest.mark.parametrize("sensor", STATISTICS)
def test_committed_statistics_fit_the_data_of_today(sensor: str, published_data) -> None:
    """A sensor's scale that changes after the fit would clip every value: so it happened once."""
    dataset, split = STATISTICS[sensor].source.split()
    records = DATASETS[dataset](data_root(), split)
    chosen = [records[i].observations[sensor] for i in range(0, len(records), max(1, len(records) // 20))]
    values = np.concatenate([normalize(sensor, each, STATISTICS)[each.valid].reshape(-1) for each in chosen])
    assert abs(values.mean()) < 0.7 and 0.3 < values.std() < 3
