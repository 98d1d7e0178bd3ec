"""The experiments on time: gaps are what they say, baselines see the past only, the small loop learns."""

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from experiments.time.climatology import Examples, Series, climatology, damped, examples, persistence
from experiments.time.crops import METRICS, balanced_accuracy, balanced_accuracy_common, f1, rows
from experiments.time.fields import Fields, hide, interpolate, warped_distance
from experiments.time.fitting import fit
from experiments.time.forecast import factor
from experiments.time.naip import MODELS, Images, attention, batch, forward
from experiments.time.naip import rows as image_rows
from experiments.time.series import ForecastConfig, SeriesForecaster
from rsfm.nn.linear import Linear
from rsfm.scoring.results import append_rows, read_rows
from rsfm.training.experiment import load_config, make_build, make_processor


def fields(rng: np.random.Generator, n: int = 40) -> Fields:
    ndvi = np.where(rng.random((n, 23)) < 0.2, np.nan, rng.random((n, 23)))
    ndvi[:, 0] = 0.5
    return Fields(ndvi=ndvi, days=np.tile(6000.0 + 16 * np.arange(23), (n, 1)), label=rng.integers(0, 3, n))


def test_a_share_of_the_known_dates_is_hidden(rng: np.random.Generator) -> None:
    whole = fields(rng)
    for share in (0.0, 0.3, 0.6, 1.0):
        part = hide(whole, share, 0)
        known, left = np.isfinite(whole.ndvi).sum(1), np.isfinite(part.ndvi).sum(1)
        np.testing.assert_array_equal(left, np.maximum(1, known - np.round(share * known)))
        assert (np.isnan(part.ndvi) | (part.ndvi == whole.ndvi)).all()
    assert not np.array_equal(np.isnan(hide(whole, 0.3, 0).ndvi), np.isnan(hide(whole, 0.3, 1).ndvi))


def test_interpolation_is_a_straight_line_between_neighbours() -> None:
    nan = np.nan
    np.testing.assert_allclose(interpolate(np.array([[nan, 1.0, nan, 3.0, nan]])), [[1, 1, 2, 3, 3]])


def test_warping_forgives_a_shift_inside_the_band(rng: np.random.Generator) -> None:
    row = np.sin(np.arange(23.0)).astype(np.float32)
    known = np.stack([row, np.roll(row, 1), np.roll(row, 6), np.zeros(23, np.float32)])
    apart = warped_distance(row, known, 2)
    assert apart[0] == 0 and apart[1] < apart[2] and apart[1] < apart[3]
    np.testing.assert_allclose(warped_distance(row, known, 0), ((row - known) ** 2).sum(1), rtol=1e-5)


def test_scores_and_rows(tmp_path: Path, rng: np.random.Generator) -> None:
    truth = np.array([0, 0, 1, 2])
    assert balanced_accuracy(truth, truth) == f1(truth, truth) == 1.0
    assert balanced_accuracy(truth, np.array([0, 1, 1, 1])) == pytest.approx(0.5)
    assert f1(truth, np.array([0, 1, 1, 1])) == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    test = fields(rng)
    runs = {0.0: [test.label, test.label], 0.3: [test.label, np.zeros_like(test.label)]}
    named = {"config": "time_crops", "command": "here", "dataset": "cawa", "split": "test", "protocol": "region"}
    append_rows(tmp_path / "rows.jsonl", rows("model", named, test, runs))
    found = {(row.protocol, row.metric): row for row in read_rows(tmp_path)}
    assert found["region", "balanced_accuracy"].value == found["region", "accuracy"].value == 1.0
    assert len(found) == 3 * len(METRICS) + 1
    changed = found["region-missing30", "changed"]
    assert changed.value == pytest.approx(np.mean(test.label != 0) / 2) and changed.low < changed.value < changed.high
    drop, left = found["region-missing30", "macro_f1_drop"], found["region-missing30", "macro_f1"].value
    assert drop.value == pytest.approx(1 - left) and drop.low < drop.value < drop.high


@pytest.fixture
def series(rng: np.random.Generator) -> Series:
    days = np.sort(rng.uniform(5700, 6600, (6, 30)), axis=1)
    days[0, 25:] = np.nan
    season = 0.5 + 0.3 * np.sin(2 * np.pi * days / 365.2425)
    return Series(ndvi=season, days=days, block=np.arange(6))


def test_rare_classes_do_not_move_the_score_of_common_ones() -> None:
    truth = np.repeat([0, 1, 2], [30, 20, 1])
    found = np.where(truth == 2, 0, truth)
    assert balanced_accuracy(truth, found) == pytest.approx(2 / 3) and balanced_accuracy_common(truth, found) == 1.0


def test_examples_ask_for_the_next_clear_dates_of_the_period(series: Series) -> None:
    asked = examples(series, 6300.0, 6500.0)
    inside = np.isfinite(asked.wanted)
    assert inside.any(1).all() and ((asked.ahead[inside] >= 6300) & (asked.ahead[inside] < 6500)).all()
    last = series.days[asked.pixel, asked.last]
    assert (asked.ahead[inside] > np.repeat(last[:, None], 5, 1)[inside]).all()
    first = asked.ahead[:, 0] == series.days[asked.pixel, np.minimum(asked.last + 1, 29)]
    assert (first | np.isnan(asked.ahead[:, 0])).all()


