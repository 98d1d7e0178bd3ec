"""Measures on labelled places that were not trained on how far answers are to be trusted: intervals, and when yes is yes.

p pairs of place and class · n records · m names
"""

import copy
import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from rsfm.answer.session import Session
from rsfm.errors import UserError
from rsfm.metrics.calibration import conformal_quantile
from rsfm.models.foundation import FoundationModel
from rsfm.processor import Processor
from rsfm.processor.calibration import Gate, MapCalibration, ShareBand, logit
from rsfm.tasks.dialogue import plain
from rsfm.tasks.facts import NOTABLE
from rsfm.types import Record

LEAST = 20  # pairs of a band: fewer cannot promise 95 % on each side
SIDE = 0.95  # coverage of each end, so that both together hold nine tenths
EDGES = (0.02, 0.15, 0.5, 1.0)  # shares of the map that have bands of their own


@dataclasses.dataclass(frozen=True, kw_only=True)
class SharePair:
    """A class of a place.

    Attributes:
        place: name of the place.
        name: of the class.
        mapped: its share of the labelled pixels in the map.
        true: its share of them in the labels.
    """

    place: str
    name: str
    mapped: float
    true: float


def share_pairs(
    model: FoundationModel,
    processor: Processor,
    places: Iterable[tuple[str, Record]],
    names: Mapping[str, str] | None = None,
) -> list[SharePair]:
    """Maps labelled records as a user would and compares shares of every class of the legend.

    Args:
        model: weights.
        processor: of the same checkpoint.
        places: name of the place and a record with a mask, one record a place: pictures of one place are no two witnesses.
        names: classes of the labels in the words of the legend; pixels of any other class count as unlabelled.
    """
    pairs = []
    for place, record in places:
        if record.mask is None:
            continue
        session = Session(model, processor, dataclasses.replace(record, mask=None))
        answer = session.map()
        if answer.mask is None:
            raise UserError(f"{record.id}: {answer.text}")
        legend = answer.mask.legend
        said = [plain(name) for name in record.mask.legend]
        table = np.array([_index(legend, (names or {}).get(name, name)) for name in said] + [-1])
        truth, found = table[record.mask.class_index], answer.mask.class_index
        known = (truth >= 0) & (found >= 0)
        if not known.any():
            continue
        for i, name in enumerate(legend):
            mapped, true = float((found[known] == i).mean()), float((truth[known] == i).mean())
            pairs.append(SharePair(place=place, name=name, mapped=mapped, true=true))
    return pairs


def fit_map(pairs: Sequence[SharePair], *, source: str = "") -> MapCalibration:
    """Bands of intervals and the share that counts as presence.

    Bands are measured on classes that are there, in the map or in truth: the many that are in neither would make any
    interval hold. A band that has too few pairs is widened by the next; where all together are too few there is none.
    """
    bands, waiting = [], list[SharePair]()
    there = [pair for pair in pairs if max(pair.mapped, pair.true) >= NOTABLE]
    for low, high in zip((-1.0, *EDGES[:-1]), EDGES, strict=True):
        waiting += [pair for pair in there if low < pair.mapped <= high]
        if len(waiting) >= LEAST:
            bands.append(_band(waiting, high))
            waiting = []
    if waiting and bands:  # the last ones join the band below
        below = bands[-2].up_to if len(bands) > 1 else -1.0
        bands[-1] = _band([pair for pair in there if pair.mapped > below], EDGES[-1])
    places = len({pair.place for pair in pairs})
    return MapCalibration(places=places, bands=tuple(bands), present=_present(pairs), source=source)


def _band(pairs: Sequence[SharePair], up_to: float) -> ShareBand:
    off = np.array([logit(pair.true) - logit(pair.mapped) for pair in pairs])
    below, above = max(conformal_quantile(-off, SIDE), 0.0), max(conformal_quantile(off, SIDE), 0.0)
    return ShareBand(up_to=up_to, below=below, above=above, n=len(pairs))


def _present(pairs: Sequence[SharePair]) -> float:
    """The share of the map that tells best, in balanced accuracy, whether a class is notably there."""
    truth = np.array([pair.true >= NOTABLE for pair in pairs])
    mapped = np.array([pair.mapped for pair in pairs])
    if truth.all() or not truth.any():
        return NOTABLE
    choices = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
    return max(choices, key=lambda least: (balanced_accuracy(truth, mapped >= least), -abs(least - NOTABLE)))


def balanced_accuracy(truth: np.ndarray, found: np.ndarray) -> float:
    """Mean of the shares of yes and of no that are right."""
    return float((found[truth].mean() + (~found[~truth]).mean()) / 2)


def fit_gate(scores: Float[np.ndarray, "n m"], right: Sequence[int], *, source: str = "") -> Gate:
    """Temperature of the likeliest probabilities, and the probability from which a name is a yes.

    Args:
        scores: log likelihood of each name.
        right: index of the true name.
    """
    truth = np.asarray(right)
    rows = np.arange(len(truth))

    def log_probability(temperature: float) -> np.ndarray:
        scaled = scores / temperature
        scaled = scaled - scaled.max(1, keepdims=True)
        return scaled - np.log(np.exp(scaled).sum(1, keepdims=True))

    grid = np.geomspace(0.25, 8, 41)
    temperature = float(max(grid, key=lambda t: log_probability(t)[rows, truth].mean()))
    chance = np.exp(log_probability(temperature))
    is_it = np.zeros(chance.shape, bool)
    is_it[rows, truth] = True
    choices = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
    present = max(choices, key=lambda least: balanced_accuracy(is_it.reshape(-1), chance.reshape(-1) >= least))
    return Gate(temperature=temperature, least=0.5, present=present, n=len(truth), source=source)


def trusted(processor: Processor, *, maps: Mapping[str, MapCalibration], gates: Mapping[str, Gate]) -> Processor:
    """The processor with what was measured, beside what it had."""
    made, config = copy.copy(processor), processor.config
    made.config = dataclasses.replace(config, maps={**config.maps, **maps}, gates={**config.gates, **gates})
    return made


def _index(legend: Sequence[str], name: str) -> int:
    return legend.index(name) if name in legend else -1
