"""Losses in float32: each takes a mask and returns the mean over what the mask keeps, 0 where it keeps nothing.

b batch · s text · v vocabulary or values · m mask slots · h w pixels
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


def slot_logits(
    logits: Float[Array, "b m h w"], slot_valid: Bool[Array, "b m"] | None = None
) -> Float[Array, "b h w m+1"]:
    """Float32 logits of background (0 by definition) and the m slots; one that is not asked for cannot win."""
    logits = logits.astype(jnp.float32)
    if slot_valid is not None:
        logits = jnp.where(slot_valid[..., None, None], logits, -1e9)
    return jnp.moveaxis(jnp.pad(logits, ((0, 0), (1, 0), (0, 0), (0, 0))), 1, -1)


def mask_cross_entropy(
    logits: Float[Array, "b m h w"],
    target: Int[Array, "b h w"],
    mask: Bool[Array, "b h w"],
    *,
    slot_valid: Bool[Array, "b m"] | None = None,
) -> Float[Array, ""]:
    """Cross entropy over the pixels between the m asked classes and "none of them".

    Where a pixel is known to be of one of several classes, its loss is -log of their summed probability (partial labels:
    Jin and Ghahramani 2002).

    Args:
        logits: of the slots; the background's is 0.
        target: bit i = 1..m set: slot i is possible; bit 0: none of the asked; 0 unlabelled.
        mask: pixels that count; unlabelled ones never do.
        slot_valid: False for padded slots.
    """
    mask = mask & (target != 0)
    scores = jnp.where(mask[..., None], slot_logits(logits, slot_valid), 0.0)
    possible = (target[..., None] >> jnp.arange(scores.shape[-1]) & 1).astype(bool)
    among = jax.nn.logsumexp(scores, axis=-1, where=possible | ~mask[..., None])
    return masked_mean(jax.nn.logsumexp(scores, axis=-1) - among, mask)


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
