"""Visual question answering by template: questions answered by a record's labels, or by nobody.

Kinds: presence (mask, tags, boxes, scene), count (boxes), area in hectares (mask), comparison (mask, boxes),
unanswerable, and given (the questions a dataset brings itself).
"""

import itertools
import zlib
from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float

from rsfm import metrics as scores
from rsfm.tasks.counting import Counting
from rsfm.tasks.dialogue import MASK, VALUE, Dialogue, pick, plain, plural, same_words
from rsfm.tasks.vocabularies import absent
from rsfm.types import BAND_CODES, Answer, Observation, Record, Value

CANNOT_BE_TOLD = "This cannot be told from the image."
UNANSWERABLE = (
    "Who owns this land?",
    "How many people live here?",
    "What is written on the signs?",
    "What will be built here next year?",
    "How deep is the ground water?",
    "What is the price of this land?",
    "How old is the oldest building?",
    "Which animals live here?",
)
TOLERANCE = 0.1  # a number counts as right within this share of the truth
LABELLED = 0.95  # of the pixels, for the mask to tell what is not there and how large a thing is
NOTABLE = 0.005  # of the pixels: a class with less is not asked for
CLEAR = 1.2  # ratio from which one class is plainly more than another


class Vqa:
    """Asks one question of a random kind; in evaluation kind and wording are fixed by the record's id."""

    name = "vqa"

    def __init__(self) -> None:
        self.kinds: Mapping[str, Callable[[Record, np.random.Generator], Dialogue | None]] = {
            "presence": _presence,
            "count": Counting().dialogue,
            "area": _area,
            "comparison": _comparison,
            "unanswerable": _unanswerable,
            "given": _given,
        }
        self.metrics: Mapping[str, scores.Metric] = {"accuracy": lambda rows: scores.accuracy(rows[:, 0])} | {
            f"{kind}_accuracy": _of_kind(number) for number, kind in enumerate(self.kinds)
        }
        self.higher_is_better: Mapping[str, bool] = dict.fromkeys(self.metrics, True)

    def dialogue(self, record: Record, rng: np.random.Generator) -> Dialogue | None:
        """A question and its answer; None for a record without labels."""
        asked = self._ask(record, rng)
        return None if asked is None else asked[1]

    def question(self, record: Record) -> str:
        """The question that belongs to the record's id."""
        asked = self._ask(record, _fixed(record))
        return UNANSWERABLE[0] if asked is None else asked[1].turns[0][0]

    def statistics(self, record: Record, answer: Answer) -> Float[np.ndarray, "n 2"]:
        """[correct, kind]."""
        asked = self._ask(record, _fixed(record))
        if asked is None:
            return np.zeros((0, 2))
        number, dialogue = asked
        return np.array([[float(_right(record, dialogue, answer)), float(number)]])

    def _ask(self, record: Record, rng: np.random.Generator) -> tuple[int, Dialogue] | None:
        """(number of the kind, dialogue) of a kind the labels allow."""
        possible = [(number, kind(record, rng)) for number, kind in enumerate(self.kinds.values())]
        known = [(number, dialogue) for number, dialogue in possible if dialogue is not None]
        return pick(known, rng) if known else None


def _fixed(record: Record) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(record.id.encode()))


def _of_kind(number: int) -> scores.Metric:
    return lambda rows: scores.accuracy(rows[rows[:, 1] == number, 0])


def _right(record: Record, dialogue: Dialogue, answer: Answer) -> bool:
    """Whether an answer says what the labels say: numbers within the tolerance, text word for word."""
    question, truth = dialogue.turns[0]
    if dialogue.values:
        wanted = dialogue.values[0]
        # Half an object: counts are whole numbers.
        slack = max(TOLERANCE * abs(wanted.value), 0.5 if wanted.unit == "" else 0.0)
        return bool(answer.values) and abs(answer.values[0].value - wanted.value) <= slack
    given = [turn.answers for turn in record.turns if turn.question == question]
    return any(same_words(answer.text, accepted) for accepted in (given[0] if given else (truth,)))


