"""Value head: a distribution per span that sees the valid tokens as a set, whatever stands for the number."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.config import from_json, to_json
from rsfm.errors import UserError
from rsfm.heads import VALUE_HEADS, Spans, ValueConfig, ValueHead, Widths, distribution
from rsfm.pytree import replace
from rsfm.types import Memory, Tokens

CONFIG = ValueConfig(pooled=4, width=16, hidden=24, depth=1, bins=12, components=3)
WIDTHS = Widths(text=12, token=10, pixel=4)


class Seen(nnx.Module):
    """A head before hidden states and tokens alone."""

    def __init__(self, config: ValueConfig, seed: int):
        self.head = ValueHead.make(config, WIDTHS, rngs=nnx.Rngs(seed))

    def __call__(self, spans, tokens):
        valid = jnp.ones(spans.shape[:2], bool)
        return self.head(Spans(hidden=spans, valid=valid), Memory(tokens={"all": tokens}, pixels={}), "")


HEAD = Seen(CONFIG, 0)
SPANS = jax.random.normal(jax.random.key(0), (2, 3, 12))
TOKENS = Tokens(
    embeddings=jax.random.normal(jax.random.key(1), (2, 9, 10)),
    mask=jnp.arange(9) < jnp.array([[7], [4]]),
    position=jnp.zeros((2, 9, 3)),
)


@jax.jit
def forward(spans, tokens):
    outputs = HEAD(spans, tokens)
    return outputs["mean"], outputs["scale"]


def test_starts_near_the_standardized_distribution():
    mean, scale = forward(SPANS, TOKENS)
    assert mean.shape == scale.shape == (2, 3) and mean.dtype == scale.dtype == jnp.float32
    assert jnp.abs(mean).max() < 0.5 and jnp.abs(scale - 1).max() < 0.5 and (scale > 0).all()


def test_masked_tokens_change_nothing_and_get_no_gradient():
    noisy = replace(TOKENS, embeddings=jnp.where(TOKENS.mask[..., None], TOKENS.embeddings, jnp.nan))
    np.testing.assert_array_equal(forward(SPANS, TOKENS), forward(SPANS, noisy))
    slope = jax.grad(lambda x: HEAD(SPANS, replace(noisy, embeddings=x))["mean"].sum())(noisy.embeddings)
    assert not slope[~TOKENS.mask].any() and slope[TOKENS.mask].any()


def test_tokens_are_a_set_and_spans_are_read_one_by_one():
    tokens, spans = np.array([3, 1, 0, 2, 8, 7, 4, 6, 5]), np.array([2, 0, 1])
    moved = replace(TOKENS, embeddings=TOKENS.embeddings[:, tokens], mask=TOKENS.mask[:, tokens])
    for got, wanted in zip(forward(SPANS[:, spans], moved), forward(SPANS, TOKENS), strict=True):
        np.testing.assert_allclose(got, wanted[:, spans], atol=1e-5)


def test_both_the_sentence_and_the_picture_matter():
    mean, _ = forward(SPANS, TOKENS)
    assert jnp.abs(forward(-SPANS, TOKENS)[0] - mean).max() > 1e-3
    assert jnp.abs(forward(SPANS, replace(TOKENS, embeddings=-TOKENS.embeddings))[0] - mean).max() > 1e-3


def test_no_valid_token_still_gives_a_number():
    mean, scale = forward(SPANS, replace(TOKENS, mask=jnp.zeros_like(TOKENS.mask)))
    assert jnp.isfinite(mean).all() and jnp.isfinite(scale).all()


@pytest.fixture(scope="module", params=VALUE_HEADS)
def outputs(request):
    head = Seen(dataclasses.replace(CONFIG, kind=request.param), 1)
    return jax.jit(lambda spans, tokens: head(spans, tokens))(SPANS, TOKENS)


def test_every_kind_gives_one_distribution(outputs):
    assert all(x.shape[:2] == (2, 3) and x.dtype == jnp.float32 for x in outputs.values())
    predicted = distribution(outputs)
    np.testing.assert_allclose(predicted.mean(), outputs["mean"], atol=1e-5)
    low, middle, high = (predicted.quantile(level) for level in (0.05, 0.5, 0.95))
    assert (low < middle).all() and (middle < high).all()
    np.testing.assert_allclose(predicted.cdf(middle), 0.5, atol=1e-3)
    assert (predicted.scale() > 0).all() and (jnp.abs(predicted.mean()) < 1).all(), "near standardized at birth"


def test_quantiles_never_cross_however_wild_the_features():
    head = Seen(dataclasses.replace(CONFIG, kind="quantiles"), 1).head
    raw = 20 * jax.random.normal(jax.random.key(2), (50, 1, len(CONFIG.levels)))
    values = head.read(raw)["quantiles"]
    assert (jnp.diff(values) >= 0).all()


def test_one_row_of_outputs_is_read_like_a_batch(outputs):
    one = {name: np.asarray(x)[0, 0] for name, x in outputs.items()}
    np.testing.assert_allclose(distribution(one).quantile(0.95), distribution(outputs).quantile(0.95)[0, 0], atol=1e-5)


def test_a_wrong_kind_is_answered_with_the_right_one():
    config = from_json(ValueConfig, to_json(dataclasses.replace(CONFIG, kind="mixtures")))
    with pytest.raises(UserError, match=r"Unknown value head 'mixtures'\. Did you mean 'mixture'\?"):
        ValueHead.make(config, WIDTHS, rngs=nnx.Rngs(0))
