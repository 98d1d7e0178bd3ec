"""Losses in float32: each takes a mask and returns the mean over what the mask keeps, 0 where it keeps nothing.

b batch · s text · v vocabulary or values
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from rsfm.nn.distributions import Distribution


def masked_mean(
    values: Float[Array, "*b"], mask: Bool[Array, "*b"], weight: Float[Array, "*b"] | None = None
) -> Float[Array, ""]:
    """Mean of `values` where `mask`, weighted if asked; what is masked may be NaN."""
    weight = jnp.where(mask, 1.0 if weight is None else weight, 0.0)
    total = jnp.where(mask, values.astype(jnp.float32) * weight, 0.0).sum()
    return total / jnp.where(weight.sum() > 0, weight.sum(), 1.0)


def token_cross_entropy(
    logits: Float[Array, "*b s v"], target: Int[Array, "*b s"], mask: Bool[Array, "*b s"], *, z_loss: float = 0.0
) -> Float[Array, ""]:
    """-log softmax(logits)[target], plus `z_loss` * logsumexp^2 against drifting logits (PaLM, arXiv:2204.02311)."""
    logits = jnp.where(mask[..., None], logits, 0).astype(jnp.float32)
    normalizer = jax.nn.logsumexp(logits, axis=-1)
    picked = jnp.take_along_axis(logits, jnp.where(mask, target, 0)[..., None], axis=-1)[..., 0]
    return masked_mean(normalizer - picked + z_loss * normalizer**2, mask)


def gaussian_nll(
    mean: Float[Array, "*b"],
    scale: Float[Array, "*b"],
    target: Float[Array, "*b"],
    mask: Bool[Array, "*b"],
    *,
    beta: float = 0.5,
) -> Float[Array, ""]:
    """-log N(target; mean, scale^2) without its constant, times variance^beta held fixed.

    Seitzer et al. 2022, arXiv:2203.09168.

    Args:
        mean: predicted.
        scale: predicted standard deviation, > 0.
        target: measured; anything where masked.
        mask: values that count.
        beta: 0 is the plain likelihood, which gives up on what is hard; 1 learns the mean as the squared error does.
    """
    mean, target = jnp.where(mask, mean, 0).astype(jnp.float32), jnp.where(mask, target, 0).astype(jnp.float32)
    variance = jnp.where(mask, scale, 1).astype(jnp.float32) ** 2
    loss = 0.5 * (jnp.log(variance) + (target - mean) ** 2 / variance)
    return masked_mean(loss * jax.lax.stop_gradient(variance**beta), mask)


def huber(
    prediction: Float[Array, "*b"], target: Float[Array, "*b"], mask: Bool[Array, "*b"], *, delta: float = 1.0
) -> Float[Array, ""]:
    """Half the squared error up to `delta`, its tangent beyond."""
    error = jnp.where(mask, prediction, 0).astype(jnp.float32) - jnp.where(mask, target, 0).astype(jnp.float32)
    near = jnp.clip(jnp.abs(error), max=delta)
    return masked_mean(near * (jnp.abs(error) - 0.5 * near), mask)


def pinball(
    quantiles: Float[Array, "*b k"], levels: Float[Array, "*b k"], target: Float[Array, "*b"], mask: Bool[Array, "*b"]
) -> Float[Array, ""]:
    """The loss whose minimum is the quantile (Koenker & Bassett 1978), mean over the k levels."""
    quantiles = jnp.where(mask[..., None], quantiles, 0).astype(jnp.float32)
    above = jnp.where(mask, target, 0).astype(jnp.float32)[..., None] - quantiles
    return masked_mean(jnp.maximum(levels * above, (levels - 1) * above).mean(-1), mask)


def negative_log_likelihood(
    predicted: Distribution, target: Float[Array, "*b"], mask: Bool[Array, "*b"]
) -> Float[Array, ""]:
    """-log of the density at the target; over bins this is their cross entropy plus a constant."""
    return masked_mean(-predicted.log_density(jnp.where(mask, target, 0).astype(jnp.float32)), mask)


def ranked_probability(
    predicted: Distribution, target: Float[Array, "*b"], mask: Bool[Array, "*b"]
) -> Float[Array, ""]:
    """The continuous ranked probability score: the absolute error of a distribution (Gneiting & Raftery 2007)."""
    return masked_mean(predicted.crps(jnp.where(mask, target, 0).astype(jnp.float32)), mask)