def _presence(record: Record, rng: np.random.Generator) -> Dialogue | None:
    """Yes and no equally often; None where the labels do not tell what is missing."""
    sides: list[tuple[str, list[str], list[str]]] = []
    shares = _shares(record)
    if shares and _labelled_share(record) >= LABELLED:
        there = [name for name, share in shares.items() if share >= NOTABLE]
        sides.append(("{} there any {}?", there, [name for name, share in shares.items() if share == 0]))
    if record.tags:
        sides.append(("{} there any {}?", [plain(tag) for tag in record.tags], absent(record.tags)))
    if record.boxes is not None:
        labels = sorted({plain(label) for label in record.boxes.labels})
        sides.append(("{} there any {}?", list(map(plural, labels)), list(map(plural, absent(labels)))))
    if record.scene is not None:
        sides.append(("{} this scene of the class {}?", [plain(record.scene)], absent([record.scene])))
    sides = [side for side in sides if side[1] and side[2]]
    if not sides:
        return None
    question, there, missing = pick(sides, rng)
    yes = rng.random() < 0.5
    name = pick(there if yes else missing, rng)
    verb = _be(name) if "there" in question else "is"
    return Dialogue(turns=((question.format(verb.capitalize(), name), "Yes." if yes else "No."),))


def _area(record: Record, rng: np.random.Generator) -> Dialogue | None:
    """Hectares of a class of the mask, by its pixels and their ground sampling distance."""
    gsd_m = _gsd_m(record)
    there = {name: share for name, share in _shares(record).items() if share >= NOTABLE}
    if gsd_m is None or record.mask is None or not there or _labelled_share(record) < LABELLED:
        return None
    name = pick(list(there), rng)
    hectares = there[name] * record.mask.class_index.size * gsd_m**2 / 1e4
    question = pick(("How many hectares of {} are there?", "What is the area of {} in hectares?"), rng).format(name)
    answer = f"There are {VALUE} ha of {name}."
    return Dialogue(turns=((question, answer),), values=(Value(name="area", value=hectares, unit="ha"),))


def _comparison(record: Record, rng: np.random.Generator) -> Dialogue | None:
    """Which of two classes there is plainly more of, by pixels or by boxes."""
    pairs: list[tuple[str, str, str]] = []  # left, right, the larger
    shares = {name: share for name, share in _shares(record).items() if share >= NOTABLE}
    labels = () if record.boxes is None else record.boxes.labels
    for sizes in (shares if _labelled_share(record) >= LABELLED else {}, Counter(plural(plain(x)) for x in labels)):
        for left, right in itertools.permutations(sizes, 2):
            small, large = (left, right) if sizes[left] < sizes[right] else (right, left)
            pairs += [(left, right, large)] if sizes[large] >= CLEAR * sizes[small] else []
    if not pairs:
        return None
    left, right, more = pick(pairs, rng)
    return Dialogue(
        turns=((f"{_be(left).capitalize()} there more {left} or {right}?", f"There {_be(more)} more {more}."),)
    )


def _unanswerable(record: Record, rng: np.random.Generator) -> Dialogue | None:
    """A question no picture answers, or not this one; only beside labels, or nothing else would be learned."""
    if not (record.scene or record.tags or record.mask or record.boxes or record.captions):
        return None
    questions = list(UNANSWERABLE)
    if record.observations and not any(map(_visible, record.observations.values())):
        questions.append("What colour are the roofs?")
    if not any((each.band_code == BAND_CODES["temperature"]).any() for each in record.observations.values()):
        questions.append("How warm was the air?")
    return Dialogue(turns=((pick(questions, rng), CANNOT_BE_TOLD),))


def _given(record: Record, rng: np.random.Generator) -> Dialogue | None:
    """A question and answer of the dataset, in words alone."""
    turns = [turn for turn in record.turns if not any(mark in text for text in turn.answers for mark in (VALUE, MASK))]
    if not turns:
        return None
    turn = pick(turns, rng)
    return Dialogue(turns=((turn.question, pick(turn.answers, rng)),))


def _shares(record: Record) -> dict[str, float]:
    """Share of the pixels of each class of the mask."""
    if record.mask is None:
        return {}
    index = record.mask.class_index
    counts = np.bincount(index[index >= 0], minlength=len(record.mask.legend)) / index.size
    named = zip(map(plain, record.mask.legend), counts, strict=True)
    return {name: float(share) for name, share in named if not name.startswith("no ")}  # "no change" is no thing


def _be(noun: str) -> str:
    """The verb a class name takes."""
    return "are" if plural(noun) == noun and noun.endswith("s") else "is"


def _labelled_share(record: Record) -> float:
    return 0.0 if record.mask is None else float((record.mask.class_index >= 0).mean())


def _gsd_m(record: Record) -> float | None:
    """Ground sampling distance of the mask: that of an observation of its size."""
    if record.mask is None:
        return None
    for each in record.observations.values():
        if each.values.shape[1:3] == record.mask.class_index.shape and np.isfinite(each.gsd_m) and each.gsd_m > 0:
            return float(each.gsd_m)
    return None


def _visible(each: Observation) -> bool:
    """Whether a stream has bands in the visible."""
    return bool(((each.band_code == 0) & (each.wavelength_um > 0.38) & (each.wavelength_um < 0.75)).any())
