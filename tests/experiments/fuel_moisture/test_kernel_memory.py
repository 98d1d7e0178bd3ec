"""The memory's predictions are those of the textbook's Gaussian process, and are kept in its weights."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.stats import multivariate_normal

from experiments.fuel_moisture.kernel_memory import KernelMemory, group_distances, left_out, negative_log_evidence
from rsfm.nn.weights import load_weights, save_weights

WIDTHS = (3, 1, 2)
N = 24
RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(N, sum(WIDTHS))).astype(np.float32)
TARGET = RNG.normal(size=N).astype(np.float32)
SOURCE = np.repeat(np.arange(6), 4)


def remembering(rows: np.ndarray) -> KernelMemory:
    memory = KernelMemory(WIDTHS, len(rows), rngs=nnx.Rngs(1))
    memory.remember(FEATURES[rows], TARGET[rows], SOURCE[rows])
    return memory


@pytest.fixture(scope="module")
def memory() -> KernelMemory:
    return remembering(np.arange(N))


@pytest.fixture(scope="module")
def distance() -> jnp.ndarray:
    return group_distances(jnp.asarray(FEATURES), jnp.asarray(FEATURES), WIDTHS)


def test_distances_are_means_over_each_group(distance):
    difference = np.abs(FEATURES[:, None] - FEATURES)
    expected = [difference[..., :3].mean(-1), difference[..., 3:4].mean(-1), difference[..., 4:].mean(-1)]
    np.testing.assert_allclose(distance, expected, atol=1e-6)


def test_evidence_is_that_of_a_normal(memory, distance):
    covariance = np.asarray(memory.kernel.covariance(distance, jnp.asarray(SOURCE)), np.float64)
    exact = multivariate_normal(np.zeros(N), covariance).logpdf(TARGET)
    ours = negative_log_evidence(memory.kernel, distance, jnp.asarray(TARGET), jnp.asarray(SOURCE))
    assert float(ours) == pytest.approx(-exact - 0.5 * N * np.log(2 * np.pi), rel=1e-4)


def test_a_source_left_out_is_a_source_never_seen(memory, distance):
    means, deviations = left_out(memory.kernel, distance, jnp.asarray(TARGET), jnp.asarray(SOURCE))
    here = SOURCE == 2
    mean, deviation = remembering(np.flatnonzero(~here))(jnp.asarray(FEATURES[here]))
    np.testing.assert_allclose(means[here], mean, atol=1e-4)
    np.testing.assert_allclose(deviations[here], deviation, atol=1e-4)


def test_it_is_surer_of_what_it_knows_and_falls_back_to_the_mean(memory):
    mean, deviation = memory(jnp.concatenate([jnp.asarray(FEATURES[:1]), jnp.full((1, sum(WIDTHS)), 1e3)]))
    assert deviation[0] < deviation[1]
    assert float(mean[1]) == pytest.approx(0.0, abs=1e-5)
    assert float(deviation[1]) ** 2 == pytest.approx(float(memory.kernel.variance()), rel=1e-5)


def test_the_memory_is_in_the_weights(memory, tmp_path):
    save_weights(tmp_path / "model.safetensors", memory, dtype="float32")
    other = KernelMemory(WIDTHS, N, rngs=nnx.Rngs(5))
    load_weights(tmp_path / "model.safetensors", other)
    asked = jnp.asarray(FEATURES[:5] + 0.3)
    np.testing.assert_array_equal(other(asked)[0], memory(asked)[0])