def test_baselines_do_not_read_what_they_forecast(series: Series) -> None:
    known, asked = examples(series, 0.0, 6300.0), examples(series, 6300.0, 6700.0)

    def forecasts(some: Series, of: Examples) -> list[np.ndarray]:
        return [persistence(some, of), climatology(some, of, 6300.0, 40.0), damped(some, known, of, 6300.0, 40.0)]

    one = Examples(**{f.name: getattr(asked, f.name)[:1] for f in dataclasses.fields(asked)})
    later = series.days > series.days[one.pixel[0], one.last[0]]
    spoiled = dataclasses.replace(series, ndvi=np.where(later & (series.days >= 6300), 99.0, series.ndvi))
    for plain, changed in zip(forecasts(series, one), forecasts(spoiled, one), strict=True):
        np.testing.assert_allclose(plain, changed)
    error = np.abs(climatology(series, asked, 6300.0, 15.0) - asked.wanted)
    assert np.nanmean(error) < np.nanmean(np.abs(persistence(series, asked) - asked.wanted))


def test_widths_are_calibrated_where_a_season_was_seen(rng: np.random.Generator) -> None:
    days = np.array([[0.0, *range(100, 300)]])
    last = np.arange(1, 200)
    wanted = rng.normal(size=(199, 5)) * np.where(days[0, last] < 180, 50.0, 2.0)[:, None]
    some = Examples(pixel=np.zeros(199, int), last=last, wanted=wanted, ahead=np.zeros((199, 5)))
    made = np.zeros((199, 5)), np.full((199, 5), 1.645)
    series = Series(ndvi=np.zeros_like(days), days=days, block=np.zeros(1, int))
    assert factor(made, series, some) == pytest.approx(2.0, rel=0.15)


@pytest.fixture
def images(rng: np.random.Generator) -> Images:
    ndvi = rng.random(60) + rng.normal(0, 0.05, (6, 60))
    return Images(ndvi=ndvi, days=4000.0 + 365 * np.arange(6), block=np.arange(60) // 10)


def test_images_are_forecast_from_earlier_ones(images: Images) -> None:
    past = images.before(5)
    assert past.ndvi.shape == (5, 60) and not np.shares_memory(past.ndvi, images.ndvi[5:])
    runs = {name: forecast(past, 5825.0, 0) for name, (forecast, _) in MODELS.items() if forecast is not attention}
    np.testing.assert_array_equal(runs["persistence"], images.ndvi[4])
    np.testing.assert_allclose(runs["climatology"], images.ndvi[:5].mean(0))
    np.testing.assert_allclose(runs["half of each"], (images.ndvi[:5].mean(0) + images.ndvi[4]) / 2)
    made = list(image_rows(images, "climatology", {}, [runs["climatology"]], runs["persistence"]))
    error, gain = (row["value"] for row in made)
    assert error == pytest.approx(np.abs(images.ndvi[:5].mean(0) - images.ndvi[5]).mean())
    assert gain == pytest.approx(np.abs(images.ndvi[4] - images.ndvi[5]).mean() - error)


def test_the_forecaster_reads_the_past_of_every_pixel(images: Images) -> None:
    asked = batch(images.before(3), 5825.0, 5)
    assert asked["ndvi"].shape == (60, 5) and bool((asked["known"].sum(1) == 3).all())
    model = SeriesForecaster(ForecastConfig(), rngs=nnx.Rngs(0))
    plain = forward(model, asked)
    spoiled = asked | {"ndvi": asked["ndvi"].at[:, 3:].set(9.0)}
    assert plain.shape == (60,) and bool(jnp.isfinite(plain).all())
    np.testing.assert_array_equal(plain, forward(model, spoiled))


def test_the_loop_learns_and_repeats(rng: np.random.Generator) -> None:
    x = rng.normal(size=(100, 3)).astype(np.float32)
    data = {"x": jnp.asarray(x), "y": jnp.asarray(x @ [[1.0], [-2.0], [0.5]], jnp.float32)}

    def loss(model, batch, key):
        return jnp.square(model(batch["x"]) - batch["y"]).mean()

    made = [
        fit(Linear(3, 1, rngs=nnx.Rngs(0)), data, loss, steps=200, learning_rate=0.1, weight_decay=0.0, seed=seed)
        for seed in (0, 0)
    ]
    np.testing.assert_allclose(made[0].kernel[...][:, 0], [1, -2, 0.5], atol=0.05)
    np.testing.assert_array_equal(made[0].kernel[...], made[1].kernel[...])


def test_the_config_of_the_whole_model_builds() -> None:
    config = load_config("time_crops")
    assert make_processor(config).config.streams["series"].times == 23
    model = nnx.eval_shape(make_build(config))
    assert type(model.temporal["series"]).__name__ == "LightweightTime"
