"""The pyramid is EfficientNet-lite0: same features as the published network."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.nn.convolution import depthwise
from rsfm.nn.weights import load_weights
from rsfm.tokenizers.pyramid import Pyramid

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pyramid() -> Pyramid:
    module = Pyramid(rngs=nnx.Rngs(0))
    load_weights(ROOT / "tokenizers/efficientnet_lite0/model.safetensors", module)
    return module


def test_features_equal_the_published_networks(pyramid):
    recorded = np.load(ROOT / "tests/fixtures/efficientnet_lite0_features.npz")
    _, last = pyramid.levels(jnp.asarray(recorded["picture"]))
    # The committed weights are float16, the recorded features float32.
    np.testing.assert_allclose(last, recorded["features"], atol=2e-2)
    assert np.corrcoef(np.ravel(last), recorded["features"].ravel())[0, 1] > 0.99999


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("edge", [8, 9])
def test_shifted_products_are_a_grouped_convolution(size, stride, edge):
    x = jax.random.normal(jax.random.key(0), (2, edge, edge, 4))
    kernel = jax.random.normal(jax.random.key(1), (size, size, 4))
    expected = jax.lax.conv_general_dilated(
        x,
        kernel[:, :, None],
        (stride, stride),
        "SAME",
        feature_group_count=4,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    np.testing.assert_allclose(depthwise(x, kernel, stride), expected, atol=1e-5)


def test_map_has_stride_sixteen(pyramid):
    assert pyramid(jnp.zeros((1, 160, 160, 3))).shape == (1, 10, 10, Pyramid.channels)
