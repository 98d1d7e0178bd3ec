"""Schedules by value; only matrices decay, whatever axis stacks them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsfm.errors import UserError
from rsfm.training.config import OptimizerConfig
from rsfm.training.optimizer import SCHEDULES, abstract_model, make_optimizer, make_schedule, matrices
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
    optimizer = make_optimizer(OptimizerConfig(weight_decay=0.5, clip_norm=0.0), build)
    state = create_state(build, optimizer)
    params = jax.tree.map(lambda leaf: jnp.ones_like(leaf), state.params)
    updates, _ = optimizer.update(jax.tree.map(jnp.zeros_like, params), state.optimizer, params)
    assert (
        float(updates["layers"]["up"]["kernel"].min()) == 0.5
        and float(jnp.abs(updates["layers"]["norm"]["scale"]).max()) == 0.0
    )
    assert float(jnp.abs(updates["layers"]["up"]["bias"]).max()) == 0.0


def test_clip_bounds_the_global_norm() -> None:
    optimizer = make_optimizer(
        OptimizerConfig(weight_decay=0.0, clip_norm=1.0, epsilon=1e3), build
    )  # a large epsilon makes Adam linear
    state = create_state(build, optimizer)
    small, large = (jax.tree.map(lambda leaf, s=s: jnp.full_like(leaf, s), state.params) for s in (1.0, 100.0))
    updates = [optimizer.update(gradient, state.optimizer, state.params)[0] for gradient in (small, large)]
    for a, b in zip(*map(jax.tree.leaves, updates), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
