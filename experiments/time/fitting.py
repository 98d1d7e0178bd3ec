"""Fits a small model to arrays in one jitted loop, for experiments that train many models in minutes.

b batch · n samples
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float

from experiments.descent import cautious, descend

Batch = dict[str, Array]
Model = TypeVar("Model", bound=nnx.Module)
Loss = Callable[[Any, Batch, Array], Float[Array, ""]]


def fit(
    model: Model,
    data: Batch,
    loss: Loss,
    *,
    steps: int,
    batch_size: int = 128,
    learning_rate: float = 2e-3,
    weight_decay: float = 0.05,
    average: float = 0.98,
    seed: int = 0,
) -> Model:
    """The model after `steps` of AdamW under a cosine with warm-up: the moving average of its weights.

    Args:
        model: as made from its own seed.
        data: arrays of n samples each; batches are drawn from them with replacement.
        loss: of (model, batch, random key); what is varied in training happens here.
        average: decay of the moving average.
        seed: of batches and augmentation.
    """
    graphdef, params = nnx.split(model)
    run = _runner(graphdef, loss, steps, batch_size, learning_rate, weight_decay, average)
    n = len(jax.tree.leaves(data)[0])
    fill = (1 << (n - 1).bit_length()) - n  # data sets of nearly one size share a compilation
    padded = jax.tree.map(lambda x: jnp.pad(x, ((0, fill), *[(0, 0)] * (x.ndim - 1))), data)
    return nnx.merge(graphdef, run(params, padded, jnp.asarray(n), jax.random.key(seed)))


@functools.lru_cache(maxsize=8)  # seeds of one model share the compilation
def _runner(
    graphdef: Any, loss: Loss, steps: int, batch_size: int, learning_rate: float, weight_decay: float, average: float
) -> Callable[[Any, Batch, Array, Array], Any]:
    schedule = optax.warmup_cosine_decay_schedule(0.0, learning_rate, max(steps // 20, 1), steps)
    optimizer = optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adamw(schedule, b2=0.98, weight_decay=weight_decay, mask=lambda p: jax.tree.map(lambda x: x.ndim > 1, p)),
    )

    @jax.jit
    def run(params: Any, data: Batch, n: Array, key: Array) -> Any:
        def drawn_loss(params: Any, i: Array) -> Float[Array, ""]:
            drawn, varied = jax.random.split(jax.random.fold_in(key, i))
            rows = jax.random.randint(drawn, (batch_size,), 0, n)
            return loss(nnx.merge(graphdef, params), jax.tree.map(lambda x: x[rows], data), varied)

        start = (params, optimizer.init(params), params)
        return descend(drawn_loss, optimizer, start, jnp.arange(steps), decay=cautious(average))[2]

    return run
