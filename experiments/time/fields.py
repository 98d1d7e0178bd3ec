"""Series of fields with dates missing, and what names their crop without learning how dates are read: forests, neighbours.

n fields · t steps
"""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.ensemble import RandomForestClassifier

from rsfm.data.datasets.cawa import CROPS, OTHER, Cawa

NAMES = (*CROPS, OTHER)
MISSING = (0.0, 0.3, 0.6)  # shares of a field's dates, at test time


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fields:
    """Series of one split. NaN = missing step."""

    ndvi: Float[np.ndarray, "n t"]
    days: Float[np.ndarray, "n t"]
    label: Int[np.ndarray, " n"]


def read(root: Path, split: str, regions: Collection[str] | None = None) -> Fields:
    """The fields of a split of cawa, all dates as stored; of some regions where they are named."""
    dataset = Cawa(root, split)
    days = np.stack([record.observations["ndvi_series"].time_days for record in dataset])
    label = np.array([NAMES.index(crop) for crop in dataset.crops])
    kept = np.ones(len(label), bool) if regions is None else np.isin(dataset.regions, list(regions))
    return Fields(ndvi=dataset.ndvi[kept], days=days[kept], label=label[kept])


def joined(parts: Sequence[Fields]) -> Fields:
    """The fields of several sets, one after another."""
    return Fields(
        ndvi=np.concatenate([part.ndvi for part in parts]),
        days=np.concatenate([part.days for part in parts]),
        label=np.concatenate([part.label for part in parts]),
    )


def hide(fields: Fields, share: float, seed: int) -> Fields:
    """The same fields with a share of each one's known steps missing; one always stays."""
    rng = np.random.default_rng([seed, round(100 * share)])
    known = np.isfinite(fields.ndvi)
    rank = np.argsort(np.argsort(np.where(known, rng.random(known.shape), np.inf), axis=1), axis=1)
    kept = rank < np.maximum(1, known.sum(1, keepdims=True) - np.round(share * known.sum(1, keepdims=True)))
    return dataclasses.replace(fields, ndvi=np.where(known & kept, fields.ndvi, np.nan))


def interpolate(ndvi: Float[np.ndarray, "n t"]) -> Float[np.ndarray, "n t"]:
    """Missing steps on the straight line between their neighbours, the nearest known value at the ends."""
    steps = np.arange(ndvi.shape[1])
    return np.stack([np.interp(steps, steps[np.isfinite(row)], row[np.isfinite(row)]) for row in ndvi])


def most_frequent(fields: Fields, seed: int) -> Callable[[Fields], np.ndarray]:
    """The commonest class of the training fields."""
    return lambda asked: np.full(len(asked.label), np.bincount(fields.label).argmax())


def forest(fields: Fields, seed: int) -> Callable[[Fields], np.ndarray]:
    """Random forest on the 23 interpolated steps."""
    model = RandomForestClassifier(200, class_weight="balanced_subsample", n_jobs=1, random_state=seed)
    model.fit(interpolate(fields.ndvi), fields.label)
    return lambda asked: model.predict(interpolate(asked.ndvi))


def forest_of_gaps(fields: Fields, seed: int) -> Callable[[Fields], np.ndarray]:
    """The same, trained on each series as it is and with 30 and 60 % of its steps missing."""
    parts = [hide(fields, share, 100 + seed) for share in MISSING]
    ndvi = np.concatenate([part.ndvi for part in parts])
    return forest(Fields(ndvi=ndvi, days=np.tile(fields.days, (3, 1)), label=np.tile(fields.label, 3)), seed)


def nearest_by_dtw(fields: Fields, seed: int, *, neighbours: int = 5, band: int = 2) -> Callable[[Fields], np.ndarray]:
    """k nearest neighbours under dynamic time warping of the interpolated steps, `band` steps to either side."""
    known = interpolate(fields.ndvi).astype(np.float32)

    def classes(asked: Fields) -> np.ndarray:
        found = []
        for row in interpolate(asked.ndvi).astype(np.float32):
            nearest = np.argpartition(warped_distance(row, known, band), neighbours)[:neighbours]
            found.append(np.bincount(fields.label[nearest], minlength=len(NAMES)).argmax())
        return np.array(found)

    return classes


def warped_distance(
    row: Float[np.ndarray, " t"], known: Float[np.ndarray, "n t"], band: int
) -> Float[np.ndarray, " n"]:
    """Squared distance along the best warping path inside a Sakoe-Chiba band, to each known series."""
    t = len(row)
    steps = np.ascontiguousarray(known.T)
    before = np.full((t + 1, len(known)), np.inf, np.float32)
    before[0] = 0
    for i in range(t):
        now = np.full_like(before, np.inf)
        for j in range(max(0, i - band), min(t, i + band + 1)):
            now[j + 1] = (steps[j] - row[i]) ** 2 + np.minimum(np.minimum(before[j + 1], now[j]), before[j])
        before = now
    return before[t]


BASELINE_MODELS: Mapping[str, tuple[Callable[..., Any], int]] = {
    "most frequent class": (most_frequent, 1),
    "random forest, interpolated": (forest, 5),
    "random forest, interpolated, trained with gaps": (forest_of_gaps, 3),
    "kNN, dynamic time warping, interpolated": (nearest_by_dtw, 1),
}
