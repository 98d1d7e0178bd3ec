"""Small models of series: they take any dates, leave masked ones out, and the forecaster is a climatology that knows lately."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from experiments.time.series import (
    ForecastConfig,
    SeriesClassifier,
    SeriesConfig,
    SeriesForecaster,
    days_apart_in_year,
    lag_features,
)
from rsfm.models.temporal import TemporalConfig
from rsfm.pytree import replace
from rsfm.types import Observation
from tests.observations import make, pad

YEAR = 365.2425


def pixels(values: np.ndarray, days: np.ndarray) -> Observation:
    observation = make(b=1, t=len(days), size=1, codes=("ndvi",))
    return replace(
        observation,
        values=jnp.asarray(values, jnp.float32)[None, :, None, None, None],
        time_days=jnp.asarray(days, jnp.float32)[None],
    )


@pytest.fixture(scope="module")
def forecaster() -> SeriesForecaster:
    return SeriesForecaster(ForecastConfig(), rngs=nnx.Rngs(0))


@pytest.fixture(scope="module")
def forecast(forecaster):
    graphdef, params = nnx.split(forecaster)
    run = jax.jit(lambda observation, targets: nnx.merge(graphdef, params)(observation, targets))

    def at(observation: Observation, *days: float) -> np.ndarray:
        mean, scale = run(observation, jnp.asarray(days, jnp.float32)[None])
        assert np.isfinite(mean).all() and (np.asarray(scale) > 0).all()
        return np.stack([mean[0], scale[0]])

    return at


def test_a_seasonal_series_is_forecast_by_its_season(forecast) -> None:
    days = np.arange(6000.0, 6000 + 3 * YEAR, 20)
    season = lambda day: np.sin(2 * np.pi * np.asarray(day) / YEAR)  # noqa: E731
    ahead = days[-1] + np.array([20.0, 100.0, 180.0])
    np.testing.assert_allclose(forecast(pixels(season(days), days), *ahead)[0], season(ahead), atol=0.25)


def test_without_another_year_the_past_is_all_there_is(forecast) -> None:
    constant = pixels(np.full(4, 0.7), 6000.0 + np.arange(4) * 15)
    np.testing.assert_allclose(forecast(constant, 6080.0)[0], 0.7, atol=1e-5)
    np.testing.assert_allclose(forecast(pixels(np.array([0.3]), np.array([6000.0])), 6080.0)[0], 0.3, atol=1e-5)


def test_masked_dates_and_their_order_change_nothing(forecast) -> None:
    rng = np.random.default_rng(0)
    days, values = np.sort(rng.uniform(6000, 7000, 20)), rng.normal(size=20)
    observation = pixels(values, days)
    plain = forecast(observation, 7010.0, 7040.0)
    np.testing.assert_allclose(forecast(pad(observation, dates=3), 7010.0, 7040.0), plain, atol=1e-4)
    order = rng.permutation(20)
    np.testing.assert_allclose(forecast(pixels(values[order], days[order]), 7010.0, 7040.0), plain, atol=1e-4)


def test_ten_times_the_dates_run(forecast) -> None:
    days = np.linspace(5000, 7000, 400)
    assert np.abs(forecast(pixels(np.sin(days), days), 7010.0)).max() < 10


def test_days_apart_in_year_go_round() -> None:
    found = days_apart_in_year(jnp.asarray([0.0, 10.0, YEAR - 10, YEAR + 10, -10.0]))
    np.testing.assert_allclose(found, [0, 10, 10, 10, 10], atol=1e-2)
    assert lag_features(jnp.zeros((3, 2))).shape == (3, 2, 6)


@pytest.mark.parametrize("kind", ["ltae", "joint"])
def test_a_classifier_ignores_missing_dates(kind: str) -> None:
    temporal = TemporalConfig(kind=kind, heads=2)
    config = SeriesConfig(width=16, hidden=8, heads=2, temporal=temporal, classes=3, dropout=0.5)
    model = SeriesClassifier(config, rngs=nnx.Rngs(0))
    run = nnx.jit(lambda model, observation: model(observation))
    observation = make(b=2, t=5, size=1, codes=("ndvi",))
    plain = run(model, observation)
    assert plain.shape == (2, 3)
    np.testing.assert_allclose(run(model, pad(observation, dates=3)), plain, atol=1e-5)
    assert not np.allclose(model(observation, jax.random.key(0)), plain), "dropout needs a key"
