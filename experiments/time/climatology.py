"""A pixel's clear dates, what is asked of them, and the forecasts that learn nothing: persistence, climatology, its mixture.

p pixels · a acquisitions · n examples · q dates ahead
"""

import dataclasses
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from rsfm.data.datasets.eolearn import LEADS, EoLearn

YEAR = 365.2425
STEP = 3  # pixels between those used, in both directions
BLOCK = 10  # pixels: edge of the units of the interval


@dataclasses.dataclass(frozen=True, kw_only=True)
class Series:
    """The clear dates of each pixel, in order and padded. NaN = padding."""

    ndvi: Float[np.ndarray, "p a"]
    days: Float[np.ndarray, "p a"]
    block: Int[np.ndarray, " p"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Examples:
    """A pixel, the number of its last clear date seen, and the lead (1 to 5 clear dates): all that is scored.

    `wanted` (n q): NDVI at each lead, NaN where that date is outside the period.
    """

    pixel: Int[np.ndarray, " n"]
    last: Int[np.ndarray, " n"]
    wanted: Float[np.ndarray, "n q"]
    ahead: Float[np.ndarray, "n q"]  # days since 2000


def read(root: Path, step: int = STEP) -> Series:
    """Every `step`-th pixel of the patch."""
    patch = EoLearn(root, "series_train")
    rows, columns = patch.cover.shape
    where = [(r, c) for r in range(0, rows, step) for c in range(0, columns, step)]
    most = int((patch.cloud == 0).sum(0).max())
    ndvi, days = (np.full((len(where), most), np.nan) for _ in range(2))
    for i, (r, c) in enumerate(where):
        clear = np.flatnonzero(patch.cloud[:, r, c] == 0)
        ndvi[i, : len(clear)], days[i, : len(clear)] = patch.ndvi[clear, r, c], patch.days[clear]
    block = np.array([r // BLOCK * 100 + c // BLOCK for r, c in where])
    return Series(ndvi=ndvi, days=days, block=block)


def examples(series: Series, first: float, end: float) -> Examples:
    """Every pixel and clear date with one of its next five clear dates in [first, end)."""
    pixels, last, wanted, ahead = [], [], [], []
    padded = [np.pad(x, ((0, 0), (0, LEADS)), constant_values=np.nan) for x in (series.ndvi, series.days)]
    for k in range(1, series.ndvi.shape[1]):
        ndvi, days = (x[:, k + 1 : k + 1 + LEADS] for x in padded)
        inside = (days >= first) & (days < end)
        chosen = np.flatnonzero(inside.any(1))
        pixels.append(chosen)
        last.append(np.full(len(chosen), k))
        wanted.append(np.where(inside, ndvi, np.nan)[chosen])
        ahead.append(days[chosen])
    return Examples(
        pixel=np.concatenate(pixels),
        last=np.concatenate(last),
        wanted=np.concatenate(wanted),
        ahead=np.concatenate(ahead),
    )


def persistence(series: Series, asked: Examples) -> Float[np.ndarray, "n q"]:
    """The last clear value."""
    return np.repeat(series.ndvi[asked.pixel, asked.last][:, None], LEADS, 1)


def climatology(series: Series, asked: Examples, end: float, width: float) -> Float[np.ndarray, "n q"]:
    """The pixel's mean over the training period, weighted by nearness in the year (a Gaussian of `width` days)."""
    known = series.days < end
    ndvi, days = (np.where(known, x, 0.0)[asked.pixel] for x in (series.ndvi, series.days))
    out = np.zeros(asked.ahead.shape)
    for q in range(LEADS):
        apart = np.abs((days - asked.ahead[:, q, None] + YEAR / 2) % YEAR - YEAR / 2)
        weight = (np.exp(-0.5 * np.square(apart / width)) + 1e-9) * known[asked.pixel]
        out[:, q] = (weight * ndvi).sum(1) / weight.sum(1)
    return out


def damped(series: Series, known: Examples, asked: Examples, end: float, width: float) -> Float[np.ndarray, "n q"]:
    """Climatology plus a share of the last value's departure from it, fitted by least squares for each lead."""

    def parts(some: Examples) -> tuple[np.ndarray, np.ndarray]:
        now = dataclasses.replace(some, ahead=np.repeat(series.days[some.pixel, some.last][:, None], LEADS, 1))
        departure = persistence(series, some) - climatology(series, now, end, width)
        return climatology(series, some, end, width), departure

    (base, departure), (asked_base, asked_departure) = parts(known), parts(asked)
    rest = np.where(np.isfinite(known.wanted), known.wanted - base, 0.0)
    share = (rest * departure).sum(0) / (np.isfinite(known.wanted) * departure**2).sum(0)
    return asked_base + share * asked_departure
