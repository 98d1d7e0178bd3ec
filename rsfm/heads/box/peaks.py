"""From heat to boxes on the device: cells that are warmer than their neighbours, a fixed number of them, best first.

b batch · v spans · r q cells · k peaks
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rsfm.pytree import pytree_dataclass


@pytree_dataclass
class Peaks:
    """The best boxes of each span of a window; of those beyond the peaks there are the score is 0."""

    score: Float[Array, "*b k"]
    numbers: Float[Array, "*b k 7"]  # see rsfm.heads.box.coding


def peaks(heat: Float[Array, "*b r q"], numbers: Float[Array, "*b r q 7"], count: int) -> Peaks:
    """The warmest cells among their eight neighbours.

    Args:
        heat: logits; -inf where nothing may be.
        numbers: of the box that each cell would make.
        count: how many, fixed so that the shapes are.
    """
    *batch, rows, columns = heat.shape
    flat = heat.reshape(-1, rows, columns)
    near = jax.lax.reduce_window(flat, -jnp.inf, jax.lax.max, (1, 3, 3), (1, 1, 1), "SAME")
    score = jnp.where(flat >= near, jax.nn.sigmoid(flat), 0.0).reshape(-1, rows * columns)
    best, place = jax.lax.top_k(score, min(count, rows * columns))
    picked = jnp.take_along_axis(numbers.reshape(-1, rows * columns, numbers.shape[-1]), place[..., None], axis=1)
    return Peaks(score=best.reshape(*batch, -1), numbers=picked.reshape(*batch, best.shape[-1], -1))
