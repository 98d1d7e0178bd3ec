"""Calibrated intervals hold what they promise on new draws, whatever was wrong with the predicted ones."""

import numpy as np
import pytest

from rsfm.errors import UserError
from rsfm.metrics.calibration import conformal_quantile, coverage_by_group, inside, stretch, stretch_by_group, widen


def draws(seed: int, n: int):
    """Targets around a mean, with intervals a third too narrow and of changing width."""
    rng = np.random.default_rng(seed)
    middle, scale = rng.normal(100, 20, n), rng.uniform(5, 25, n)
    return middle + scale * rng.normal(size=n), middle, middle - scale * 1.1, middle + scale * 1.1


def test_the_rank_is_the_finite_sample_one():
    assert conformal_quantile(np.arange(1.0, 10.0), 0.9) == 9.0  # ceil(10 * 0.9) of nine
    assert conformal_quantile(np.arange(1.0, 20.0), 0.9) == 18.0
    with pytest.raises(UserError, match="8 calibration targets cannot promise 90% coverage: expected at least 9"):
        conformal_quantile(np.arange(8.0), 0.9)
    with pytest.raises(UserError, match="1 of 20 calibration scores are not finite"):
        conformal_quantile(np.where(np.arange(20) == 3, np.nan, 1.0), 0.9)


def test_coverage_holds_on_new_data():
    held, added = [], []
    for seed in range(40):
        target, middle, low, high = draws(seed, 300)
        new, center, below, above = draws(1000 + seed, 300)
        factor, more = stretch(target, middle, low, high), widen(target, low, high)
        held.append(inside(new, center - factor * (center - below), center + factor * (above - center)).mean())
        added.append(inside(new, below - more, above + more).mean())
    assert abs(np.mean(held) - 0.9) < 0.01 and abs(np.mean(added) - 0.9) < 0.01


def test_each_group_is_held_by_itself():
    held = {"calm": [], "wild": []}
    for seed in range(20):
        target, middle, low, high = draws(seed, 600)
        groups = np.where(np.arange(600) % 3 == 0, "wild", "calm")
        target = np.where(groups == "wild", middle + 3 * (target - middle), target)
        known, new = np.arange(600) < 300, np.arange(600) >= 300
        factors = stretch_by_group(target[known], middle[known], low[known], high[known], groups[known].tolist())
        factor = np.array([factors[name] for name in groups])
        ends = middle - factor * (middle - low), middle + factor * (high - middle)
        for name, each in held.items():
            each.append(inside(target, *ends)[new & (groups == name)].mean())
    assert all(abs(np.mean(each) - 0.9) < 0.02 for each in held.values())


def test_a_small_or_unknown_group_has_the_factor_of_all():
    target, middle, low, high = draws(0, 100)
    factors = stretch_by_group(target, middle, low, high, ["few"] * 10 + ["many"] * 90)
    assert factors["few"] == factors["never seen"] == stretch(target, middle, low, high) != factors["many"]


def test_wide_intervals_shrink():
    target, middle, low, high = draws(0, 500)
    assert stretch(target, middle, middle - 10 * (middle - low), middle + 10 * (high - middle)) < 0.2
    assert widen(target, low - 100, high + 100) < 0


def test_groups_are_counted_apart():
    held = np.array([True, True, False, True])
    assert coverage_by_group(held, ["06", "06", "07", "07"]) == {"06": (1.0, 2), "07": (0.5, 2)}
