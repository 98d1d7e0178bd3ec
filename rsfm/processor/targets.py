"""Scales of numbers of one's own, fitted on the training split.   n values

A value head predicts standardized numbers, about -2 to 2: a number in tonnes a hectare has to be brought there, or the
head learns nothing else than how large it is.
"""

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri

from rsfm.errors import UserError
from rsfm.quantities import Quantity, find, sentence
from rsfm.types import Value

MOST_RECORDS = 5000  # read to fit a scale
SKEWED, FEWEST = 1.0, 20  # skewness from which, and values with which, other scales than the plain one are tried
BETTER = 0.05  # nats a value by which another scale has to fit better on the values held out
KNOTS = 17
HELD_OUT = 4  # every so many-th value, where there is no validation split
_DATED = re.compile(r" on \d{4}-\d\d-\d\d$")  # of a forecast's value: "NDVI on 2021-06-01"


def label_values(records: Any, most: int = MOST_RECORDS) -> dict[tuple[str, str], Float[np.ndarray, " n"]]:
    """The numbers among the labels of a data set, by name in lower case and unit.

    Args:
        records: a data set; its `label_values(i)` is read where it has one, else whole records.
        most: records read; of more, ones spread over all.
    """
    of_record = getattr(records, "label_values", None) or (lambda i: records[i].values)
    found: dict[tuple[str, str], list[float]] = {}
    for i in np.unique(np.linspace(0, len(records) - 1, min(len(records), most)).astype(int)).tolist():
        values: Sequence[Value] = of_record(i)
        for value in values:
            if np.isfinite(value.value):
                name = _DATED.sub("", value.name).lower()
                found.setdefault((name, value.unit), []).append(value.value)
    return {key: np.asarray(values) for key, values in found.items()}


def fitted(
    quantities: tuple[Quantity, ...], train: Any, held_out: Any | None = None
) -> tuple[tuple[Quantity, ...], tuple[str, ...]]:
    """The quantities with one for each number of the training labels, and a line about each that is new.

    A quantity that the checkpoint knows stays where the labels lie on its scale, so that what was learnt stays too.

    Args:
        quantities: of the checkpoint.
        train: data set to train on.
        held_out: data set that chooses between scales; None = a part of the training labels does.

    Raises:
        UserError: the labels of one name have two units.
    """
    notes: list[str] = []
    other = {} if held_out is None else label_values(held_out)
    known = label_values(train)
    for (name, unit), values in known.items():
        units = sorted(u for n, u in known if n == name)
        if len(units) > 1:
            raise UserError(f"{name}: the labels have it in '{units[0]}' and in '{units[1]}'. Give it one unit.")
        before = find(quantities, sentence(name, unit), unit)
        if _fits(before, values):
            continue
        new = fit_quantity(name, unit, values, other.get((name, unit)))
        quantities = (*(q for q in quantities if (q.name.lower(), q.unit) != (name, unit)), _with_map(new, before))
        notes.append(describe(new, len(values)))
    return quantities, tuple(notes)


def fit_quantity(
    name: str, unit: str, values: Float[np.ndarray, " n"], held_out: Float[np.ndarray, " m"] | None = None
) -> Quantity:
    """The scale that makes the numbers most like a standard normal: plain, or for skewed ones a logarithm or quantiles.

    Which of them is decided by the likelihood of numbers that it was not fitted on.
    """
    plain = _plain(name, unit, values)
    fit, choose = values, held_out
    if choose is None or len(choose) < FEWEST // 2:
        ranked = np.sort(values)
        choose, fit = ranked[::HELD_OUT], np.delete(ranked, np.s_[::HELD_OUT])
    if len(values) < FEWEST or abs(_skewness(values)) < SKEWED:
        return plain
    best: Callable[[str, str, np.ndarray], Quantity | None] = _plain
    for make in (_logarithmic, _quantiles):
        candidate = make(name, unit, fit)
        if (
            candidate is not None
            and _likelihood(candidate, choose) > _likelihood(best(name, unit, fit) or plain, choose) + BETTER
        ):
            best = make
    return best(name, unit, values) or plain


def describe(quantity: Quantity, count: int) -> str:
    """How a number is standardized, in words."""
    if quantity.knots:
        how = f"by {len(quantity.knots)} quantiles, which fit its skew best on values held out"
    elif quantity.logarithmic:
        how = "by its logarithm, which fits its skew best on values held out"
    else:
        how = f"by its mean {quantity.center:.4g} and deviation {quantity.scale:.4g}"
    return f"{quantity.name} [{quantity.unit}]: standardized {how} ({count} training labels)"


def _fits(quantity: Quantity, values: Float[np.ndarray, " n"]) -> bool:
    """Whether the numbers lie on the scale of a quantity that was fitted or is meant for all of its unit."""
    if (quantity.center, quantity.scale) == (0.0, 1.0) and not quantity.name:
        return False
    z = np.array([quantity.standardize(v) for v in values])
    alike = len(np.unique(values)) == 1
    return bool(abs(np.median(z)) < 2 and np.abs(z).max() < 6 and (alike or 0.25 < z.std() < 3))


def _with_map(new: Quantity, before: Quantity) -> Quantity:
    """A quantity that is mapped pixel by pixel stays mapped."""
    same = before.name.lower() == new.name and before.unit == new.unit
    return dataclasses.replace(new, map_edges=before.map_edges) if same else new


def _plain(name: str, unit: str, values: Float[np.ndarray, " n"]) -> Quantity:
    spread = float(values.std()) or abs(float(values.mean())) or 1.0
    return Quantity(name=name, unit=unit, center=float(values.mean()), scale=spread)


def _logarithmic(name: str, unit: str, values: Float[np.ndarray, " n"]) -> Quantity | None:
    if values.min() < 0:
        return None
    logs = np.log1p(values)
    return Quantity(
        name=name, unit=unit, center=float(logs.mean()), scale=float(logs.std()) or 1.0, logarithmic=True, lowest=0.0
    )


def _quantiles(name: str, unit: str, values: Float[np.ndarray, " n"]) -> Quantity | None:
    """Values at evenly spread shares against those of a standard normal; a value that has many shares gets their middle."""
    shares = (np.arange(KNOTS) + 0.5) / KNOTS
    at = np.quantile(values, shares)
    distinct, place = np.unique(at, return_inverse=True)
    if len(distinct) < 3:
        return None
    scores = np.array([ndtri(shares[place == i].mean()) for i in range(len(distinct))])
    knots = tuple((float(v), float(z)) for v, z in zip(distinct, scores, strict=True))
    lowest = 0.0 if values.min() >= 0 else None
    return Quantity(name=name, unit=unit, center=0.0, scale=1.0, knots=knots, lowest=lowest)


def _skewness(values: Float[np.ndarray, " n"]) -> float:
    centred = values - values.mean()
    return float((centred**3).mean() / max(centred.std() ** 3, 1e-30))


def _likelihood(quantity: Quantity, values: Float[np.ndarray, " n"]) -> float:
    """Mean logarithm of the density that a standard normal, brought back to the values' unit, has at them."""
    step = 1e-3 * (float(np.ptp(values)) or 1.0)
    z, low, high = (np.array([quantity.standardize(v + s) for v in values]) for s in (0.0, -step, step))
    slope = np.maximum((high - low) / (2 * step), 1e-12)
    return float(np.mean(-0.5 * z**2 + np.log(slope)))
