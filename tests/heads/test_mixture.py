"""Expert spans: each span finds its experts by itself, invalid ones stay what they are."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rsfm.heads import ExpertConfig, ExpertSpan

SPANS, VALID = jax.random.normal(jax.random.key(0), (2, 5, 16)), jnp.arange(5) < jnp.array([[5], [2]])
EXPERTS = ExpertSpan(ExpertConfig(hidden=24, shared_hidden=8), 16, rngs=nnx.Rngs(0))


def test_invalid_spans_pass_unchanged_and_count_for_nothing():
    spans, aux = EXPERTS(SPANS, VALID)
    np.testing.assert_array_equal(spans[~VALID], SPANS[~VALID])
    assert jnp.abs(spans - SPANS)[VALID].max() > 1e-3
    noisy, noisy_aux = EXPERTS(jnp.where(VALID[..., None], SPANS, 1e6), VALID)
    np.testing.assert_array_equal(spans[VALID], noisy[VALID])
    jax.tree.map(np.testing.assert_array_equal, aux, noisy_aux)
    assert set(aux) == {"balance", "z_loss", "busiest", "idle"} and all(value.shape == () for value in aux.values())


def test_order_of_spans_does_not_matter():
    order = np.array([3, 0, 4, 2, 1])
    got, _ = EXPERTS(SPANS[:, order], VALID[:, order])
    np.testing.assert_allclose(got, EXPERTS(SPANS, VALID)[0][:, order], atol=1e-6)


def test_without_experts_spans_pass_unchanged():
    spans, aux = ExpertSpan(ExpertConfig(experts=0), 16, rngs=nnx.Rngs(0))(SPANS, VALID)
    np.testing.assert_array_equal(spans, SPANS)
    assert aux == {}


def test_one_expert_is_always_chosen():
    _, aux = ExpertSpan(ExpertConfig(experts=1, top_k=2), 16, rngs=nnx.Rngs(0))(SPANS, VALID)
    assert aux["balance"] == 1 and aux["idle"] == 0
