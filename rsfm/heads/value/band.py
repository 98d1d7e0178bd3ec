"""Maps of numbers: value and interval of each pixel out of the probabilities of classes between edges.

m classes · h w pixels
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from rsfm.nn.distributions import from_bins


def value_band(
    edges: tuple[float, ...], probability: Float[np.ndarray, "m h w"], *, stretch: float = 1.0
) -> Float[np.ndarray, "h w 3"]:
    """Mean and 90 % interval of each pixel from the probabilities of m classes between rising edges, in their unit.

    Args:
        edges: m + 1.
        probability: of the classes; what a pixel gives to none of them is shared out. NaN comes of no probability at all.
        stretch: factor on the interval's arms, from calibration.
    """
    mean, low, middle, high = np.moveaxis(value_quantiles(edges, probability), -1, 0)
    return np.stack([mean, middle - stretch * (middle - low), middle + stretch * (high - middle)], axis=-1)


def value_quantiles(edges: tuple[float, ...], probability: Float[np.ndarray, "m h w"]) -> Float[np.ndarray, "h w 4"]:
    """Mean and 5, 50 and 95 % quantiles of each pixel; see `value_band`."""
    total = probability.sum(0)
    share = np.moveaxis(probability / np.where(total > 1e-3, total, np.nan), 0, -1)
    ends = np.broadcast_to(np.asarray(edges, np.float32), (*share.shape[:-1], len(edges)))
    predicted = from_bins(jnp.asarray(ends), jnp.asarray(share))
    levels = [predicted.quantile(level) for level in (0.05, 0.5, 0.95)]
    return np.stack([np.asarray(part) for part in (predicted.mean(), *levels)], axis=-1)
