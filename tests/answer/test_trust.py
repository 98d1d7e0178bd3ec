"""Intervals of shares are measured on classes that are there: those in neither map nor truth make no interval hold."""

import numpy as np
import pytest

from rsfm.answer.trust import SharePair, fit_map
from rsfm.processor.calibration import MapCalibration, expit, logit
from rsfm.tasks.facts import NOTABLE

ABSENT = 20  # classes of the legend that no place has


def pairs_of(places: int, error: float, seed: int) -> list[SharePair]:
    """Three classes a place, the map's log odds off by `error`, beside many that are nowhere."""
    rng, pairs = np.random.default_rng(seed), []
    for place in range(places):
        for name in ("water", "trees", "crops"):
            true = rng.uniform(0.02, 0.9)
            mapped = expit(logit(true) + error * rng.standard_normal())
            pairs.append(SharePair(place=f"p{place}", name=name, mapped=mapped, true=true))
        pairs += [SharePair(place=f"p{place}", name=f"absent {i}", mapped=0.0, true=0.0) for i in range(ABSENT)]
    return pairs


def coverage(trust: MapCalibration, pairs: list[SharePair]) -> float:
    ends = [(trust.interval(pair.mapped), pair.true) for pair in pairs if max(pair.mapped, pair.true) >= NOTABLE]
    return float(np.mean([end[0] <= true <= end[1] for end, true in ends if end is not None]))


@pytest.mark.parametrize("seed", range(4))
def test_intervals_hold_new_places(seed: int) -> None:
    trust = fit_map(pairs_of(60, 0.5, seed))
    assert 0.85 <= coverage(trust, pairs_of(400, 0.5, seed + 100)) <= 0.97


def test_classes_that_are_nowhere_narrow_no_interval() -> None:
    pairs = pairs_of(60, 0.5, 0)
    assert fit_map(pairs).bands == fit_map([pair for pair in pairs if pair.true > 0]).bands


def test_a_map_that_knows_nothing_gets_no_interval() -> None:
    trust = fit_map(pairs_of(60, 8.0, 0))
    assert trust.interval(0.3) is None
    assert fit_map(pairs_of(5, 0.5, 0)).interval(0.3) is None  # too few places
