"""Each loss against plain numpy in float64, and what a mask promises: the masked change neither value nor gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsfm.nn.losses import masked as losses

seeds = st.integers(0, 2**16)


def close(got: jax.Array, wanted: float) -> None:
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


@settings(deadline=None, max_examples=20)
@given(seeds, st.sampled_from([0.0, 1e-3]))
def test_token_cross_entropy(seed, z_loss):
    rng = np.random.default_rng(seed)
    logits, target, mask = rng.normal(size=(2, 5, 7)) * 4, rng.integers(0, 7, (2, 5)), rng.random((2, 5)) < 0.6
    log_z = np.log(np.exp(logits).sum(-1))
    each = log_z - np.take_along_axis(logits, target[..., None], -1)[..., 0] + z_loss * log_z**2
    got = losses.token_cross_entropy(jnp.float32(logits), jnp.array(target), jnp.array(mask), z_loss=z_loss)
    close(got, each[mask].mean() if mask.any() else 0.0)


@settings(deadline=None, max_examples=20)
@given(seeds, st.sampled_from([0.0, 0.5, 1.0]))
def test_gaussian_nll(seed, beta):
    rng = np.random.default_rng(seed)
    mean, target, scale, mask = rng.normal(size=9), rng.normal(size=9), rng.random(9) + 0.1, rng.random(9) < 0.7
    each = (np.log(scale) + ((target - mean) / scale) ** 2 / 2) * scale ** (2 * beta)
    got = losses.gaussian_nll(*(jnp.float32(a) for a in (mean, scale, target)), jnp.array(mask), beta=beta)
    close(got, each[mask].mean() if mask.any() else 0.0)


@settings(deadline=None, max_examples=20)
@given(seeds, st.sampled_from([0.3, 1.0, 10.0]))
def test_huber(seed, delta):
    rng = np.random.default_rng(seed)
    a, b, mask = rng.normal(size=9), rng.normal(size=9), rng.random(9) < 0.7
    error = np.abs(a - b)
    each = np.where(error <= delta, error**2 / 2, delta * (error - delta / 2))
    close(
        losses.huber(jnp.float32(a), jnp.float32(b), jnp.array(mask), delta=delta),
        each[mask].mean() if mask.any() else 0.0,
    )


def test_beta_one_gives_the_gradient_of_the_squared_error():
    """Seitzer et al., section 4: with beta = 1 the mean learns as if the scale were not there."""
    scale, target, mask = jnp.array([0.1, 1.0, 5.0]), jnp.array([1.0, 2.0, 3.0]), jnp.ones(3, bool)
    slope = jax.grad(lambda mean: losses.gaussian_nll(mean, scale, target, mask, beta=1.0))(jnp.zeros(3))
    np.testing.assert_allclose(slope, -target / 3, rtol=1e-6)


def test_scale_of_least_loss_is_the_error():
    errors, mask = jnp.array([0.5, 2.0]), jnp.ones(2, bool)
    slope = jax.grad(lambda scale: losses.gaussian_nll(jnp.zeros(2), scale, errors, mask))(errors)
    np.testing.assert_allclose(slope, 0, atol=1e-6)


CASES = {
    "token": lambda x, mask: losses.token_cross_entropy(x, jnp.where(mask, 1, 99), mask, z_loss=1e-3),
    "gaussian": lambda x, mask: losses.gaussian_nll(x[..., 0], x[..., 1] + 5.0, x[..., 2], mask),
    "huber": lambda x, mask: losses.huber(x[..., 0], x[..., 1], mask),
}


@pytest.mark.parametrize("name", CASES)
def test_the_masked_may_be_anything_and_get_no_gradient(name):
    x, mask = (
        jax.random.normal(jax.random.key(0), (2, 4, 4, 3)),
        jax.random.bernoulli(jax.random.key(1), 0.6, (2, 4, 4)),
    )
    value, slope = jax.value_and_grad(CASES[name])(x, mask)
    noisy, noisy_slope = jax.value_and_grad(CASES[name])(jnp.where(mask[..., None], x, jnp.nan), mask)
    assert value == noisy
    np.testing.assert_array_equal(slope, noisy_slope)
    assert not slope[~mask].any() and slope[mask].any()
    nothing, no_slope = jax.value_and_grad(CASES[name])(x, jnp.zeros_like(mask))
    assert nothing == 0 and not no_slope.any()


@pytest.mark.parametrize("name", CASES)
def test_half_precision_is_summed_in_float32(name):
    x, mask = jax.random.normal(jax.random.key(0), (2, 4, 4, 3)), jnp.ones((2, 4, 4), bool)
    half = CASES[name](x.astype(jnp.bfloat16), mask)
    assert half.dtype == jnp.float32
    np.testing.assert_allclose(half, CASES[name](x.astype(jnp.bfloat16).astype(jnp.float32), mask), rtol=5e-3)
