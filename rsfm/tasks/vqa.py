"""Visual question answering by template: questions answered by a record's labels, or by nobody.

Kinds: presence (mask, tags, boxes, scene), count (boxes), area in hectares (mask), comparison (mask, boxes),
unanswerable, and given (the questions a dataset brings itself).
"""

import zlib
from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float

from rsfm import metrics as scores
from rsfm.tasks import facts
from rsfm.tasks.counting import Counting
from rsfm.tasks.dialogue import ANYTHING, MASK, VALUE, Dialogue, pick, same_words
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


class Vqa:
    """Asks one question of a random kind; in evaluation kind and wording are fixed by the record's id."""

    name = "vqa"

    def __init__(self) -> None:
        self.kinds = self.make_kinds()
        self.metrics: Mapping[str, scores.Metric] = {"accuracy": lambda rows: scores.accuracy(rows[:, 0])} | {
            f"{kind}_accuracy": _of_kind(number) for number, kind in enumerate(self.kinds)
        }
        self.higher_is_better: Mapping[str, bool] = dict.fromkeys(self.metrics, True)

    def make_kinds(self) -> Mapping[str, Callable[[Record, np.random.Generator], Dialogue | None]]:
        """The kinds of questions by name; the order is that of the scores."""
        return {
            "presence": _presence,
            "count": Counting().dialogue,
            "area": _area,
            "comparison": _comparison,
            "unanswerable": _unanswerable,
            "given": given,
        }

    def dialogue(self, record: Record, rng: np.random.Generator) -> Dialogue | None:
        """A question and its answer; None for a record without labels."""
        asked = self._ask(record, rng)
        return None if asked is None else asked[1]

    def subjects(self, record: Record) -> tuple[str, ...] | None:
        """Anything, where the data set brings questions of its own."""
        free = tuple(
            turn for turn in record.turns if not any(mark in a for a in turn.answers for mark in (VALUE, MASK))
        )
        return (ANYTHING,) if free else None

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
        return np.array([[float(self.right(record, dialogue, answer)), float(number)]])

    def _ask(self, record: Record, rng: np.random.Generator) -> tuple[int, Dialogue] | None:
        """(number of the kind, dialogue) of a kind the labels allow."""
        possible = [(number, kind(record, rng)) for number, kind in enumerate(self.kinds.values())]
        known = [(number, dialogue) for number, dialogue in possible if dialogue is not None]
        return pick(known, rng) if known else None

    def right(self, record: Record, dialogue: Dialogue, answer: Answer) -> bool:
        """Whether an answer says what the labels say: numbers within the tolerance, text word for word."""
        question, truth = dialogue.turns[0]
        if dialogue.spans:
            wanted = dialogue.spans[0]
            # Half an object: counts are whole numbers.
            slack = max(TOLERANCE * abs(wanted.value), 0.5 if wanted.unit == "" else 0.0)
            return bool(answer.values) and abs(answer.values[0].value - wanted.value) <= slack
        known = [turn.answers for turn in record.turns if turn.question == question]
        return any(same_words(answer.text, accepted) for accepted in (known[0] if known else (truth,)))


def _fixed(record: Record) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(record.id.encode()))


def _of_kind(number: int) -> scores.Metric:
    return lambda rows: scores.accuracy(rows[rows[:, 1] == number, 0])


def _presence(record: Record, rng: np.random.Generator) -> Dialogue | None:
    fact = facts.presence(record, rng)
    if fact is None:
        return None
    verb = facts.verb(fact.name).capitalize()
    question = f"{verb} there any {fact.name}?" if fact.of == "thing" else f"Is this scene of the class {fact.name}?"
    return Dialogue(turns=((question, "Yes." if fact.there else "No."),))


def _area(record: Record, rng: np.random.Generator) -> Dialogue | None:
    fact = facts.area(record, rng)
    if fact is None:
        return None
    name, hectares = fact
    question = pick(("How many hectares of {} are there?", "What is the area of {} in hectares?"), rng).format(name)
    answer = f"There are {VALUE} ha of {name}."
    return Dialogue(turns=((question, answer),), spans=(Value(name="area", value=hectares, unit="ha"),))


def _comparison(record: Record, rng: np.random.Generator) -> Dialogue | None:
    fact = facts.comparison(record, rng)
    if fact is None:
        return None
    left, right, more = fact
    verb = facts.verb(left).capitalize()
    return Dialogue(turns=((f"{verb} there more {left} or {right}?", f"There {facts.verb(more)} more {more}."),))


def unanswerable(record: Record) -> list[str]:
    """Questions no picture answers, or not this one; only beside labels, or nothing else would be learned."""
    mapped = record.mask is not None and bool((record.mask.class_index >= 0).any())
    if not (record.scene or record.tags or mapped or record.boxes or record.captions):
        return []
    questions = list(UNANSWERABLE)
    if record.observations and not any(map(_visible, record.observations.values())):
        questions.append("What colour are the roofs?")
    if not any((each.band_code == BAND_CODES["temperature"]).any() for each in record.observations.values()):
        questions.append("How warm was the air?")
    return questions


def _unanswerable(record: Record, rng: np.random.Generator) -> Dialogue | None:
    questions = unanswerable(record)
    return Dialogue(turns=((pick(questions, rng), CANNOT_BE_TOLD),)) if questions else None


def given(record: Record, rng: np.random.Generator) -> Dialogue | None:
    """A question and answer of the dataset, in words alone."""
    turns = [turn for turn in record.turns if not any(mark in text for text in turn.answers for mark in (VALUE, MASK))]
    if not turns:
        return None
    turn = pick(turns, rng)
    return Dialogue(turns=((turn.question, pick(turn.answers, rng)),))


def _visible(each: Observation) -> bool:
    """Whether a stream has bands in the visible."""
    return bool(((each.band_code == 0) & (each.wavelength_um > 0.38) & (each.wavelength_um < 0.75)).any())
