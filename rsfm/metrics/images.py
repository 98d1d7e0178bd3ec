"""Scores of pictures that a method makes against the true ones.   h w pixels · c bands

Each takes which pixels count: a cloud or the edge of the data is neither right nor wrong.
"""

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter

SIGMA, REACH = 1.5, 5  # of SSIM's Gaussian window of 11 x 11 pixels
K1, K2 = 0.01, 0.03  # of its constants, as shares of the range

Picture = Float[np.ndarray, "h w c"]
Pixels = Bool[np.ndarray, "h w"]


def psnr(made: Picture, true: Picture, valid: Pixels, *, span: float) -> float:
    """Peak signal-to-noise ratio in dB; infinite for equal pictures.

    Args:
        made, true: in one unit.
        valid: pixels that count.
        span: largest minus smallest value that the unit can have, 1 for reflectance.
    """
    if not valid.any():
        return float("nan")
    error = float(np.mean(np.square(made[valid] - true[valid])))
    return float(10 * np.log10(span**2 / error)) if error else float("inf")


def spectral_angle(made: Picture, true: Picture, valid: Pixels) -> float:
    """Mean angle in degrees between the spectra of a pixel (SAM); pixels whose spectrum is zero in either are left out."""
    left, right = made[valid].astype(np.float64), true[valid].astype(np.float64)
    lengths = np.linalg.norm(left, axis=-1) * np.linalg.norm(right, axis=-1)
    cosine = (left * right).sum(-1)[lengths > 0] / lengths[lengths > 0]
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean()) if len(cosine) else float("nan")


def ssim(made: Picture, true: Picture, valid: Pixels, *, span: float) -> float:
    """Structural similarity, the mean over bands and pixels whose whole window counts; NaN where there is none.

    As Wang, Bovik, Sheikh, Simoncelli 2004: Gaussian windows of 11 x 11 pixels, not normalized by n - 1.

    Args:
        made, true, valid, span: as of `psnr`.
    """
    whole = _windows_within(valid)
    if not whole.any():
        return float("nan")
    left, right = (np.moveaxis(np.where(valid[..., None], each, 0).astype(np.float64), -1, 0) for each in (made, true))
    bands = [_similarity(one, other, span) for one, other in zip(left, right, strict=True)]
    return float(np.mean([band[whole] for band in bands]))


def _similarity(
    left: Float[np.ndarray, "h w"], right: Float[np.ndarray, "h w"], span: float
) -> Float[np.ndarray, "h w"]:
    one, two = (K1 * span) ** 2, (K2 * span) ** 2
    mean_left, mean_right = _blurred(left), _blurred(right)
    spread = _blurred(left * left) - mean_left**2 + _blurred(right * right) - mean_right**2
    shared = _blurred(left * right) - mean_left * mean_right
    brightness = (2 * mean_left * mean_right + one) / (mean_left**2 + mean_right**2 + one)
    found: Float[np.ndarray, "h w"] = brightness * (2 * shared + two) / (spread + two)
    return found


def _blurred(band: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    made: Float[np.ndarray, "h w"] = gaussian_filter(band, SIGMA, truncate=REACH / SIGMA, mode="nearest")
    return made


def _windows_within(valid: Pixels) -> Pixels:
    """Pixels whose window lies inside the picture and holds no invalid pixel."""
    missing = np.pad(~valid, REACH + 1, constant_values=True).astype(np.int64)
    total = missing.cumsum(0).cumsum(1)
    edge = 2 * REACH + 1
    inside: Pixels = total[edge:, edge:] - total[:-edge, edge:] - total[edge:, :-edge] + total[:-edge, :-edge] == 0
    return inside[: valid.shape[0], : valid.shape[1]]
