"""Losses of maps in float32: each pixel is known to be of one of a set of classes, often a set of one.

b batch · m mask slots · n classes: "none of the slots" and the m slots · h w pixels · p pixels of a sample in a row
All take the same arguments, so that a head can have any of them:

logits: of the slots; that of "none of them" is 0.
target: bit i = 1..m set: slot i is possible; bit 0: none of the asked; 0 unlabelled.
mask: pixels that count; unlabelled ones never do.
slot_valid: False for padded slots.
weight: of each pixel; 1 without. The losses over whole regions weigh classes alike already and read none.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from rsfm.nn.losses.masked import masked_mean

REACH = 1  # pixels from a border that count as the border
FOCUS = 2.0  # Lin et al. 2017 chose it among 0 to 5


def slot_logits(
    logits: Float[Array, "b m h w"], slot_valid: Bool[Array, "b m"] | None = None
) -> Float[Array, "b h w n"]:
    """Float32 logits of background (0 by definition) and the m slots; one that is not asked for cannot win."""
    logits = logits.astype(jnp.float32)
    if slot_valid is not None:
        logits = jnp.where(slot_valid[..., None, None], logits, -1e9)
    return jnp.moveaxis(jnp.pad(logits, ((0, 0), (1, 0), (0, 0), (0, 0))), 1, -1)


def possible_classes(target: Int[Array, "b h w"], count: int) -> Bool[Array, "b h w n"]:
    """Which of `count` classes each pixel may be of."""
    return (target[..., None] >> jnp.arange(count) & 1).astype(bool)


def mask_cross_entropy(
    logits: Float[Array, "b m h w"],
    target: Int[Array, "b h w"],
    mask: Bool[Array, "b h w"],
    *,
    slot_valid: Bool[Array, "b m"] | None = None,
    weight: Float[Array, "b h w"] | None = None,
) -> Float[Array, ""]:
    """Mean of -log of the summed probability of the classes a pixel may be of (partial labels: Jin and Ghahramani 2002)."""
    mask = mask & (target != 0)
    return masked_mean(-_log_likelihood(logits, target, mask, slot_valid), mask, weight)


def mask_focal(
    logits: Float[Array, "b m h w"],
    target: Int[Array, "b h w"],
    mask: Bool[Array, "b h w"],
    *,
    slot_valid: Bool[Array, "b m"] | None = None,
    weight: Float[Array, "b h w"] | None = None,
) -> Float[Array, ""]:
    """Cross entropy times (1 - that probability)^FOCUS: what is known already counts little (Lin et al., arXiv:1708.02002)."""
    mask = mask & (target != 0)
    known = _log_likelihood(logits, target, mask, slot_valid)
    return masked_mean(-known * jnp.maximum(-jnp.expm1(known), 0.0) ** FOCUS, mask, weight)


def mask_dice(
    logits: Float[Array, "b m h w"],
    target: Int[Array, "b h w"],
    mask: Bool[Array, "b h w"],
    *,
    slot_valid: Bool[Array, "b m"] | None = None,
    weight: Float[Array, "b h w"] | None = None,
) -> Float[Array, ""]:
    """1 - 2 |truth and guess| / (|truth| + |guess|), mean over the classes that a sample surely has (arXiv:1606.04797).

    A pixel that may be of a class and of another one is left out of both regions of that class.
    """
    chance, truth, told = _regions(logits, target, mask, slot_valid)
    both = 2 * jnp.where(told & truth, chance, 0.0).sum(1)
    sizes = truth.sum(1) + jnp.where(told, chance, 0.0).sum(1)
    return masked_mean(1 - both / jnp.maximum(sizes, 1.0), truth.any(1))


def mask_lovasz(
    logits: Float[Array, "b m h w"],
    target: Int[Array, "b h w"],
    mask: Bool[Array, "b h w"],
    *,
    slot_valid: Bool[Array, "b m"] | None = None,
    weight: Float[Array, "b h w"] | None = None,
) -> Float[Array, ""]:
    """Lovasz-Softmax: the surrogate of 1 - IoU, mean over the classes that a sample surely has (Berman et al. 2018).

    Partial labels as in `mask_dice`. It sorts the pixels of every class, which is slow on a CPU.
    """
    chance, truth, told = _regions(logits, target, mask, slot_valid)
    of_class = jax.vmap(jax.vmap(_lovasz, in_axes=(1, 1, 1)))
    return masked_mean(of_class(chance, truth, told), truth.any(1))


def mask_boundary(
    logits: Float[Array, "b m h w"],
    target: Int[Array, "b h w"],
    mask: Bool[Array, "b h w"],
    *,
    slot_valid: Bool[Array, "b m"] | None = None,
    weight: Float[Array, "b h w"] | None = None,
) -> Float[Array, ""]:
    """Cross entropy at the border alone: the pixels within REACH of one of another class, mean over them.

    What a pixel may be of is compared as a whole; an unlabelled pixel makes no border. 0 where a batch has none.
    """
    return mask_cross_entropy(logits, target, mask & at_border(target), slot_valid=slot_valid)


def at_border(target: Int[Array, "b h w"]) -> Bool[Array, "b h w"]:
    """Labelled pixels with another label at most REACH rows and columns away."""
    largest = jnp.iinfo(jnp.int32).max
    size, step = (1, 2 * REACH + 1, 2 * REACH + 1), (1, 1, 1)
    most = jax.lax.reduce_window(target, jnp.int32(0), jax.lax.max, size, step, "SAME")
    known = jnp.where(target == 0, largest, target)
    least = jax.lax.reduce_window(known, jnp.int32(largest), jax.lax.min, size, step, "SAME")
    return (target != 0) & (most != least)


def balancing_weight(
    target: Int[Array, "b h w"], mask: Bool[Array, "b h w"], count: int, power: float
) -> Float[Array, "b h w"]:
    """Weight of each pixel: its class's share of the sample's labelled pixels to the power of -`power`.

    A pixel of one of several classes is shared among them evenly. With power 1 the classes of a sample weigh alike.
    """
    possible = possible_classes(jnp.where(mask, target, 0), count).astype(jnp.float32)
    share = possible / jnp.maximum(possible.sum(-1, keepdims=True), 1.0)
    part = share.sum((1, 2), keepdims=True) / jnp.maximum(share.sum((1, 2, 3), keepdims=True), 1.0)
    return (share * jnp.where(part > 0, jnp.maximum(part, 1e-6) ** -power, 0.0)).sum(-1)


def _log_likelihood(
    logits: Float[Array, "b m h w"],
    target: Int[Array, "b h w"],
    mask: Bool[Array, "b h w"],
    slot_valid: Bool[Array, "b m"] | None,
) -> Float[Array, "b h w"]:
    """Log of the summed probability of what a pixel may be; 0 where masked."""
    scores = jnp.where(mask[..., None], slot_logits(logits, slot_valid), 0.0)
    possible = possible_classes(target, scores.shape[-1])
    among = jax.nn.logsumexp(scores, axis=-1, where=possible | ~mask[..., None])
    return among - jax.nn.logsumexp(scores, axis=-1)


def _regions(
    logits: Float[Array, "b m h w"],
    target: Int[Array, "b h w"],
    mask: Bool[Array, "b h w"],
    slot_valid: Bool[Array, "b m"] | None,
) -> tuple[Float[Array, "b p n"], Bool[Array, "b p n"], Bool[Array, "b p n"]]:
    """Of each pixel and class: its probability, whether it is surely of it, and whether that is known either way."""
    mask = mask & (target != 0)
    scores = jnp.where(mask[..., None], slot_logits(logits, slot_valid), 0.0)
    possible = possible_classes(target, scores.shape[-1]) & mask[..., None]
    alone = possible.sum(-1, keepdims=True) == 1
    told = mask[..., None] & (alone | ~possible)
    flat = scores.shape[0], -1, scores.shape[-1]
    return jax.nn.softmax(scores, -1).reshape(flat), (possible & alone).reshape(flat), told.reshape(flat)


def _lovasz(chance: Float[Array, " p"], truth: Bool[Array, " p"], told: Bool[Array, " p"]) -> Float[Array, ""]:
    """The Lovasz extension of the Jaccard loss of one class at its pixels' errors."""
    error = jnp.where(told, jnp.abs(truth - chance), 0.0)
    order = jnp.argsort(-jax.lax.stop_gradient(error))
    inside, outside = (truth & told)[order], (~truth & told)[order]
    whole = inside.sum()
    jaccard = 1 - (whole - jnp.cumsum(inside)) / jnp.maximum(whole + jnp.cumsum(outside), 1)
    return (error[order] * jnp.diff(jaccard, prepend=0.0)).sum()


MASK_LOSSES: dict[str, Callable[..., Float[Array, ""]]] = {
    "cross_entropy": mask_cross_entropy,
    "focal": mask_focal,
    "dice": mask_dice,
    "lovasz": mask_lovasz,
    "boundary": mask_boundary,
}
