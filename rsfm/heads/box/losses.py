"""Losses of the box head: heat against focal loss, numbers against distance, whole boxes against overlap.

n cells, of all spans · r q cells
Heat: Law and Deng 2018 (CornerNet, arXiv:1808.01244), as Zhou et al. 2019 use it for centres (CenterNet, arXiv:1904.07850).
Overlap: Llerena et al. 2021 (ProbIoU, arXiv:2106.06072), the Hellinger distance of the boxes as normal distributions: it
knows turned boxes, and moves boxes that do not touch, too.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rsfm.heads.box.targets import covariance

FOCUS, FORGIVEN = 2.0, 4.0  # powers that Law and Deng chose
UNIFORM = 12.0**-0.5  # standard deviation of a uniform distribution, in its sides
LARGEST, LONGEST = (
    9.0,
    4.0,
)  # of the size and the stretch in the loss: beyond e^9 pixels, e^8 times as long as wide, floats overflow


def heat_loss(logits: Float[Array, "*n"], heat: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Focal loss of each cell; a cell near a centre is forgiven by how near it is."""
    chance = jax.nn.sigmoid(logits)
    hit = -jax.nn.log_sigmoid(logits) * (1 - chance) ** FOCUS
    miss = -jax.nn.log_sigmoid(-logits) * chance**FOCUS * (1 - heat) ** FORGIVEN
    return jnp.where(heat >= 1 - 1e-6, hit, miss)


def number_losses(given: Float[Array, "*n 7"], wanted: Float[Array, "*n 7"], stride: int) -> dict[str, Array]:
    """Distance of centre (in cells), size (in logarithms) and axes, and the overlap, of each cell."""
    off = jnp.abs(given - wanted)
    return {
        "centre": off[..., :2].mean(-1) / stride,
        "size": off[..., 2:5].mean(-1),
        "axes": off[..., 5:].mean(-1),
        "overlap": overlap_loss(given, wanted),
    }


def overlap_loss(given: Float[Array, "*n 7"], wanted: Float[Array, "*n 7"]) -> Float[Array, "*n"]:
    """0 where two boxes are the same, up to 1 where they are far apart or of other sizes."""
    given, wanted = _bounded(given), _bounded(wanted)
    (a, b, c), (d, e, f) = covariance(given, UNIFORM), covariance(wanted, UNIFORM)
    xx, xy, yy = (a + d) / 2, (b + e) / 2, (c + f) / 2
    whole = jnp.maximum(xx * yy - xy**2, 1e-12)
    x, y = given[..., 0] - wanted[..., 0], given[..., 1] - wanted[..., 1]
    apart = (yy * x**2 - 2 * xy * x * y + xx * y**2) / (8 * whole)
    sizes = 2 * (given[..., 2] + wanted[..., 2]) + 4 * jnp.log(UNIFORM)  # log of the root of both determinants
    distance = jnp.maximum(apart + 0.5 * (jnp.log(whole) - sizes), 0.0)
    return jnp.sqrt(jnp.maximum(-jnp.expm1(-distance), 0.0) + 1e-6) - 1e-3


def _bounded(numbers: Float[Array, "*n 7"]) -> Float[Array, "*n 7"]:
    size, stretch = jnp.clip(numbers[..., 2:3], -LARGEST, LARGEST), jnp.clip(numbers[..., 3:5], -LONGEST, LONGEST)
    return jnp.concatenate([numbers[..., :2], size, stretch, numbers[..., 5:]], -1)
