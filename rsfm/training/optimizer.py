"""AdamW, learning-rate schedules and which parameters decay."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float, Int

from rsfm.errors import lookup
from rsfm.training.config import OptimizerConfig
from rsfm.training.state import Build, dotted, parameter_table

VECTORS = (".bias", ".scale")  # by these names even where a stack of layers says nothing of its axes

Schedule = Callable[[Int[Array, ""]], Float[Array, ""]]


def cosine(config: OptimizerConfig, steps: int) -> optax.Schedule:
    """Half a cosine from the peak down to final_fraction of it."""
    return optax.cosine_decay_schedule(config.learning_rate, steps, alpha=config.final_fraction)


def linear(config: OptimizerConfig, steps: int) -> optax.Schedule:
    """A straight line from the peak down to final_fraction of it."""
    return optax.linear_schedule(config.learning_rate, config.learning_rate * config.final_fraction, steps)


def constant(config: OptimizerConfig, steps: int) -> optax.Schedule:
    """The peak all along."""
    return optax.constant_schedule(config.learning_rate)


SCHEDULES: dict[str, Callable[[OptimizerConfig, int], optax.Schedule]] = {
    "cosine": cosine,
    "linear": linear,
    "constant": constant,
}


def make_schedule(config: OptimizerConfig, steps: int) -> Schedule:
    """Learning rate by step: a linear warm-up, then the named schedule over the steps left.

    >>> float(make_schedule(OptimizerConfig(learning_rate=1.0, schedule="linear"), 10)(5))
    0.5
    """
    after = lookup(SCHEDULES, "schedule", config.schedule)(config, max(steps - config.warmup_steps, 1))
    warmup = optax.linear_schedule(0.0, config.learning_rate, max(config.warmup_steps, 1))
    # The first step of a warm-up is above zero: step 0 of w takes 1 / w of the peak.
    return optax.join_schedules([lambda step: warmup(step + 1), after], [config.warmup_steps])


def make_optimizer(config: OptimizerConfig, build: Build) -> optax.GradientTransformation:
    """Clip, Adam, decay; the learning rate is applied by the step, which knows the schedule.

    Args:
        config: see OptimizerConfig.
        build: makes the model; only its shapes are looked at, to tell matrices from vectors.
    """
    decayed = matrices(abstract_model(build))
    mask = lambda tree: jax.tree_util.tree_map_with_path(lambda path, _: dotted(path) in decayed, tree)  # noqa: E731
    return optax.chain(
        optax.clip_by_global_norm(config.clip_norm) if config.clip_norm else optax.identity(),
        adam_where_reached(config, mask),
    )


def adam_where_reached(config: OptimizerConfig, decayed: Callable[[Any], Any]) -> optax.GradientTransformation:
    """AdamW that leaves a parameter and its moments alone in a step whose gradient is zero in all its entries.

    A batch holds one set of streams, so most batches do not reach the tokenizers of the others. There Adam's momentum
    would go on for a dozen steps while its second moment fades: a rare source would move its parameters several times
    as far as a common one, along the gradient of a single batch.
    """
    adam = optax.scale_by_adam(config.beta1, config.beta2, config.epsilon)
    decay = optax.add_decayed_weights(config.weight_decay, mask=decayed)

    def update(grads: Any, state: optax.ScaleByAdamState, params: Any = None) -> tuple[Any, optax.ScaleByAdamState]:
        updates, new = adam.update(grads, state, params)
        updates, _ = decay.update(updates, decay.init(params), params)
        reached = jax.tree.map(lambda grad: jnp.any(grad != 0), grads)

        def pick(moved: Any, still: Any) -> Any:
            return jax.tree.map(jnp.where, reached, moved, still)

        assert isinstance(new, optax.ScaleByAdamState)
        kept = new._replace(mu=pick(new.mu, state.mu), nu=pick(new.nu, state.nu))
        return pick(updates, jax.tree.map(jnp.zeros_like, updates)), kept

    return optax.GradientTransformation(adam.init, update)


def abstract_model(build: Build) -> Any:
    """The model with shapes in place of arrays; nothing is allocated."""
    with nnx.use_eager_sharding(False):
        return nnx.eval_shape(build)


def matrices(model: nnx.Module) -> frozenset[str]:
    """Names of the parameters with two or more dimensions of their own; an axis of layers or experts is not one."""
    table = parameter_table(model).items()
    return frozenset(name for name, param in table if _own_dimensions(param) >= 2 and not name.endswith(VECTORS))


def _own_dimensions(param: nnx.Param) -> int:
    stacked = set(axis_names(param)) & {"layers", "expert"}
    return len(param.shape) - len(stacked)


def axis_names(param: nnx.Param) -> tuple[str | None, ...]:
    """The logical names of a parameter's dimensions, None where it has none."""
    names = tuple(param.get_metadata().get("out_sharding") or ())
    return names + (None,) * (len(param.shape) - len(names))
