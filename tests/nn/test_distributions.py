"""Every distribution keeps the interface's promises: cdf and quantile undo each other, density integrates, CRPS is CRPS."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsfm.nn.distributions import Distribution, Draws, Mixture, Normal, Piecewise, from_bins, from_quantiles

GRID = np.linspace(-12, 12, 4801, dtype=np.float32)
DISTRIBUTIONS: dict[str, Distribution] = {
    "normal": Normal(center=jnp.float32(0.4), width=jnp.float32(1.3)),
    "mixture": Mixture(weight=jnp.array([0.3, 0.7]), center=jnp.array([-2.0, 1.0]), width=jnp.array([0.5, 1.5])),
    "bins": from_bins(jnp.array([-3.0, -1.0, 0.0, 0.5, 4.0]), jnp.array([0.1, 0.4, 0.3, 0.2])),
    "quantiles": from_quantiles(jnp.array([0.05, 0.3, 0.5, 0.9]), jnp.array([-2.0, 0.0, 0.2, 3.0])),
}


@pytest.fixture(params=DISTRIBUTIONS)
def predicted(request) -> Distribution:
    return DISTRIBUTIONS[request.param]


def at_all(method):
    return np.asarray(jax.vmap(method)(jnp.asarray(GRID)))


@pytest.mark.parametrize("level", [0.05, 0.31, 0.5, 0.95])
def test_quantile_undoes_cdf(predicted, level):
    assert float(predicted.cdf(predicted.quantile(level))) == pytest.approx(level, abs=1e-4)


def test_moments_and_density_are_those_of_the_cdf(predicted):
    cdf = at_all(predicted.cdf)
    assert (np.diff(cdf) >= -1e-6).all() and cdf[0] < 1e-4 and cdf[-1] > 1 - 1e-4
    middle, mass = (GRID[1:] + GRID[:-1]) / 2, np.diff(cdf)
    mean = (middle * mass).sum()
    assert float(predicted.mean()) == pytest.approx(mean, abs=5e-3)
    assert float(predicted.scale()) == pytest.approx(np.sqrt(((middle - mean) ** 2 * mass).sum()), abs=5e-3)
    inside = (cdf[:-1] > 1e-3) & (cdf[1:] < 1 - 1e-3)
    density = np.exp(at_all(predicted.log_density))
    np.testing.assert_allclose((density[1:] + density[:-1])[inside].sum() / 2 * 0.005, mass[inside].sum(), atol=5e-3)


@pytest.mark.parametrize("outcome", [-7.5, -0.9, 0.1, 2.2, 9.0])
def test_crps_is_the_integral_of_the_squared_distance_of_the_cdfs(predicted, outcome):
    distance = (at_all(predicted.cdf) - (GRID >= outcome)) ** 2
    assert float(predicted.crps(jnp.float32(outcome))) == pytest.approx(distance.sum() * 0.005, abs=2e-2)


def test_many_draws_agree_with_what_they_are_drawn_from():
    normal = DISTRIBUTIONS["normal"]
    draws = Draws(values=0.4 + 1.3 * jax.random.normal(jax.random.key(0), (1, 1500)))
    for outcome in (-2.0, 0.5, 4.0):
        assert float(draws.crps(jnp.array([outcome]))[0]) == pytest.approx(
            float(normal.crps(jnp.float32(outcome))), abs=0.06
        )
    lost = Draws(values=jnp.array([[1.0, jnp.nan, 3.0]]))
    assert float(lost.mean()[0]) == 2.0 and float(lost.cdf(jnp.array([1.5]))[0]) == 0.5


def test_a_batch_is_its_rows():
    knots = jnp.array([[0.0, 1.0, 2.0], [5.0, 6.0, 9.0]])
    both = Piecewise(knots=knots, mass=jnp.array([[0.0, 0.5, 1.0], [0.0, 0.2, 1.0]]))
    target = jnp.array([1.2, 4.0])
    for i in range(2):
        one = Piecewise(knots=knots[i], mass=both.mass[i])
        for name in ("crps", "cdf", "log_density"):
            np.testing.assert_allclose(getattr(both, name)(target)[i], getattr(one, name)(target[i]), rtol=1e-5)
    assert float(both.crps(target)[1]) > 1.0, "what lies below the lowest knot counts from there"
