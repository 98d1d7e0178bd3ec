"""What the box head learns: the labelled boxes of a window as rows of numbers, and on the device their heat on its cells.

n boxes · r q cells
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from rsfm.errors import UserError
from rsfm.heads.box.coding import box_numbers
from rsfm.pytree import pytree_dataclass
from rsfm.types import Boxes, Record

MOST = 256  # boxes of a window
SPREAD = 0.1  # standard deviation of a box's heat, in its sides
FLOOR = 0.6  # the least of it, in cells
LEAST_HEAT = 0.3  # a cell with less of a box's heat does not learn its size


def box_rows(spans: Sequence[Boxes], record: Record, size: int) -> dict[str, np.ndarray]:
    """ "numbers" (MOST 7) in pixels of the model's window, and "slot" (MOST): the span of each box from 1 on, 0 = no box.

    A box whose centre is outside the window belongs to another window and is left out; a side thinner than a pixel counts
    as one.

    Raises:
        UserError: corners that are no numbers, or more boxes than a window may hold.
    """
    scale, edge = _scale(record, size)
    corners = np.concatenate([np.asarray(span.corners, float).reshape(-1, 4, 2) for span in spans]) * scale
    slot = np.repeat(np.arange(len(spans)) + 1, [len(span.corners) for span in spans])
    if not np.isfinite(corners).all():
        raise UserError(f"{record.id}: a box has a corner that is no number. Correct the labels.")
    inside = ((corners.mean(1) >= 0) & (corners.mean(1) < edge)).all(-1)
    corners, slot = corners[inside], slot[inside]
    if len(slot) > MOST:
        raise UserError(
            f"{record.id}: {len(slot)} boxes in one window, a box head reads at most {MOST}. Cut smaller windows, e.g. "
            f"AugmentConfig(crop={size // 2})."
        )
    pad = MOST - len(slot)
    numbers = box_numbers(corners)
    return {"numbers": np.pad(numbers, ((0, pad), (0, 0))), "slot": np.pad(slot, (0, pad)).astype(np.int32)}


def _scale(record: Record, size: int) -> tuple[float, np.ndarray]:
    """Pixels of the model's window a pixel of the picture, and width and height of the picture in the window."""
    shapes = [np.shape(each.values)[-3:-1] for each in record.observations.values()]
    height, width = max(shapes, key=lambda shape: shape[0] * shape[1])
    scale = min(1.0, size / max(height, width))  # as fitting shrinks it: a smaller picture is padded
    return scale, np.array([width, height]) * scale


@pytree_dataclass
class Assignment:
    """What the cells of one span learn."""

    heat: Float[Array, "r q"]  # 1 at the cell of a box's centre, falling off around it
    numbers: Float[Array, "r q 7"]  # of the box whose heat is greatest there
    weight: Float[Array, "r q"]  # how much they count


def assigned(
    numbers: Float[Array, "n 7"], there: Bool[Array, " n"], cells: Float[Array, "r q 2"], stride: int
) -> Assignment:
    """The heat of boxes on cells; of a box only its own surroundings learn its numbers.

    Args:
        numbers: of the boxes of a window, see `rsfm.heads.box.coding`.
        there: which rows are boxes of the span.
        cells: centres of the cells in pixels.
        stride: pixels a cell.
    """
    far = jnp.where(there[:, None, None], _distance(numbers[:, None, None], cells, stride), jnp.inf)
    chosen = numbers[jnp.argmin(far, axis=0)]
    heat = jnp.where(there.any(), jnp.exp(-0.5 * _distance(chosen, cells, stride)), 0.0)
    return Assignment(heat=heat, numbers=chosen, weight=jnp.where(heat >= LEAST_HEAT, heat, 0.0))


def _distance(numbers: Float[Array, "*n 7"], cells: Float[Array, "r q 2"], stride: int) -> Float[Array, "*_"]:
    """Squared distance, in standard deviations of a box's heat, of cells from the cell of its centre, where it is 0."""
    a, b, c = covariance(numbers, SPREAD, FLOOR * stride)
    middle = (jnp.floor(numbers[..., :2] / stride) + 0.5) * stride
    x, y = jnp.moveaxis(cells - middle, -1, 0)
    return (c * x**2 - 2 * b * x * y + a * y**2) / (a * c - b**2)


def covariance(
    numbers: Float[Array, "*n 7"], spread: float, floor: float = 0.0
) -> tuple[Float[Array, "*n"], Float[Array, "*n"], Float[Array, "*n"]]:
    """(xx, xy, yy) of the normal distribution with a box's axes, its standard deviations `spread` times the sides.

    The matrix of squared sides is e^2m expm(2 S), m the log of the mean side and S the stretch as a symmetric matrix.
    """
    size, along, across = numbers[..., 2], numbers[..., 3], numbers[..., 4]
    stretch = jnp.sqrt(along**2 + across**2 + 1e-12)
    even, odd = jnp.cosh(2 * stretch), jnp.sinh(2 * stretch) / stretch
    scale = spread**2 * jnp.exp(2 * size)
    least = floor**2
    return scale * (even + odd * along) + least, scale * odd * across, scale * (even - odd * along) + least
