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

from rsfm.objectives import Reading, Terms, make_objective
from rsfm.pytree import replace
from rsfm.training.config import TrainConfig
from rsfm.training.optimizer import Schedule
from rsfm.training.rates import rate_factors, scaled
from rsfm.training.sharding import constrain_batch
from rsfm.training.state import TrainState, dotted, merge, merge_teacher
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
        at_once = config.accumulate == 1 and device_axis is None
        before = None if at_once else _units(config, state, sample, device_axis)
        gradient, rest, terms, units = _gradient(config, state, sample, before, device_axis)
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
    """`eval_step(state, sample) -> (sums, counts)`, with the averaged weights where they are kept."""

    def eval_step(state: TrainState, sample: Sample) -> tuple[Metrics, Metrics]:
        terms = learn_from(config, merge(state, averaged=True), state, sample, None)
        return {name: total for name, (total, _) in terms.losses.items()}, _counts(terms)

    return eval_step


def learn_from(config: TrainConfig, model: Any, state: TrainState, sample: Sample, device_axis: str | None) -> Terms:
    """The terms of all objectives of a sample."""
    student = Reading(model, sample, device_axis=device_axis)
    second = merge_teacher(state)
    teacher = None if second is None else Reading(second, sample, device_axis=device_axis)
    terms = Terms(losses={})
    for i, name in enumerate(sample.objectives):
        key = jax.random.fold_in(jax.random.fold_in(state.key, state.step), i)
        terms = terms.joined(make_objective(name, config.objectives.get(name, {}))(student, teacher, key))
    return terms


def _sums(terms: Terms) -> Metrics:
    return {**{name: total for name, (total, _) in terms.losses.items()}, **terms.aux}


def _counts(terms: Terms) -> Metrics:
    return {name: units for name, (_, units) in terms.losses.items()}


def _units(config: TrainConfig, state: TrainState, sample: Sample, device_axis: str | None) -> Metrics:
    """How many targets each loss has in the whole batch. They depend on no weights: XLA leaves the model's work out."""
    return _sum_devices(_counts(learn_from(config, merge(state), state, sample, device_axis)), device_axis)


def weigh(weights: Mapping[str, float], terms: Metrics, units: Metrics) -> Float[Array, ""]:
    """The loss: the mean of each loss and each aux term times its weight, see LossConfig."""
    means = {name: term / jnp.maximum(units[name], 1) if name in units else term for name, term in terms.items()}
    parts = (_weight(weights, name, 1.0 if name in units else 0.0) * mean for name, mean in means.items())
    return sum(parts, jnp.zeros(()))


def _weight(weights: Mapping[str, float], name: str, otherwise: float) -> float:
    endings = [name, *(key for key in weights if name.endswith("_" + key))]
    return next((weights[key] for key in endings if key in weights), otherwise)


def report(loss: Array, terms: Metrics, units: Metrics) -> Metrics:
    """Metrics by name: "loss", "loss_text", ..., "balance", ...; NaN for a head without targets in this batch."""
    means = {f"loss_{name}": terms[name] / units[name] for name in units if name in terms}
    return {"loss": loss, **means, **{name: term for name, term in terms.items() if name not in units}}


def _gradient(
    config: TrainConfig, state: TrainState, sample: Sample, units: Metrics | None, device_axis: str | None
) -> tuple[Any, Any, Metrics, Metrics]:
    """Gradient of the loss over the whole batch, the model's other state after it, the sums and aux terms behind it, the counts.

    `units` are the counts of the whole batch where it is read in parts; None: it is read at once and counts itself.
    """
    share = config.accumulate * (jax.lax.axis_size(device_axis) if device_axis else 1)

    def objective(params: Any, rest: Any, part: Sample) -> tuple[Array, tuple[Any, Metrics, Metrics]]:
        model = merge(replace(state, params=params, rest=rest))
        found = learn_from(config, model, state, part, device_axis)
        terms = _sums(found) | {name: value / share for name, value in found.aux.items()}
        rest = nnx.to_pure_dict(nnx.as_pure(nnx.state(model, nnx.Not(nnx.Param))))
        counts = _counts(found) if units is None else units
        return weigh(config.loss.weights, terms, counts), (rest, terms, counts)

    def add(carry: tuple[Any, Any], part: Sample) -> tuple[tuple[Any, Any], Metrics]:
        gradient, rest = carry
        (_, (rest, terms, _)), grown = jax.value_and_grad(objective, has_aux=True)(state.params, rest, part)
        return (jax.tree.map(jnp.add, gradient, grown), rest), terms

    if config.accumulate == 1:  # no loop: inside one, XLA's CPU convolutions run on a single thread, six times slower
        slope = jax.value_and_grad(objective, has_aux=True)
        (_, (rest, terms, counts)), gradient = slope(state.params, state.rest, sample)
        gradient, terms = _sum_devices((gradient, terms), device_axis)
        return gradient, rest, terms, counts
    assert units is not None, "microbatches are weighed by the counts of the whole batch"
    start = (jax.tree.map(jnp.zeros_like, state.params), state.rest)
    (gradient, rest), terms = jax.lax.scan(add, start, microbatches(sample, config.accumulate))
    gradient, terms = _sum_devices((gradient, jax.tree.map(lambda term: term.sum(axis=0), terms)), device_axis)
    return gradient, rest, terms, units


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
    if config.optimizer.rates:
        shapes = {dotted(path): leaf.shape for path, leaf in jax.tree_util.tree_flatten_with_path(state.params)[0]}
        updates = scaled(updates, rate_factors(config.optimizer.rates, shapes))
    params = jax.tree.map(lambda param, update: param - rate * update, state.params, updates)
    decay = jnp.minimum(config.average_decay, (1.0 + state.step) / (10.0 + state.step))  # short memory at first
    average = _moved(state.average, params, decay)
    teacher = state.teacher if config.teacher_decay >= 1 else _moved(state.teacher, params, config.teacher_decay)
    return replace(state, params=params, optimizer=moments, average=average, teacher=teacher)


def _moved(mean: Any, params: Any, decay: Array | float) -> Any:
    """An exponential mean of the weights, one step on; None stays None."""
    return None if mean is None else jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, mean, params)


def _choose(condition: Bool[Array, ""], yes: TrainState, no: TrainState) -> TrainState:
    return jax.tree.map(lambda a, b: a if a is b else jnp.where(condition, a, b), yes, no)


def _sum_devices(tree: Any, device_axis: str | None) -> Any:
    return jax.lax.psum(tree, device_axis) if device_axis else tree
