"""Change between the dates of a place: what changed gets a `<mask>` in the answer, and nothing does where nothing changed.

h w pixels · n blocks
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from rsfm import metrics as scores
from rsfm.errors import UserError
from rsfm.quantities import Quantity
from rsfm.tasks.dialogue import MASK, Dialogue, pick, plain, regions
from rsfm.tasks.facts import NOTABLE, labelled_share, unchanged
from rsfm.tasks.plan import Plan
from rsfm.tasks.segmentation import blocks, map_question
from rsfm.tasks.wordings import CHANGED
from rsfm.types import OTHER, Answer, Mask, Record

COUNTS = ("hit", "false alarm", "miss", "rest")  # pixels of a block, in the order of the rows of `statistics`


class Change:
    """Asks for a map of what changed, of records whose legend has a "no change" beside other classes; at times only whether.

    Attributes:
        whether: share of the training questions that ask whether anything changed; "yes" comes with the mask.
    """

    name = "change"
    opens = MASK
    higher_is_better: Mapping[str, bool] = dict.fromkeys(
        ("f1", "iou", "precision", "recall", "overall_accuracy", "kappa"), True
    )

    def __init__(self, *, whether: float = 0.2) -> None:
        self.whether = whether
        self.metrics: Mapping[str, scores.Metric] = {
            "f1": lambda rows: _ratio(rows, lambda hit, alarm, miss, _: (2 * hit, 2 * hit + alarm + miss)),
            "iou": lambda rows: _ratio(rows, lambda hit, alarm, miss, _: (hit, hit + alarm + miss)),
            "precision": lambda rows: _ratio(rows, lambda hit, alarm, miss, _: (hit, hit + alarm)),
            "recall": lambda rows: _ratio(rows, lambda hit, alarm, miss, _: (hit, hit + miss)),
            "overall_accuracy": lambda rows: scores.overall_accuracy(_confusion(rows)),
            "kappa": lambda rows: scores.kappa(_confusion(rows)),
        }

    def dialogue(self, record: Record, rng: np.random.Generator) -> Dialogue | None:
        """As in "building change <mask>", or "no building change."; None without a label or a second acquisition."""
        mask = change_mask(record)
        if mask is None or acquisitions(record) < 2 or not (mask.class_index != -1).any():
            return None
        answer = _masks(mask.legend)
        if rng.random() >= self.whether or labelled_share(record) < 1:
            return Dialogue(turns=((map_question(mask.legend), answer),), spans=regions(mask))
        share = float((mask.class_index >= 0).mean())
        if share == 0:
            return Dialogue(turns=((pick(CHANGED, rng), f"no {' or '.join(mask.legend)}."),))
        question = pick(CHANGED, rng) if share >= NOTABLE else map_question(mask.legend)
        return Dialogue(turns=((question, answer),), spans=regions(mask))

    def subjects(self, record: Record) -> tuple[str, ...] | None:
        """What may have changed: the legend without "no change"."""
        mask = change_mask(record)
        return None if mask is None else mask.legend

    def question(self, record: Record) -> str:
        """Asks for the map of all that may have changed."""
        mask = change_mask(record)
        return map_question(mask.legend if mask else ("change",))

    def plan(self, known: Sequence[str], wanted: Sequence[str], quantities: Sequence[Quantity]) -> Plan:
        """All that was taught to change together, whichever of it is wanted."""
        return Plan(legend=tuple(known), asked=map_question(known), answer=_masks(known), compares=True)

    def statistics(self, record: Record, answer: Answer) -> Float[np.ndarray, "n 4"]:
        """Labelled pixels of each block by COUNTS, all changes taken together; without a map every pixel is wrong."""
        mask = change_mask(record)
        if mask is None:
            return np.zeros((0, len(COUNTS)))
        known, truth = mask.class_index != -1, mask.class_index >= 0
        guess = ~truth if answer.mask is None else changed(answer.mask)
        assert guess.shape == truth.shape, f"the answer's mask is {guess.shape}, the record's {truth.shape}"
        rows = [
            [float((here & known[block]).sum()) for here in _outcomes(truth[block], guess[block])]
            for block in blocks(*truth.shape)
            if known[block].any()
        ]
        return np.array(rows).reshape(-1, len(COUNTS))


def change_mask(record: Record) -> Mask | None:
    """The record's mask with what changed as its legend: OTHER where nothing did, -1 where that is unlabelled.

    None for a legend without a class "no ..." beside others.
    """
    if record.mask is None or not (still := unchanged(record.mask)):
        return None
    legend = [i for i in range(len(record.mask.legend)) if i not in still]
    table = np.full(len(record.mask.legend) + 1, OTHER, np.int64)
    table[legend] = np.arange(len(legend))
    table[-1] = -1  # class_index -1 reads the last entry
    names = tuple(plain(record.mask.legend[i]) for i in legend)
    return Mask(class_index=table[record.mask.class_index], legend=names)


def changed(mask: Mask) -> Bool[np.ndarray, "h w"]:
    """Pixels of a class that is no "no change"."""
    still = [i for i, name in enumerate(mask.legend) if plain(name).startswith("no ")]
    return (mask.class_index >= 0) & ~np.isin(mask.class_index, still)


def acquisitions(record: Record) -> int:
    """How many pictures there are, of all sensors and dates."""
    return sum(int(np.shape(each.values)[-4]) for each in record.observations.values())


def check_acquisitions(question: str, record: Record) -> None:
    """Raises UserError where there is nothing to compare with."""
    if acquisitions(record) < 2:
        raise UserError(
            f"'{question}' compares pictures of one place: expected at least two, found {acquisitions(record)}. "
            "Name the other date's file, too."
        )


def _masks(legend: Sequence[str]) -> str:
    return " ".join(f"{name} {MASK}" for name in legend)


def _outcomes(truth: Bool[np.ndarray, "h w"], guess: Bool[np.ndarray, "h w"]) -> tuple[Bool[np.ndarray, "h w"], ...]:
    return truth & guess, ~truth & guess, truth & ~guess, ~truth & ~guess


def _ratio(rows: Float[np.ndarray, "n 4"], parts: Callable[..., tuple[float, float]]) -> float:
    over, under = parts(*rows.sum(0))
    return float(over / under) if under else float("nan")


def _confusion(rows: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "2 2"]:
    hit, alarm, miss, rest = rows.sum(0)
    return np.array([[rest, alarm], [miss, hit]])
