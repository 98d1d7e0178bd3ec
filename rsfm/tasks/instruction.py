"""Instruction data: one question of a random kind about a record's labels, boxes, mask and numbers, in many wordings.

Kinds: presence, count, area, comparison, change between dates, place and box of an object, the object in a box,
unanswerable, and given (the questions a dataset brings itself). Several tasks share a conversation by `converse`.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from rsfm.boxes import decode, encode
from rsfm.tasks import facts, vqa, wordings
from rsfm.tasks.counting import counts
from rsfm.tasks.dialogue import VALUE, Dialogue, pick, plain
from rsfm.tasks.grounding import CONVENTION, Grounding, found_boxes
from rsfm.types import Answer, Boxes, Record, Value


class Instruction(vqa.Vqa):
    """Like Vqa, with more kinds and many wordings of each; kind and wording are fixed by the record's id in evaluation."""

    name = "instruction"

    def make_kinds(self) -> Mapping[str, Callable[[Record, np.random.Generator], Dialogue | None]]:
        """Vqa's kinds in other words, and those that need boxes or two dates."""
        return {
            "presence": _presence,
            "count": _count,
            "area": _area,
            "comparison": _comparison,
            "change": _change,
            "place": _place,
            "box": Grounding().dialogue,
            "identify": _identify,
            "unanswerable": _unanswerable,
            "given": vqa.given,
        }

    def right(self, record: Record, dialogue: Dialogue, answer: Answer) -> bool:
        """As Vqa; boxes are right when each wanted one is found with half overlap, and no other is given."""
        truth, size = dialogue.turns[0][1], facts.picture_size(record)
        if truth.startswith("{<") and size is not None:
            wanted = decode(truth, CONVENTION, size=size)
            found, count, given = found_boxes(wanted, answer.text, size)
            return found == count == given
        return super().right(record, dialogue, answer)


def _presence(record: Record, rng: np.random.Generator) -> Dialogue | None:
    fact = facts.presence(record, rng)
    if fact is None:
        return None
    return _said(wordings.PRESENCE[fact.of], rng, "Yes." if fact.there else "No.", name=fact.name)


def _count(record: Record, rng: np.random.Generator) -> Dialogue | None:
    known = counts(record)
    if not known:
        return None
    value = pick(known, rng)
    return _said(wordings.COUNT, rng, f"There are {VALUE} {value.name}.", (value,), name=value.name)


def _area(record: Record, rng: np.random.Generator) -> Dialogue | None:
    fact = facts.area(record, rng)
    if fact is None:
        return None
    name, hectares = fact
    values = (Value(name="area", value=hectares, unit="ha"),)
    return _said(wordings.AREA, rng, f"There are {VALUE} ha of {name}.", values, name=name)


def _comparison(record: Record, rng: np.random.Generator) -> Dialogue | None:
    fact = facts.comparison(record, rng)
    if fact is None:
        return None
    left, right, more = fact
    answer = f"There {facts.verb(more)} more {more}."
    return _said(wordings.COMPARISON, rng, answer, name=left, left=left, right=right)


def _change(record: Record, rng: np.random.Generator) -> Dialogue | None:
    """Whether, or on how many hectares, the ground changed."""
    fact = facts.change(record)
    if fact is None or 0 < fact[0] < facts.NOTABLE:
        return None
    share, hectares = fact
    if hectares and rng.random() < 0.5:
        values = (Value(name="changed area", value=hectares, unit="ha"),)
        return _said(wordings.CHANGED_AREA, rng, f"{VALUE} ha have changed.", values)
    return _said(wordings.CHANGED, rng, "Yes." if share else "No.")


def _place(record: Record, rng: np.random.Generator) -> Dialogue | None:
    """In which ninth of the picture the only object of its class is."""
    known, size = facts.known_boxes(record), facts.picture_size(record)
    if known is None or size is None:
        return None
    single = [i for i, label in enumerate(known.labels) if known.labels.count(label) == 1]
    if not single:
        return None
    i = pick(single, rng)
    answer = facts.place(known.corners[i], size)
    return _said(wordings.PLACE, rng, f"{answer.capitalize()}.", name=plain(known.labels[i]))


def _identify(record: Record, rng: np.random.Generator) -> Dialogue | None:
    """The class of one of the labelled boxes; boxes around parts of a mask hold other classes, too, and are not asked for."""
    size = facts.picture_size(record)
    if record.boxes is None or not record.boxes.labels or size is None:
        return None
    i = int(rng.integers(len(record.boxes.labels)))
    one = Boxes(corners=record.boxes.corners[i : i + 1], labels=record.boxes.labels[i : i + 1])
    box = encode(one, CONVENTION, size=size)
    return _said(wordings.IDENTIFY, rng, f"{plain(one.labels[0]).capitalize()}.", box=box)


def _unanswerable(record: Record, rng: np.random.Generator) -> Dialogue | None:
    questions = vqa.unanswerable(record)
    if not questions:
        return None
    return Dialogue(turns=((pick([*questions, *wordings.UNANSWERABLE], rng), vqa.CANNOT_BE_TOLD),))


def _said(
    questions: Sequence[str], rng: np.random.Generator, answer: str, values: tuple[Value, ...] = (), **words: str
) -> Dialogue:
    """One of the wordings, filled in."""
    verb = facts.verb(words.get("name", ""))
    question = pick(questions, rng).format(verb=verb, Verb=verb.capitalize(), **words)
    return Dialogue(turns=((question, answer),), spans=values)
