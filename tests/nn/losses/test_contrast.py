"""Contrastive losses: the textbook sums, what is masked, and devices that add up to the whole batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsfm.nn.losses.contrast import info_nce, same_texts, sigmoid_contrast

SCALE, BIAS = jnp.float32(7.0), jnp.float32(-2.0)


@pytest.fixture
def pairs(rng) -> tuple[jax.Array, jax.Array]:
    left, right = rng.normal(size=(2, 8, 5)).astype(np.float32)
    return tuple(jnp.asarray(x / np.linalg.norm(x, axis=1, keepdims=True)) for x in (left, right))


def cross_entropy(logits: np.ndarray) -> np.ndarray:
    return np.log(np.exp(logits).sum(1)) - np.diag(logits)


LOSSES = {
    "softmax": info_nce,
    "sigmoid": lambda left, right, scale, mask, **kw: sigmoid_contrast(left, right, scale, BIAS, mask, **kw),
}


def test_info_nce_is_the_mean_of_both_cross_entropies(pairs):
    left, right = pairs
    logits = 7.0 * left @ right.T
    expected = (cross_entropy(logits) + cross_entropy(logits.T)).mean() / 2
    assert info_nce(left, right, SCALE, jnp.ones(8, bool)) == pytest.approx(expected, rel=1e-5)


def test_sigmoid_is_the_papers_sum(pairs):
    left, right = pairs
    sign = 2 * np.eye(8) - 1
    expected = np.log1p(np.exp(-sign * (7.0 * left @ right.T - 2.0))).sum() / 8
    assert sigmoid_contrast(left, right, SCALE, BIAS, jnp.ones(8, bool)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", LOSSES)
def test_masked_rows_are_as_if_absent(kind, pairs):
    left, right = pairs
    mask = jnp.asarray([True] * 5 + [False] * 3)
    with_masked = LOSSES[kind](left.at[5:].set(9.0), right, SCALE, mask)
    assert with_masked == pytest.approx(float(LOSSES[kind](left[:5], right[:5], SCALE, mask[:5])), rel=1e-5)
    assert LOSSES[kind](left, right, SCALE, jnp.zeros(8, bool)) == 0


@pytest.mark.parametrize("kind", LOSSES)
def test_equal_texts_are_not_each_others_wrong_answers(kind, pairs):
    left, right = pairs
    everybody = jnp.ones((8, 8), bool)
    alone = LOSSES[kind](left, right, SCALE, jnp.ones(8, bool), same=everybody)
    if kind == "softmax":
        assert alone == pytest.approx(0, abs=1e-6)
    assert alone < LOSSES[kind](left, right, SCALE, jnp.ones(8, bool))


def test_equal_texts_are_found_wherever_they_stand():
    ids = jnp.asarray([[1, 5, 6, 0], [5, 6, 0, 0], [2, 3, 5, 6], [5, 7, 0, 0]])
    counts = jnp.asarray([[0, 1, 1, 0], [1, 1, 0, 0], [0, 0, 1, 1], [1, 1, 0, 0]], bool)
    same = np.asarray(same_texts(ids, counts))
    np.testing.assert_array_equal(same[0], [True, True, True, False])
    np.testing.assert_array_equal(same, same.T)


@pytest.mark.parametrize("kind", LOSSES)
def test_devices_add_up_to_the_whole_batch(kind, pairs):
    """Loss and gradient of four devices that gather equal those of one; a batch sharded under jit needs no gathering."""
    left, right = pairs
    mask = jnp.asarray([True] * 7 + [False])
    same = same_texts(jnp.arange(8)[:, None] % 7, jnp.ones((8, 1), bool))

    def whole(x):
        return LOSSES[kind](x, right, SCALE, mask, same=same) * mask.sum()

    def share(x, y, m, s):
        return LOSSES[kind](x, y, SCALE, m, same=s, device_axis="device") * m.sum()

    cut = [x.reshape(4, 2, *x.shape[1:]) for x in (left, right, mask, same)]
    loss, gradient = jax.pmap(jax.value_and_grad(share), axis_name="device")(*cut)
    expected, slope = jax.value_and_grad(whole)(left)
    np.testing.assert_allclose(loss.sum(), expected, rtol=1e-5)
    np.testing.assert_allclose(gradient.reshape(8, 5), slope, atol=1e-5)
