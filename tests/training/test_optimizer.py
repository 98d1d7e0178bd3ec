"""Schedules by value; only matrices decay, whatever axis stacks them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsfm.errors import UserError
from rsfm.training.config import OptimizerConfig
from rsfm.training.optimizer import (
    SCHEDULES,
    abstract_model,
    adam_where_reached,
    make_optimizer,
    make_schedule,
    matrices,
)
from rsfm.training.state import create_state
from tests.training.standin import build


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_warm_up_to_the_peak_and_end_low(name: str) -> None:
    schedule = make_schedule(OptimizerConfig(learning_rate=1.0, schedule=name, warmup_steps=4, final_fraction=0.1), 20)
    rates = [float(schedule(jnp.asarray(step))) for step in range(20)]
    np.testing.assert_allclose(rates[:4], [0.25, 0.5, 0.75, 1.0])
    assert rates[4] == 1.0 and max(rates) == 1.0
    assert rates[-1] == 1.0 if name == "constant" else 0.1 < rates[-1] < 0.2
    assert sorted(rates[4:], reverse=True) == rates[4:]


def test_cosine_is_half_way_at_half_time() -> None:
    assert float(make_schedule(OptimizerConfig(learning_rate=2.0), 100)(50)) == pytest.approx(1.0)


def test_unknown_schedule() -> None:
    with pytest.raises(UserError, match="Did you mean 'cosine'"):
        make_schedule(OptimizerConfig(schedule="cosin"), 10)


def test_only_matrices_decay() -> None:
    """The stacked norms and biases of the layers have two dimensions, one of them the stack."""
    found = matrices(abstract_model(build))
    assert found == {"embedding.embedding", "pixels.kernel", "layers.up.kernel", "layers.down.kernel", "value.kernel"}
    params = jax.tree.map(jnp.ones_like, create_state(build, make_optimizer(OptimizerConfig(), build)).params)
    moved = []
    for decay in (0.0, 0.5):
        optimizer = make_optimizer(OptimizerConfig(weight_decay=decay, clip_norm=0.0), build)
        moved.append(optimizer.update(params, optimizer.init(params), params)[0])
    decayed = jax.tree.map(lambda without, with_decay: with_decay - without, *moved)
    np.testing.assert_allclose(decayed["layers"]["up"]["kernel"], 0.5, rtol=1e-6)
    assert float(jnp.abs(decayed["layers"]["norm"]["scale"]).max()) == 0.0
    assert float(jnp.abs(decayed["layers"]["up"]["bias"]).max()) == 0.0


def test_what_a_step_does_not_reach_stands_still() -> None:
    """Parameters and moments; and a rare gradient moves a parameter as if the steps between had not been."""
    config = OptimizerConfig(weight_decay=0.1, clip_norm=0.0, beta1=0.5, beta2=0.5)
    params = {"often": jnp.ones((2, 2)), "rare": jnp.ones((2, 2))}
    optimizer = adam_where_reached(config, lambda tree: jax.tree.map(lambda _: True, tree))
    reached, missed = ({"often": jnp.ones((2, 2)), "rare": jnp.full((2, 2), value)} for value in (1.0, 0.0))
    _, state = optimizer.update(reached, optimizer.init(params), params)
    updates, after = optimizer.update(missed, state, params)
    assert float(jnp.abs(updates["rare"]).max()) == 0.0 and float(updates["often"].min()) > 0.5
    np.testing.assert_array_equal(after.mu["rare"], state.mu["rare"])
    np.testing.assert_array_equal(after.nu["rare"], state.nu["rare"])
    assert float(jnp.abs(after.mu["often"] - state.mu["often"]).max()) > 0.0


def test_clip_bounds_the_global_norm() -> None:
    optimizer = make_optimizer(
        OptimizerConfig(weight_decay=0.0, clip_norm=1.0, epsilon=1e3), build
    )  # a large epsilon makes Adam linear
    state = create_state(build, optimizer)
    small, large = (jax.tree.map(lambda leaf, s=s: jnp.full_like(leaf, s), state.params) for s in (1.0, 100.0))
    updates = [optimizer.update(gradient, state.optimizer, state.params)[0] for gradient in (small, large)]
    for a, b in zip(*map(jax.tree.leaves, updates), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
