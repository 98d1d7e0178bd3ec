"""The step: microbatches add up to the large batch, bad numbers change nothing, frozen weights stay."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rsfm.errors import UserError
from rsfm.pytree import replace
from rsfm.training.config import LossConfig, OptimizerConfig, TrainConfig
from rsfm.training.engine import JitEngine, to_floats
from rsfm.training.state import Build, TrainState, merge, model_arrays, trainable_table, with_arrays
from rsfm.training.step import weigh
from tests.training.standin import build, make_sample


def alone(config: TrainConfig, model: Build = build) -> JitEngine:
    """On one device: compiles faster."""
    return JitEngine(config, model, devices=jax.devices()[:1])


def steps(engine: JitEngine, count: int = 3, **kwargs) -> tuple[JitEngine, TrainState, list[dict[str, float]]]:
    state, rows = engine.create(), []
    for i in range(count):
        state, metrics = engine.step(state, make_sample(i, **kwargs))
        rows.append(to_floats(metrics))
    return engine, state, rows


def close(left, right, tolerance: float = 1e-5) -> None:
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def same(left, right) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True))


def test_microbatches_equal_the_large_batch() -> None:
    """Rows have different numbers of tokens and values, so a mean of microbatch means would be another gradient."""
    loss = LossConfig(
        weights={"text": 1.0, "value": 1.0}
    )  # the stand-in's aux term is a square of the batch, not a sum over it
    _, whole, rows = steps(alone(TrainConfig(loss=loss)))
    _, parts, part_rows = steps(alone(TrainConfig(loss=loss, accumulate=4)))
    for name in ("loss", "loss_text", "loss_value", "gradient_norm"):
        np.testing.assert_allclose([r[name] for r in part_rows], [r[name] for r in rows], rtol=1e-5)
    close(parts.params, whole.params)


def test_microbatches_keep_their_place_on_the_mesh() -> None:
    config = TrainConfig(mesh=(2, 2, 2, 1), accumulate=4, loss=LossConfig(weights={"text": 1.0, "value": 1.0}))
    _, _, rows = steps(JitEngine(config, build), batch=16)
    _, _, expected = steps(alone(TrainConfig(loss=config.loss)), batch=16)
    np.testing.assert_allclose([r["loss"] for r in rows], [r["loss"] for r in expected], rtol=1e-5)


@pytest.mark.parametrize("shape", [(8, 1, 1, 1), (1, 2, 2, 2)], ids=str)
def test_any_mesh_gives_the_same_numbers(shape: tuple[int, int, int, int]) -> None:
    _, _, rows = steps(JitEngine(TrainConfig(mesh=shape), build))
    _, _, expected = steps(alone(TrainConfig()))
    np.testing.assert_allclose([r["loss"] for r in rows], [r["loss"] for r in expected], rtol=1e-5)


@pytest.mark.parametrize("where", ["observations", "targets"])
def test_a_step_that_is_not_finite_changes_nothing(where: str) -> None:
    engine = alone(TrainConfig(average_decay=0.9), functools.partial(build, dropout=0.1))
    state, _ = engine.step(engine.create(), make_sample(0))
    before = jax.device_get((state.params, state.optimizer, state.average))
    bad = make_sample(1)
    bad = replace(
        bad, **{where: jax.tree.map(lambda a: a * np.nan if a.dtype == np.float32 else a, getattr(bad, where))}
    )
    state, metrics = engine.step(state, bad)
    assert same(before, (state.params, state.optimizer, state.average))
    assert (int(state.skipped), int(state.step)) == (1, 2)
    assert not np.isfinite(float(metrics["loss"]))
    state, metrics = engine.step(state, make_sample(2))
    assert np.isfinite(float(metrics["loss"])) and float(metrics["skipped"]) == 1 and not same(before[0], state.params)


def test_frozen_parameters_are_the_same_bits_after() -> None:
    engine = alone(TrainConfig(freeze=("layers", "*.bias"), optimizer=OptimizerConfig(weight_decay=0.5)))
    state = engine.create()
    before = jax.device_get(state.frozen)
    assert set(before) == {"layers", "pixels", "value"} and set(before["layers"]["up"]) == {"kernel", "bias"}
    for i in range(3):
        state, _ = engine.step(state, make_sample(i))
    assert same(before, state.frozen)
    moments = [leaf for leaf in jax.tree.leaves(state.optimizer) if leaf.ndim]
    assert len(moments) == 2 * len(jax.tree.leaves(state.params))
    table = trainable_table(state)
    assert {row["name"] for row in table["trainable"]} == {"embedding.embedding", "pixels.kernel", "value.kernel"}
    assert table["frozen_parameters"] == sum(leaf.size for leaf in jax.tree.leaves(before))


def test_freeze_errors_say_what_was_meant() -> None:
    with pytest.raises(UserError, match="Did you mean 'layers'"):
        alone(TrainConfig(freeze=("layer",)))
    with pytest.raises(UserError, match="nothing is left to train"):
        alone(TrainConfig(freeze=("*",)))


def test_average_follows_the_weights_and_is_used_in_evaluation() -> None:
    _, state, _ = steps(alone(TrainConfig(average_decay=0.5)))
    close(state.average, state.params, tolerance=5e-3)
    assert not same(state.average, state.params)
    plain = replace(state, average=None)
    kernel = lambda model: model.value.kernel[...]  # noqa: E731
    assert same(kernel(merge(state, averaged=True)), state.average["value"]["kernel"])
    assert same(kernel(merge(plain, averaged=True)), state.params["value"]["kernel"])


def test_loss_is_the_weighted_sum_and_aux_weights_go_by_their_ending() -> None:
    weights = {"text": 2.0, "value": 0.5, "balance": 0.1, "decoder_balance": 0.0}
    terms = {"text": 10.0, "value": 4.0, "encoder_balance": 3.0, "decoder_balance": 7.0, "busiest": 5.0}
    terms = {name: jnp.asarray(value) for name, value in terms.items()}
    units = {"text": jnp.asarray(5.0), "value": jnp.asarray(0.0)}
    assert float(weigh(weights, terms, units)) == pytest.approx(2 * 2 + 0.5 * 4 + 0.1 * 3)


def test_random_streams_move_on() -> None:
    """Dropout draws anew each step, and its counts are part of the state."""
    engine = alone(TrainConfig(optimizer=OptimizerConfig(learning_rate=0.0)), functools.partial(build, dropout=0.5))
    state, first = engine.step(engine.create(), make_sample(0))
    state, second = engine.step(state, make_sample(0))
    assert float(first["loss"]) != float(second["loss"])


def test_loaded_weights_must_fit() -> None:
    state = alone(TrainConfig()).create()
    arrays = {name: np.asarray(leaf) + 1 for name, leaf in model_arrays(state).items()}
    assert same(model_arrays(with_arrays(state, arrays)), arrays)
    kernel = arrays.pop("value.kernel")
    with pytest.raises(UserError, match="Missing: \\['value.kernel'\\]"):
        with_arrays(state, arrays)
    with pytest.raises(UserError, match="Wrong shape"):
        with_arrays(state, arrays | {"value.kernel": kernel.T})
