"""Segmentation: the classes asked for are named in the question, and each gets a `<mask>` in the answer.  m classes"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from rsfm import metrics as scores
from rsfm.quantities import Quantity
from rsfm.tasks.dialogue import MASK, Dialogue, pick, plain, regions
from rsfm.tasks.plan import Plan
from rsfm.tasks.vocabularies import UNIONS
from rsfm.types import OTHER, Answer, Mask, Record

ALL = ("Map the land cover: {names}.", "Segment the land cover: {names}.", "Draw a map of these classes: {names}.")
SOME = ("Map the {names}.", "Where is the {names}?", "Segment the {names}.")
BLOCK = 56  # edge in pixels of the units of the interval: neighbouring pixels are not independent


class Segmentation:
    """Asks for a map of the legend; in training at times for a part of it.

    Attributes:
        subset: share of the training questions that ask for some of the classes.
        single: share that ask for one class.
    """

    name = "segmentation"
    opens = MASK
    higher_is_better: Mapping[str, bool] = dict.fromkeys(("miou", "overall_accuracy", "class_accuracy", "kappa"), True)

    def __init__(self, *, subset: float = 0.15, single: float = 0.15) -> None:
        self.subset, self.single = subset, single
        self.metrics: Mapping[str, scores.Metric] = {
            "miou": _of_total(scores.mean_iou),
            "overall_accuracy": _of_total(scores.overall_accuracy),
            "class_accuracy": _of_total(scores.mean_class_accuracy),
            "kappa": _of_total(scores.kappa),
        }

    def dialogue(self, record: Record, rng: np.random.Generator) -> Dialogue | None:
        """As in "water <mask> trees <mask> crops <mask>"; None without a labelled pixel (a crop may lose them)."""
        if record.mask is None or not (record.mask.class_index >= 0).any():
            return None
        legend, draw = record.mask.legend, rng.random()
        if len(legend) > 1 and draw < self.single:
            return _ask(record.mask, [_one_class(record.mask, rng)], SOME, rng)
        if len(legend) > 2 and draw < self.single + self.subset:
            chosen = rng.choice(len(legend), size=int(rng.integers(2, len(legend))), replace=False)
            return _ask(record.mask, [int(i) for i in chosen], ALL, rng)
        return _ask(record.mask, range(len(legend)), ALL if len(legend) > 1 else SOME, rng)

    def subjects(self, record: Record) -> tuple[str, ...] | None:
        """The legend, in its order."""
        return None if record.mask is None else tuple(map(plain, record.mask.legend))

    def question(self, record: Record) -> str:
        """Asks for the full legend, in its order."""
        return map_question(record.mask.legend if record.mask else ())

    def plan(self, known: Sequence[str], wanted: Sequence[str], quantities: Sequence[Quantity]) -> Plan:
        """The whole legend, whichever classes are wanted: one map of a scene answers all questions about its classes."""
        return Plan(legend=tuple(known), asked=map_question(known), answer=_masks(known))

    def statistics(self, record: Record, answer: Answer) -> Float[np.ndarray, "n k"]:
        """One flattened confusion matrix a block; its last row and column stand for "none of the legend"."""
        if record.mask is None:
            return np.zeros((0, 1))
        truth, side = record.mask.class_index, len(record.mask.legend) + 1
        guess = _in_legend(answer.mask, record.mask)
        rows = [
            scores.confusion_matrix(truth[block], guess[block], side).reshape(-1)
            for block in blocks(*truth.shape)
            if (truth[block] >= 0).any()
        ]
        return np.stack(rows).astype(np.float64) if rows else np.zeros((0, side * side))


def map_question(legend: Sequence[str]) -> str:
    """The question for a map of these classes, worded as in training, where they are always named."""
    wording = ALL if len(legend) > 1 else SOME
    return wording[0].format(names=", ".join(map(plain, legend)))


def _of_total(score: Callable[[np.ndarray], float]) -> scores.Metric:
    def metric(rows: np.ndarray) -> float:
        side = round(rows.shape[1] ** 0.5)
        return score(rows.sum(0).reshape(side, side))

    return metric


def _ask(mask: Mask, chosen: Sequence[int], questions: Sequence[str], rng: np.random.Generator) -> Dialogue:
    """The dialogue that asks for `chosen` entries of the legend, in that order."""
    names = [plain(mask.legend[i]) for i in chosen]
    slot = np.full(len(mask.legend), OTHER, dtype=np.int32)
    slot[list(chosen)] = np.arange(len(chosen))
    either = tuple(tuple(sorted({int(slot[i]) for i in classes})) for classes in mask.either)
    slot = np.concatenate([slot, len(names) + np.arange(len(either)), [-1]])  # class_index -1 reads the last entry
    question = pick(questions, rng).format(names=", ".join(names))
    asked = Mask(class_index=slot[mask.class_index], legend=tuple(names), either=either)
    return Dialogue(turns=((question, _masks(names)),), spans=regions(asked))


def _masks(names: Sequence[str]) -> str:
    return " ".join(f"{name} {MASK}" for name in names)


def _one_class(mask: Mask, rng: np.random.Generator) -> int:
    """A class to ask for alone: mostly one that is there, at times any."""
    present = np.unique(mask.class_index[(mask.class_index >= 0) & (mask.class_index < len(mask.legend))])
    if not len(present):
        return int(rng.integers(len(mask.legend)))
    return pick(present.tolist(), rng) if rng.random() < 0.8 else int(rng.integers(len(mask.legend)))


def _in_legend(found: Mask | None, wanted: Mask) -> Int[np.ndarray, "h w"]:
    """The found classes counted in the wanted legend; len(legend) where the pixel got none of it."""
    none = len(wanted.legend)
    shape = wanted.class_index.shape
    if found is None:
        return np.full(shape, none)
    assert found.class_index.shape == shape, f"the answer's mask is {found.class_index.shape}, the record's {shape}"
    index = {plain(name): i for i, name in enumerate(wanted.legend)}
    index = {part: i for name, i in index.items() for part in UNIONS.get(name, ())} | index
    table = np.array([index.get(plain(name), none) for name in found.legend] + [none])
    return table[np.where(found.class_index < 0, len(found.legend), found.class_index)]


def blocks(height: int, width: int) -> list[tuple[slice, slice]]:
    """Blocks of about BLOCK x BLOCK pixels that tile the picture."""
    rows, columns = (np.linspace(0, n, max(1, round(n / BLOCK)) + 1).astype(int) for n in (height, width))
    return [
        (slice(top, bottom), slice(left, right))
        for top, bottom in zip(rows[:-1], rows[1:], strict=True)
        for left, right in zip(columns[:-1], columns[1:], strict=True)
    ]
