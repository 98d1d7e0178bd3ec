"""Features and tables of learned positions on a grid of another size, by a small matrix an axis.

b batch · r q rows and columns · h w wanted · d width
On the host rsfm.data.resample does it for arrays of pixels.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rsfm.errors import lookup


def resample(table: Float[Array, "r q d"], size: tuple[int, int], kind: str) -> Float[Array, "h w d"]:
    """A table of rows x columns for a grid of another size; the same table where the size is its own."""
    if table.shape[:2] == size:
        return table
    matrix = lookup(MATRICES, "resampling", kind)
    rows, columns = (matrix(have, want).astype(np.float32) for have, want in zip(table.shape[:2], size, strict=True))
    return jnp.einsum("hr,wq,rqd->hwd", rows, columns, table)


def bilinear(x: Float[Array, "b r q d"], size: tuple[int, int]) -> Float[Array, "b h w d"]:
    """Features between pixel centres, edges held, as two small matrix products."""
    by_row, by_column = (
        held_bilinear(have, want).astype(x.dtype) for have, want in zip(x.shape[1:3], size, strict=True)
    )
    return jnp.einsum("hr,brwd->bhwd", by_row, jnp.einsum("wq,brqd->brwd", by_column, x))


def held_bilinear(have: int, want: int) -> Float[np.ndarray, "want have"]:
    """Shares of the two pixels that each wanted pixel's centre lies between, edges held."""
    at = np.clip((np.arange(want) + 0.5) * have / want - 0.5, 0, have - 1)
    return np.clip(1 - np.abs(at[:, None] - np.arange(have)), 0, None)


def bicubic(have: int, want: int) -> Float[np.ndarray, "want have"]:
    """Keys' kernel with a = -0.75, edges held, no smoothing when shrinking: torch's default."""
    at = (np.arange(want) + 0.5) * have / want - 0.5
    first = np.floor(at).astype(int)
    out = np.zeros((want, have))
    for step in range(-1, 3):
        place = np.clip(first + step, 0, have - 1)
        np.add.at(out, (np.arange(want), place), _keys(np.abs(at - first - step)))
    return out


def bilinear_antialiased(have: int, want: int) -> Float[np.ndarray, "want have"]:
    """A triangle as wide as the step, so that shrinking averages; weights are shared out again at the edges."""
    step = max(have / want, 1.0)
    centre = (np.arange(want) + 0.5) * have / want
    weight = np.clip(1 - np.abs((np.arange(have)[None] + 0.5 - centre[:, None]) / step), 0, None)
    return weight / weight.sum(1, keepdims=True)


def bicubic_antialiased(have: int, want: int) -> Float[np.ndarray, "want have"]:
    """Keys' kernel with a = -0.5, stretched by the step when shrinking."""
    step = max(have / want, 1.0)
    centre = (np.arange(want) + 0.5) * have / want
    weight = _keys(np.abs((np.arange(have)[None] + 0.5 - centre[:, None]) / step), a=-0.5)
    return weight / weight.sum(1, keepdims=True)


def _keys(x: np.ndarray, a: float = -0.75) -> np.ndarray:
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


MATRICES = {"bicubic": bicubic, "bicubic_antialiased": bicubic_antialiased, "bilinear": bilinear_antialiased}
