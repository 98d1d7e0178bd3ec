"""Arrays of pixels at another size on the same ground: nearest, linear or averaged.   h w pixels · i j pixels wanted

On the device rsfm.nn.resample does the same with matrices; warping onto another grid is rasterio's.
"""

import numpy as np
from jaxtyping import Float, Int
from PIL import Image


def nearest_pixels(have: int, want: int) -> Int[np.ndarray, " want"]:
    """Index of the pixel that each wanted pixel's centre lies in, along one axis."""
    return ((np.arange(want) + 0.5) * have / want).astype(int)


def nearest(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Rows and columns, the first two axes, by nearest neighbour: for classes."""
    rows, columns = nearest_pixels(pixels.shape[0], height), nearest_pixels(pixels.shape[1], width)
    return pixels[np.ix_(rows, columns)]


def linear(pixels: np.ndarray, axis: int, length: int) -> np.ndarray:
    """One axis between pixel centres, its ends held.

    Floating-point numbers are mixed, of integers the nearest is taken, and a boolean is true where all it is made of is.
    """
    have = pixels.shape[axis]
    place = np.clip((np.arange(length) + 0.5) * have / length - 0.5, 0, have - 1)
    if not (np.issubdtype(pixels.dtype, np.floating) or pixels.dtype == bool):
        return np.take(pixels, np.rint(place).astype(int), axis)
    first = np.minimum(place.astype(int), max(have - 2, 0))
    before, after = np.take(pixels, first, axis), np.take(pixels, np.minimum(first + 1, have - 1), axis)
    share = (place - first).reshape([-1 if i == axis else 1 for i in range(pixels.ndim)]).astype(np.float32)
    if pixels.dtype == bool:
        return (before | (share == 1)) & (after | (share == 0))
    if np.isfinite(pixels).all():
        return before + (after - before) * share
    # Not NaN * 0: a missing neighbour without weight must not spread.
    return np.where(share == 1, 0, before * (1 - share)) + np.where(share == 0, 0, after * share)


def averaged(plane: Float[np.ndarray, "h w"], height: int, width: int) -> Float[np.ndarray, "i j"]:
    """Means over the area of each wanted pixel, weighted by how much of a pixel lies in it."""
    return np.asarray(Image.fromarray(plane.astype(np.float32)).resize((width, height), Image.Resampling.BOX))
