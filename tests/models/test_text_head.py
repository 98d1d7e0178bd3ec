"""Text head: tied and own matrices, the soft cap, float32 logits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.models.text_head import TextConfig, TextHead

HIDDEN, TABLE = jax.random.normal(jax.random.key(0), (2, 3, 8)), jax.random.normal(jax.random.key(1), (11, 8))


def test_tied_logits_are_products_with_the_embeddings():
    np.testing.assert_allclose(TextHead()(HIDDEN, TABLE), HIDDEN @ TABLE.T, rtol=1e-5, atol=1e-5)


def test_an_own_matrix_needs_no_table():
    head = TextHead(TextConfig(vocabulary=11), 8, rngs=nnx.Rngs(0))
    assert head(HIDDEN).shape == (2, 3, 11)
    with pytest.raises(AssertionError, match="embedding table"):
        head(HIDDEN, TABLE)
    with pytest.raises(AssertionError, match="embedding table"):
        TextHead()(HIDDEN)


def test_soft_cap_bounds_the_logits_and_keeps_their_order():
    plain, capped = TextHead()(50 * HIDDEN, TABLE), TextHead(TextConfig(soft_cap=30.0))(50 * HIDDEN, TABLE)
    assert jnp.abs(capped).max() <= 30
    assert jnp.abs(plain).max() > 30
    np.testing.assert_allclose(capped, 30 * np.tanh(np.asarray(plain) / 30), rtol=1e-5)


def test_half_precision_gives_float32_logits():
    logits = TextHead()(HIDDEN.astype(jnp.bfloat16), TABLE)
    assert logits.dtype == jnp.float32
    np.testing.assert_allclose(logits, HIDDEN @ TABLE.T, atol=0.1)
