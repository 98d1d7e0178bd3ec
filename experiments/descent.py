"""Gradient descent in one jitted loop, for studies that fit many small models in minutes and keep no run folder.

rsfm.training.run is the loop for everything that is saved, resumed or spread over devices.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

Carry = tuple[Any, Any, Any]  # parameters, moments of the optimizer, moving average of the parameters or None


def descend(
    loss: Callable[[Any, Any], Float[Array, ""]],
    optimizer: optax.GradientTransformation,
    start: Carry,
    inputs: Any,
    *,
    length: int | None = None,
    decay: Callable[[Any], Float[Array, ""]] | None = None,
) -> Carry:
    """One step of the optimizer for each entry of `inputs`. Pure, to be called inside a jitted function.

    Args:
        loss: of the parameters and one entry.
        optimizer: of optax.
        start: parameters, moments and average to start from.
        inputs: arrays with an entry a step along their first axis, or None.
        length: number of steps, where `inputs` is None.
        decay: from an entry to the decay of the moving average; None = no average.
    """

    def step(carry: Carry, given: Any) -> tuple[Carry, None]:
        params, moments, mean = carry
        updates, moments = optimizer.update(jax.grad(loss)(params, given), moments, params)
        params = optax.apply_updates(params, updates)
        if decay is not None:
            share = decay(given)
            mean = jax.tree.map(lambda old, new: share * old + (1 - share) * new, mean, params)
        return (params, moments, mean), None

    return jax.lax.scan(step, start, inputs, length=length)[0]


def cautious(average: float) -> Callable[[Array], Float[Array, ""]]:
    """The decay of a moving average by the number of the step: it forgets the first steps quickly."""
    return lambda i: jnp.minimum(average, (1.0 + i) / (10.0 + i))
