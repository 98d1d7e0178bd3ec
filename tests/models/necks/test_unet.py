"""The U-Net neck: what its features may depend on, what they must depend on, and how they move when the picture does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.models.necks import NECKS, NeckConfig
from rsfm.models.necks.gather import mean_grid
from rsfm.nn.masked_conv import MaskedHalving, doubled
from rsfm.pytree import replace
from rsfm.types import Tokens

CONFIG = NeckConfig(kind="unet", width=6, hidden=4, depth=2)
NECK = NECKS["unet"](CONFIG, 10, rngs=nnx.Rngs(0))
PIXELS = jax.random.normal(jax.random.key(1), (2, 12, 12, 6))
VALID = jax.random.bernoulli(jax.random.key(2), 0.8, (2, 12, 12))
TOKENS = Tokens(
    embeddings=jax.random.normal(jax.random.key(3), (2, 18, 10)),
    mask=jax.random.bernoulli(jax.random.key(4), 0.8, (2, 18)),
    position=jnp.zeros((2, 18, 3)),
    grid=(2, 3, 3),
)
ALIKE = replace(TOKENS, embeddings=jnp.ones((2, 18, 10)), mask=jnp.ones((2, 18), bool))


def forward(neck, tokens, pixels, valid):
    return neck.joined([mean_grid([tokens])], pixels, valid).features


FORWARD = jax.jit(lambda tokens, pixels, valid: forward(NECK, tokens, pixels, valid))


def seen(features, valid):
    return jnp.where(valid[..., None], features, 0)


def test_masked_tokens_and_invalid_pixels_change_nothing_and_get_no_gradient():
    noisy = replace(TOKENS, embeddings=jnp.where(TOKENS.mask[..., None], TOKENS.embeddings, jnp.nan))
    pixels = jnp.where(VALID[..., None], PIXELS, jnp.nan)
    features = FORWARD(TOKENS, PIXELS, VALID)
    np.testing.assert_array_equal(features, FORWARD(noisy, pixels, VALID))
    assert features.shape == PIXELS.shape and jnp.isfinite(features).all()
    loss = lambda x, p: (forward(NECK, replace(noisy, embeddings=x), p, VALID)[..., 0] ** 2).sum()  # noqa: E731
    by_token, by_pixel = jax.jit(jax.grad(loss, argnums=(0, 1)))(noisy.embeddings, pixels)
    assert not by_token[~TOKENS.mask].any() and by_token[TOKENS.mask].any()
    assert not by_pixel[~VALID].any() and by_pixel[VALID].any() and jnp.isfinite(by_pixel).all()


def test_parameters_have_finite_gradients_without_a_valid_pixel():
    graphdef, params = nnx.split(NECK)
    loss = lambda p, valid: forward(nnx.merge(graphdef, p), TOKENS, PIXELS, valid).sum()  # noqa: E731
    for valid in (jnp.zeros_like(VALID), VALID):
        slopes = jax.tree.leaves(jax.jit(jax.grad(loss))(params, valid))
        assert all(jnp.isfinite(slope).all() for slope in slopes)


@pytest.mark.parametrize("where", ["pixel", "token", "validity"])
def test_what_is_shown_changes_the_features(where):
    before = FORWARD(TOKENS, PIXELS, VALID.at[:, 5, 5].set(True))
    if where == "pixel":
        after = FORWARD(TOKENS, PIXELS.at[:, 5, 5].add(1.0), VALID.at[:, 5, 5].set(True))
    elif where == "token":
        after = FORWARD(replace(TOKENS, embeddings=TOKENS.embeddings + 1.0), PIXELS, VALID.at[:, 5, 5].set(True))
    else:
        after = FORWARD(TOKENS, PIXELS, VALID.at[:, 5, 5].set(False))
    assert jnp.abs(seen(after - before, VALID)).max() > 1e-3


def test_a_pixel_sees_far_and_itself_most():
    """Through two halvings a pixel's change reaches beyond the 3 x 3 window of one convolution, and is largest at home."""
    pixels, valid = jax.random.normal(jax.random.key(5), (1, 32, 32, 6)), jnp.ones((1, 32, 32), bool)
    tokens = jax.tree.map(lambda x: x[:1], ALIKE)
    change = FORWARD(tokens, pixels.at[0, 16, 16].add(1.0), valid) - FORWARD(tokens, pixels, valid)
    change = jnp.abs(change[0]).mean(-1)
    assert change[16, 16] == change.max() and change[16, 22] > 1e-5 and change[0, 0] < 1e-6


def test_a_rim_without_data_is_the_edge_of_the_picture():
    """Four pixels of nodata around, one coarsest cell, change nothing inside: a hole and an edge are treated alike."""
    rim = ((0, 0), (4, 4), (4, 4))
    padded = FORWARD(ALIKE, jnp.pad(PIXELS, (*rim, (0, 0)), constant_values=9.0), jnp.pad(VALID, rim))
    inside = FORWARD(ALIKE, PIXELS, VALID)
    np.testing.assert_allclose(seen(padded[:, 4:-4, 4:-4], VALID), seen(inside, VALID), atol=1e-5)


@pytest.mark.parametrize("size", [(10, 12), (9, 7)])
def test_sizes_that_do_not_halve_are_windows_with_an_empty_rim(size):
    height, width = size
    rim = ((0, 0), (0, 12 - height), (0, 12 - width))
    cut, valid = PIXELS[:, :height, :width], VALID[:, :height, :width]
    whole = FORWARD(ALIKE, jnp.pad(cut, (*rim, (0, 0))), jnp.pad(valid, rim))[:, :height, :width]
    np.testing.assert_allclose(seen(FORWARD(ALIKE, cut, valid), valid), seen(whole, valid), atol=1e-5)


def test_a_turned_picture_gives_turned_features_when_the_kernels_are_symmetric():
    graphdef, params = nnx.split(NECK)
    even = lambda k: sum(jnp.rot90(k, turn) for turn in range(4)) / 4 if k.ndim == 4 else k  # noqa: E731
    neck = nnx.merge(graphdef, jax.tree.map(even, params))
    grid = lambda x: jnp.rot90(x.reshape(2, 2, 3, 3, *x.shape[2:]), axes=(2, 3)).reshape(x.shape)  # noqa: E731
    tokens = replace(TOKENS, embeddings=grid(TOKENS.embeddings), mask=grid(TOKENS.mask))
    got = forward(neck, tokens, jnp.rot90(PIXELS, axes=(1, 2)), jnp.rot90(VALID, axes=(1, 2)))
    wanted = jnp.rot90(forward(neck, TOKENS, PIXELS, VALID), axes=(1, 2))
    np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_halving_keeps_a_constant_whatever_is_missing_of_a_cell():
    halve = MaskedHalving(1, 1, rngs=nnx.Rngs(0))
    graphdef, params = nnx.split(halve)
    params["kernel"] = nnx.Param(jnp.full((2, 2, 1, 1), 0.25))
    valid = jnp.zeros((1, 4, 4), bool).at[0, :2, :3].set(True).at[0, 0, 0].set(False)
    cells, there = nnx.merge(graphdef, params)(3.0 * valid[..., None], valid)
    np.testing.assert_array_equal(there[0], [[True, True], [False, False]])
    np.testing.assert_allclose(cells[0, ..., 0], [[3.0, 3.0], [0.0, 0.0]], rtol=1e-6)
    np.testing.assert_array_equal(doubled(cells)[0, :, :, 0], np.kron(cells[0, ..., 0], np.ones((2, 2))))
