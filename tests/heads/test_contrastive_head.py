"""The joint space: masked tokens count for nothing, the last `<ret>` stands for its text."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.heads import ContrastiveConfig, ContrastiveHead, Widths
from rsfm.types import Tokens

WIDTHS = Widths(text=8, token=4, pixel=4)


@pytest.fixture(scope="module")
def head() -> ContrastiveHead:
    return ContrastiveHead(ContrastiveConfig(width=6), WIDTHS, rngs=nnx.Rngs(0))


def test_masked_tokens_change_nothing(head, rng):
    x = jnp.asarray(rng.normal(size=(2, 5, 4)), jnp.float32)
    mask = jnp.asarray([[True, True, True, False, False]] * 2)
    a, b = (
        head.pictures(Tokens(embeddings=e, mask=mask, position=jnp.zeros((2, 5, 3))))
        for e in (x, x.at[:, 3:].set(50.0))
    )
    np.testing.assert_allclose(a, b, atol=1e-6)
    np.testing.assert_allclose(jnp.linalg.norm(a, axis=1), 1.0, atol=1e-5)


def test_no_token_at_all_is_finite(head):
    nothing = Tokens(embeddings=jnp.ones((1, 3, 4)), mask=jnp.zeros((1, 3), bool), position=jnp.zeros((1, 3, 3)))
    assert np.isfinite(head.pictures(nothing)).all()


def test_the_last_valid_ret_is_the_place(head):
    ids = jnp.asarray([[9, 4, 9, 4], [4, 9, 4, 9], [4, 4, 4, 4]])
    valid = jnp.asarray([[True] * 4, [True, True, True, False], [True] * 4])
    np.testing.assert_array_equal(head.place(ids, valid), [2, 1, -1])


def test_texts_read_the_state_at_their_place(head, rng):
    hidden = jnp.asarray(rng.normal(size=(1, 4, 8)), jnp.float32)
    same = head.texts(hidden.at[0, 0].set(3.0), jnp.asarray([2]))
    np.testing.assert_allclose(head.texts(hidden, jnp.asarray([2])), same, atol=1e-6)
    assert not np.allclose(head.texts(hidden, jnp.asarray([1])), same)


def test_scale_is_clipped_and_starts_follow_the_loss():
    head = ContrastiveHead(ContrastiveConfig(width=2, start="sigmoid"), WIDTHS, rngs=nnx.Rngs(0))
    assert head.scale() == pytest.approx(10.0) and head.bias[...] == -10.0
    head.log_scale[...] = jnp.float32(50.0)
    assert head.scale() == 100.0
