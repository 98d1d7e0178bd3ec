"""Losses of the value head by name: each reads what the head's kind gives, in standard deviations."""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from rsfm.heads.value.numbers import distribution
from rsfm.nn.losses.masked import gaussian_nll, huber, negative_log_likelihood, pinball, ranked_probability

Outputs = Mapping[str, Array]


def own_loss(outputs: Outputs) -> str:
    """The loss that suits what a kind of value head gives."""
    if "scale" in outputs:
        return "gaussian"
    if "quantiles" in outputs:
        return "pinball"
    return "nll" if {"weight", "probability"} & set(outputs) else "huber"


def _gaussian(config: Any, outputs: Outputs, target: Array, mask: Array) -> Array:
    """beta-NLL for the spread, Huber for the mean."""
    mean = outputs["mean"]
    spread = gaussian_nll(mean, distribution(outputs).scale(), target, mask, beta=config.beta)
    return spread + huber(mean, target, mask, delta=config.huber_delta)


def _huber(config: Any, outputs: Outputs, target: Array, mask: Array) -> Array:
    return huber(outputs["mean"], target, mask, delta=config.huber_delta)


def _nll(config: Any, outputs: Outputs, target: Array, mask: Array) -> Array:
    return negative_log_likelihood(distribution(outputs), target, mask)


def _pinball(config: Any, outputs: Outputs, target: Array, mask: Array) -> Array:
    if "quantiles" in outputs:
        return pinball(outputs["quantiles"], outputs["levels"], target, mask)
    predicted = distribution(outputs)
    deciles = [i / 10 for i in range(1, 10)]
    values = jnp.stack([predicted.quantile(level) for level in deciles], axis=-1)
    return pinball(values, jnp.broadcast_to(jnp.asarray(deciles), values.shape), target, mask)


def _crps(config: Any, outputs: Outputs, target: Array, mask: Array) -> Array:
    return ranked_probability(distribution(outputs), target, mask)


VALUE_LOSSES: dict[str, Callable[[Any, Outputs, Array, Array], Array]] = {
    "gaussian": _gaussian,
    "huber": _huber,
    "nll": _nll,
    "pinball": _pinball,
    "crps": _crps,
}
