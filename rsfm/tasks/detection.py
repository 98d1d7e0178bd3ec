"""Detection: the things of a class, each as an upright or turned box of the box head at the `<box>` behind the class's name.

n records
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from rsfm import metrics as scores
from rsfm.heads import BoxHead
from rsfm.metrics.boxes import MOST_GIVEN, detection_row
from rsfm.quantities import Quantity
from rsfm.tasks.counting import counts
from rsfm.tasks.dialogue import Dialogue, pick, plain, plural
from rsfm.tasks.plan import Plan
from rsfm.tasks.vocabularies import absent
from rsfm.types import Answer, Boxes, Record

BOX = BoxHead.token
ONE = (
    "Where are the {names}?",
    "Mark the {names}.",
    "Detect the {names}.",
    "Find all {names}.",
    "Draw boxes around the {names}.",
)
SEVERAL = ("Mark these things: {names}.", "Detect: {names}.", "Find all of these: {names}.")


class Detection:
    """Asks for the boxes of one class or several; at times for one that is not there.

    Attributes:
        several: share of the training questions about more than one class, where there are more.
        missing: share about a class that the labels' vocabulary has and the picture has not.
    """

    name = "detection"
    opens = BOX

    def __init__(self, *, several: float = 0.3, missing: float = 0.15) -> None:
        self.several, self.missing = several, missing
        self.metrics: Mapping[str, scores.Metric] = scores.DETECTION_METRICS
        self.higher_is_better: Mapping[str, bool] = scores.DETECTION_BETTER

    def dialogue(self, record: Record, rng: np.random.Generator) -> Dialogue | None:
        """As in "ship <box> harbor <box>"; None without a box."""
        there = self.subjects(record)
        if record.boxes is None or there is None:
            return None
        nowhere = absent(there)
        if nowhere and rng.random() < self.missing:
            chosen = [pick(nowhere, rng)]
        elif len(there) > 1 and rng.random() < self.several:
            most = min(len(there), BoxHead.slots)
            chosen = [there[int(i)] for i in rng.permutation(len(there))[: int(rng.integers(2, most + 1))]]
        else:
            chosen = [pick(there, rng)]
        question, answer = detection_turn(chosen, pick(ONE if len(chosen) == 1 else SEVERAL, rng))
        return Dialogue(turns=((question, answer),), spans=tuple(named(record.boxes, name) for name in chosen))

    def subjects(self, record: Record) -> tuple[str, ...] | None:
        """The classes that have boxes, in order of their names."""
        return tuple(sorted(set(map(plain, record.boxes.labels)))) or None if record.boxes is not None else None

    def question(self, record: Record) -> str:
        """Asks for the most frequent class."""
        name = _frequent(record)
        return ONE[0].format(names="objects" if name is None else plural(name))

    def plan(self, known: Sequence[str], wanted: Sequence[str], quantities: Sequence[Quantity]) -> Plan:
        """The classes that are wanted; the boxes of one do not hang on what else was taught."""
        asked, answer = detection_turn(wanted)
        return Plan(legend=tuple(wanted), asked=asked, answer=answer)

    def statistics(self, record: Record, answer: Answer) -> Float[np.ndarray, "n _"]:
        """How the boxes of the most frequent class fit, see `rsfm.metrics.boxes.detection_row`.

        The ranking is that of all boxes the head made, the count that of those it gives; boxes without scores are all as sure.
        """
        name = _frequent(record)
        if record.boxes is None or name is None:
            return np.zeros((0, 4 + 2 * MOST_GIVEN))
        wanted = named(record.boxes, name)
        given = answer.parts.get("box", answer.boxes) or Boxes(corners=np.zeros((0, 4, 2)), labels=())
        sure = np.ones(len(given.corners)) if given.scores is None else np.asarray(given.scores, float)
        count = answer.values[0].value if answer.values else float(len(given.corners))
        return detection_row(wanted.corners, given.corners, sure, count)[None]


def detection_turn(names: Sequence[str], wording: str = "") -> tuple[str, str]:
    """Question and answer, in training and in prediction.

    >>> detection_turn(("ship",))
    ('Where are the ships?', 'ship <box>')
    """
    wording = wording or (ONE if len(names) == 1 else SEVERAL)[0]
    return wording.format(names=", ".join(map(plural, names))), " ".join(f"{name} {BOX}" for name in names)


def named(boxes: Boxes, name: str) -> Boxes:
    """The boxes of a class by its plain name."""
    chosen = [i for i, label in enumerate(boxes.labels) if plain(label) == name]
    return Boxes(corners=boxes.corners[chosen], labels=tuple(boxes.labels[i] for i in chosen))


def _frequent(record: Record) -> str | None:
    """The class with most boxes, then the first by name; without a box that of a count of none; None without either."""
    if record.boxes is None:
        return None
    known = Counter(map(plain, record.boxes.labels))
    none_of = [value.name for value in counts(record)]
    return min(known, key=lambda name: (-known[name], name)) if known else next(iter(none_of), None)
