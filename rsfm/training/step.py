"""The one training step: pure, the same under jit on a mesh and under pmap.

Sums of losses are divided by counts over the whole batch, so that microbatches and devices add up to its gradient.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Bool, Float

from rsfm.pytree import replace
from rsfm.training.config import TrainConfig
from rsfm.training.objective import count_units, loss_sums
from rsfm.training.optimizer import Schedule
from rsfm.training.sharding import constrain_batch
from rsfm.training.state import TrainState, merge
from rsfm.types import Sample

Metrics = dict[str, Array]
Step = Callable[[TrainState, Sample], tuple[TrainState, Metrics]]


def make_train_step(
    config: TrainConfig, optimizer: optax.GradientTransformation, schedule: Schedule, *, device_axis: str | None = None
) -> Step:
    """The function `train_step(state, sample) -> (state, metrics)`.

    Args:
        config: loss weights, accumulation, moving average.
        optimizer: without the learning rate.
        schedule: learning rate by step.
        device_axis: name of the mapped axis under `jax.pmap`; None under jit, where the sample is the whole batch.
    """

    def train_step(state: TrainState, sample: Sample) -> tuple[TrainState, Metrics]:
        units = _sum_devices(count_units(config.loss, sample), device_axis)
        gradient, rest, terms = _gradient(config, state, sample, units, device_axis)
        loss = weigh(config.loss.weights, terms, units)
        norm = optax.global_norm(gradient)
        rate = schedule(state.step)
        finite = jnp.isfinite(loss) & jnp.isfinite(norm)
        changed = _update(config, optimizer, replace(state, rest=rest), gradient, rate)
        state = replace(_choose(finite, changed, state), step=state.step + 1, skipped=state.skipped + ~finite)
        return state, {
            **report(loss, terms, units),
            "learning_rate": rate,
            "gradient_norm": norm,
            "skipped": state.skipped,
        }

    return train_step


def make_eval_step(config: TrainConfig) -> Callable[[TrainState, Sample], tuple[Metrics, Metrics]]:
    """`eval_step(state, sample) -> (sums and aux terms, counts)`, with the averaged weights where they are kept."""

    def eval_step(state: TrainState, sample: Sample) -> tuple[Metrics, Metrics]:
        predictions = merge(state, averaged=True)(sample)
        return loss_sums(config.loss, predictions, sample), count_units(config.loss, sample)

    return eval_step


def weigh(weights: Mapping[str, float], terms: Metrics, units: Metrics) -> Float[Array, ""]:
    """The loss: each head's mean and each aux term times its weight, see LossConfig."""
    means = {name: term / jnp.maximum(units[name], 1) if name in units else term for name, term in terms.items()}
    return sum((_weight(weights, name) * mean for name, mean in means.items()), jnp.zeros(()))


def _weight(weights: Mapping[str, float], name: str) -> float:
    endings = [name, *(key for key in weights if name.endswith("_" + key))]
    return next((weights[key] for key in endings if key in weights), 0.0)


def report(loss: Array, terms: Metrics, units: Metrics) -> Metrics:
    """Metrics by name: "loss", "loss_text", ..., "balance", ...; NaN for a head without targets in this batch."""
    means = {f"loss_{name}": terms[name] / units[name] for name in units if name in terms}
    return {"loss": loss, **means, **{name: term for name, term in terms.items() if name not in units}}


def _gradient(
    config: TrainConfig, state: TrainState, sample: Sample, units: Metrics, device_axis: str | None
) -> tuple[Any, Any, Metrics]:
    """Gradient of the loss over the whole batch, the model's other state after it, the sums and aux terms behind it."""
    share = config.accumulate * (jax.lax.axis_size(device_axis) if device_axis else 1)

    def objective(params: Any, rest: Any, part: Sample) -> tuple[Array, tuple[Any, Metrics]]:
        model = merge(replace(state, params=params, rest=rest))
        predictions = model(part)
        terms = loss_sums(config.loss, predictions, part, device_axis=device_axis) | {
            name: value / share for name, value in predictions.aux.items()
        }
        rest = nnx.to_pure_dict(nnx.as_pure(nnx.state(model, nnx.Not(nnx.Param))))
        return weigh(config.loss.weights, terms, units), (rest, terms)

    def add(carry: tuple[Any, Any], part: Sample) -> tuple[tuple[Any, Any], Metrics]:
        gradient, rest = carry
        (_, (rest, terms)), grown = jax.value_and_grad(objective, has_aux=True)(state.params, rest, part)
        return (jax.tree.map(jnp.add, gradient, grown), rest), terms

    if config.accumulate == 1:  # no loop: inside one, XLA's CPU convolutions run on a single thread, six times slower
        (_, (rest, terms)), gradient = jax.value_and_grad(objective, has_aux=True)(state.params, state.rest, sample)
        gradient, terms = _sum_devices((gradient, terms), device_axis)
        return gradient, rest, terms
    start = (jax.tree.map(jnp.zeros_like, state.params), state.rest)
    (gradient, rest), terms = jax.lax.scan(add, start, microbatches(sample, config.accumulate))
    gradient, terms = _sum_devices((gradient, jax.tree.map(lambda term: term.sum(axis=0), terms)), device_axis)
    return gradient, rest, terms


def microbatches(sample: Sample, count: int) -> Sample:
    """(b, ...) -> (count, b / count, ...). Row i goes to microbatch i % count: every device keeps its own rows."""

    def cut(leaf: Array) -> Array:
        if leaf.shape[0] % count:
            raise ValueError(f"train.accumulate {count} does not divide the batch of {leaf.shape[0]}.")
        return jnp.swapaxes(leaf.reshape(-1, count, *leaf.shape[1:]), 0, 1)

    return constrain_batch(jax.tree.map(cut, sample), axis=1)


def _update(
    config: TrainConfig, optimizer: optax.GradientTransformation, state: TrainState, gradient: Any, rate: Array
) -> TrainState:
    updates, moments = optimizer.update(gradient, state.optimizer, state.params)
    params = jax.tree.map(lambda param, update: param - rate * update, state.params, updates)
    average = state.average
    if average is not None:
        decay = jnp.minimum(config.average_decay, (1.0 + state.step) / (10.0 + state.step))  # short memory at first
        average = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, average, params)
    return replace(state, params=params, optimizer=moments, average=average)


def _choose(condition: Bool[Array, ""], yes: TrainState, no: TrainState) -> TrainState:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)


def _sum_devices(tree: Any, device_axis: str | None) -> Any:
    return jax.lax.psum(tree, device_axis) if device_axis else tree
