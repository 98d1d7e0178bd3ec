"""The loop of the studies does what optax does step by step, and averages as it says."""

import jax.numpy as jnp
import numpy as np
import optax

from experiments.descent import cautious, descend

OPTIMIZER = optax.adam(0.1)
INPUTS = jnp.asarray([1.0, -2.0, 3.0, 0.5])


def loss(params, given):
    return jnp.square(params - given).sum()


def test_each_entry_is_one_step_of_the_optimizer():
    first = jnp.zeros(2)
    found, _, mean = descend(loss, OPTIMIZER, (first, OPTIMIZER.init(first), first), INPUTS, decay=lambda _: 0.5)
    params, moments, expected = first, OPTIMIZER.init(first), first
    for given in INPUTS:
        updates, moments = OPTIMIZER.update(2 * (params - given), moments, params)
        params = optax.apply_updates(params, updates)
        expected = 0.5 * expected + 0.5 * params
    np.testing.assert_allclose(found, params, rtol=1e-6)
    np.testing.assert_allclose(mean, expected, rtol=1e-6)


def test_steps_without_inputs_are_counted():
    first = jnp.ones(1)
    start = (first, OPTIMIZER.init(first), None)
    found, _, mean = descend(lambda p, _: jnp.square(p).sum(), OPTIMIZER, start, None, length=200)
    assert abs(float(found[0])) < 0.05 and mean is None


def test_the_average_forgets_its_start_quickly():
    assert cautious(0.98)(jnp.asarray(0.0)) == np.float32(0.1)
    assert cautious(0.98)(jnp.asarray(1e6)) == np.float32(0.98)
