"""Value head: a distribution per span that sees the valid tokens as a set."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rsfm.heads import ValueConfig, ValueHead
from rsfm.pytree import replace
from rsfm.types import Tokens

HEAD = ValueHead(ValueConfig(pooled=4, width=16, hidden=24), 12, 10, rngs=nnx.Rngs(0))
SPANS = jax.random.normal(jax.random.key(0), (2, 3, 12))
TOKENS = Tokens(
    embeddings=jax.random.normal(jax.random.key(1), (2, 9, 10)),
    mask=jnp.arange(9) < jnp.array([[7], [4]]),
    position=jnp.zeros((2, 9, 3)),
)
FORWARD = jax.jit(lambda spans, tokens: HEAD(spans, tokens))


def test_starts_near_the_standardized_distribution():
    mean, scale = FORWARD(SPANS, TOKENS)
    assert mean.shape == scale.shape == (2, 3) and mean.dtype == scale.dtype == jnp.float32
    assert jnp.abs(mean).max() < 0.5 and jnp.abs(scale - 1).max() < 0.5 and (scale > 0).all()


def test_masked_tokens_change_nothing_and_get_no_gradient():
    noisy = replace(TOKENS, embeddings=jnp.where(TOKENS.mask[..., None], TOKENS.embeddings, jnp.nan))
    np.testing.assert_array_equal(FORWARD(SPANS, TOKENS), FORWARD(SPANS, noisy))
    slope = jax.grad(lambda x: HEAD(SPANS, replace(noisy, embeddings=x))[0].sum())(noisy.embeddings)
    assert not slope[~TOKENS.mask].any() and slope[TOKENS.mask].any()


def test_tokens_are_a_set_and_spans_are_read_one_by_one():
    tokens, spans = np.array([3, 1, 0, 2, 8, 7, 4, 6, 5]), np.array([2, 0, 1])
    moved = replace(TOKENS, embeddings=TOKENS.embeddings[:, tokens], mask=TOKENS.mask[:, tokens])
    for got, wanted in zip(FORWARD(SPANS[:, spans], moved), FORWARD(SPANS, TOKENS), strict=True):
        np.testing.assert_allclose(got, wanted[:, spans], atol=1e-5)


def test_both_the_sentence_and_the_picture_matter():
    mean, _ = FORWARD(SPANS, TOKENS)
    assert jnp.abs(FORWARD(-SPANS, TOKENS)[0] - mean).max() > 1e-3
    assert jnp.abs(FORWARD(SPANS, replace(TOKENS, embeddings=-TOKENS.embeddings))[0] - mean).max() > 1e-3


def test_no_valid_token_still_gives_a_number():
    mean, scale = FORWARD(SPANS, replace(TOKENS, mask=jnp.zeros_like(TOKENS.mask)))
    assert jnp.isfinite(mean).all() and jnp.isfinite(scale).all()
