"""Scores of pictures: known values, invariances, and SSIM against its definition written out window by window."""

import math

import numpy as np
import pytest

from rsfm.metrics.images import psnr, spectral_angle, ssim

ALL = np.ones((20, 23), bool)


def pictures(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    true = rng.random((20, 23, 3))
    return np.clip(true + 0.1 * rng.standard_normal(true.shape), 0, 1), true


def by_definition(made: np.ndarray, true: np.ndarray, row: int, column: int, span: float) -> float:
    """SSIM of one 11 x 11 window of one band, by the formula of the paper."""
    at = np.arange(-5, 6)
    weight = np.exp(-(at[:, None] ** 2 + at**2) / (2 * 1.5**2))
    weight /= weight.sum()
    x, y = (each[row - 5 : row + 6, column - 5 : column + 6] for each in (made, true))
    mx, my = (weight * x).sum(), (weight * y).sum()
    vx, vy = (weight * (x - mx) ** 2).sum(), (weight * (y - my) ** 2).sum()
    shared = (weight * (x - mx) * (y - my)).sum()
    one, two = (0.01 * span) ** 2, (0.03 * span) ** 2
    return (2 * mx * my + one) * (2 * shared + two) / ((mx**2 + my**2 + one) * (vx + vy + two))


def test_ssim_is_its_definition(rng: np.random.Generator) -> None:
    made, true = (each[..., :1] for each in pictures(rng))
    wanted = [by_definition(made[..., 0], true[..., 0], i, j, 2.0) for i in range(5, 15) for j in range(5, 18)]
    assert ssim(made, true, ALL, span=2.0) == pytest.approx(np.mean(wanted), abs=1e-9)


def test_equal_pictures_score_best(rng: np.random.Generator) -> None:
    _, true = pictures(rng)
    assert ssim(true, true, ALL, span=1.0) == pytest.approx(1.0)
    assert math.isinf(psnr(true, true, ALL, span=1.0))
    assert spectral_angle(true, true, ALL) == pytest.approx(0.0, abs=1e-5)


def test_known_values() -> None:
    true = np.zeros((20, 23, 2))
    assert psnr(true + 0.1, true, ALL, span=1.0) == pytest.approx(20.0)
    assert psnr(true + 0.1, true, ALL, span=10.0) == pytest.approx(40.0)
    true[..., 0] = 1.0
    turned = true[..., ::-1]
    assert spectral_angle(turned, true, ALL) == pytest.approx(90.0)
    flat = np.full((20, 23, 1), 0.5)
    wanted = (2 * 0.5 * 0.7 + 1e-4) / (0.5**2 + 0.7**2 + 1e-4)
    assert ssim(flat + 0.2, flat, ALL, span=1.0) == pytest.approx(wanted)


def test_a_brighter_picture_has_the_same_spectra(rng: np.random.Generator) -> None:
    _, true = pictures(rng)
    assert spectral_angle(3 * true, true, ALL) == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("score", [lambda *p: psnr(*p, span=1.0), spectral_angle, lambda *p: ssim(*p, span=1.0)])
def test_invalid_pixels_change_nothing_and_valid_ones_do(score, rng: np.random.Generator) -> None:
    made, true = pictures(rng)
    valid = ALL.copy()
    valid[3:6, :4] = False
    noisy = made.copy()
    noisy[3:6, :4] = np.nan
    assert score(noisy, true, valid) == score(made, true, valid)
    noisy[10, 10] += 1.0
    assert score(noisy, true, valid) != score(made, true, valid)
    assert math.isnan(score(made, true, np.zeros_like(valid)))
