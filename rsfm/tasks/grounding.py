"""Grounding in words: where the things of a class are, as boxes in the text of the answer.  n m boxes"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from rsfm import metrics as scores
from rsfm.boxes import decode, encode
from rsfm.tasks import facts
from rsfm.tasks.dialogue import Dialogue, pick, plain, plural
from rsfm.types import Answer, Boxes, Record

CONVENTION = "grid100"  # of rsfm.boxes; upright, and short in tokens
QUESTIONS = (
    "Where are the {names}? Give their boxes.",
    "Locate the {names}.",
    "Give the boxes of all {names}.",
    "Mark all {names} with boxes.",
    "Find the {names} and give their positions as boxes.",
)


class Grounding:
    """Asks for the boxes of a class that has few; boxes come from the labels or are drawn around the parts of a mask.

    An answer is scored by the share of the boxes it finds with half overlap at least (acc@0.5), one box to each.
    """

    name = "grounding"

    def __init__(self) -> None:
        self.metrics: Mapping[str, scores.Metric] = {"acc@0.5": _ratio(1), "precision@0.5": _ratio(2)}
        self.higher_is_better: Mapping[str, bool] = dict.fromkeys(self.metrics, True)

    def dialogue(self, record: Record, rng: np.random.Generator) -> Dialogue | None:
        """As in "{<10><20><30><25>}{<40><20><60><31>}", on a grid of 100 over the picture."""
        found, size = facts.located(record, rng), facts.picture_size(record)
        if found is None or size is None:
            return None
        question = pick(QUESTIONS, rng).format(names=plural(plain(found.labels[0])))
        return Dialogue(turns=((question, encode(found, CONVENTION, size=size)),))

    def subjects(self, record: Record) -> tuple[str, ...] | None:
        """The classes that have boxes."""
        known = facts.known_boxes(record)
        return None if known is None else tuple(dict.fromkeys(map(plain, known.labels)))

    def question(self, record: Record) -> str:
        """The first wording, of the first class that has few boxes."""
        wanted = _first(record)
        return QUESTIONS[0].format(names="objects" if wanted is None else plural(plain(wanted.labels[0])))

    def statistics(self, record: Record, answer: Answer) -> Float[np.ndarray, "n 3"]:
        """[found, wanted, given] boxes."""
        wanted, size = _first(record), facts.picture_size(record)
        if wanted is None or size is None:
            return np.zeros((0, 3))
        return np.array([[float(each) for each in found_boxes(wanted, answer.text, size)]])


def found_boxes(wanted: Boxes, text: str, size: tuple[int, int]) -> tuple[int, int, int]:
    """How many of the wanted boxes a text finds with half overlap, how many are wanted, how many the text gives."""
    # what the convention cannot tell is no mistake of the answer: the wanted boxes are rounded to its grid, too
    wanted = decode(encode(wanted, CONVENTION, size=size), CONVENTION, size=size)
    given = decode(text, CONVENTION, size=size)
    exact = _same(wanted, given)  # boxes thinner than the grid have no area to overlap by
    iou = np.where(exact, 1.0, scores.horizontal_iou(wanted.corners, given.corners))
    return scores.matched(iou, 0.5), len(wanted.corners), len(given.corners)


def _same(left: Boxes, right: Boxes) -> np.ndarray:
    return (np.abs(left.corners[:, None] - right.corners[None]) < 1e-6).all((2, 3))


def _first(record: Record) -> Boxes | None:
    known = facts.known_boxes(record)
    if known is None:
        return None
    few = [label for label in dict.fromkeys(known.labels) if known.labels.count(label) <= facts.MOST_BOXES]
    return facts.of_label(known, few[0]) if few else None


def _ratio(column: int) -> scores.Metric:
    def metric(rows: np.ndarray) -> float:
        total = rows[:, column].sum()
        return float(rows[:, 0].sum() / total) if total else (0.0 if len(rows) else float("nan"))

    return metric
