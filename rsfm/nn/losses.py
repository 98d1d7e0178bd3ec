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
    balance: float = 0.0,
) -> Float[Array, ""]:
    """Cross entropy over the pixels between the m asked classes and "none of them".

    Args:
        logits: of the slots; the background's is 0.
        target: 1..m slot, 0 none of the asked, -1 unlabelled.
        mask: pixels that count; unlabelled ones never do.
        slot_valid: False for padded slots.
        balance: 0: each pixel counts alike; 1: each class present in a sample counts alike; between: in between.
    """
    mask = mask & (target >= 0)
    scores = jnp.where(mask[..., None], slot_logits(logits, slot_valid), 0.0)
    chosen = jax.nn.one_hot(jnp.where(mask, target, -1), scores.shape[-1])
    # A product, not a gather: the gradient of a gather is a scatter, slow over many pixels.
    loss = jax.nn.logsumexp(scores, axis=-1) - (scores * chosen).sum(-1)
    if not balance:
        return masked_mean(loss, mask)
    count = chosen.sum((1, 2))
    share = jnp.where(count > 0, jnp.maximum(count, 1.0) ** -balance, 0.0)
    return masked_mean(loss, mask, jnp.einsum("bhwm,bm->bhw", chosen, share))


def soft_dice(
    logits: Float[Array, "b m h w"],
    target: Int[Array, "b h w"],
    mask: Bool[Array, "b h w"],
    *,
    slot_valid: Bool[Array, "b m"] | None = None,
    smooth: float = 1.0,
) -> Float[Array, ""]:
    """1 - Dice overlap of each slot's probability with its pixels (V-Net, arXiv:1606.04797), mean over the valid slots.

    Args:
        logits: see `mask_cross_entropy`, like target, mask and slot_valid.
        smooth: pixels added above and below, so that a rightly empty slot costs nothing.
    """
    mask = mask & (target >= 0)
    slot_valid = jnp.ones(logits.shape[:2], bool) if slot_valid is None else slot_valid
    scores = jnp.where(mask[..., None], slot_logits(logits, slot_valid), 0.0)
    probability = jnp.where(mask[..., None], jax.nn.softmax(scores), 0.0)[..., 1:]
    truth = jax.nn.one_hot(jnp.where(mask, target, 0) - 1, logits.shape[1])
    overlap = 2 * (probability * truth).sum((1, 2)) + smooth
    total = probability.sum((1, 2)) + truth.sum((1, 2)) + smooth
    return masked_mean(1 - overlap / total, slot_valid & mask.any((1, 2))[:, None])


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
