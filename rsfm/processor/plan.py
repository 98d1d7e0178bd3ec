"""How a map is asked of the model, and what a checkpoint that does not say what it was taught is taken to know."""

import dataclasses
import functools
from collections.abc import Sequence

from rsfm.errors import UserError
from rsfm.processor.asked import Asked, cue_words, question_words, resolve
from rsfm.processor.config import ProcessorConfig
from rsfm.processor.taught import ANYTHING, Taught, View
from rsfm.processor.vocabulary import SILENT, SYNONYMS
from rsfm.quantities import Quantity
from rsfm.tasks.dialogue import MASK
from rsfm.tasks.segmentation import map_question
from rsfm.tasks.value_map import value_map_turn

_LISTED = ("map", "area", "presence", "share")  # kinds that a class of any name can be asked for


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """The turn that asks the model for a map, worded as in training, whatever the user's wording.

    Attributes:
        legend: classes of the map, all of them.
        asked: the question.
        answer: its forced answer: "water <mask> trees <mask>".
        quantity: of a map of numbers, which is made of classes of them.
    of_change: it compares the dates, so they must be seen together.
    """

    legend: tuple[str, ...]
    asked: str
    answer: str
    quantity: Quantity | None = None
    of_change: bool = False


def legend_plan(config: ProcessorConfig, legend: Sequence[str], *, of_change: bool = False) -> Plan:
    """The turn for a whole legend.

    Raises:
        UserError: more classes than the checkpoint maps at once.
    """
    if len(legend) > config.slots(MASK):
        raise UserError(
            f"The question names {len(legend)} classes; this checkpoint maps at most {config.slots(MASK)} at once."
        )
    answer = " ".join(f"{name} {MASK}" for name in legend)
    return Plan(legend=tuple(legend), asked=map_question(legend), answer=answer, of_change=of_change)


def quantity_plan(config: ProcessorConfig, name: str) -> Plan:
    """The turn for a map of numbers.

    Raises:
        UserError: the quantity is one number a scene.
    """
    quantity = next((each for each in config.quantities if each.name and each.name.lower() == name.lower()), None)
    legend = quantity.map_legend if quantity else ()
    if quantity is None or not legend or len(legend) > config.slots(MASK):
        raise UserError(
            f'This checkpoint has one {name} for a scene and no map of it. Ask "What is the {name}?", '
            "or fine-tune on maps of it (the task value_map)."
        )
    question, answer = value_map_turn(quantity.name, legend)
    return Plan(legend=legend, asked=question, answer=answer, quantity=quantity)


def read(config: ProcessorConfig, question: str, view: View) -> Asked:
    """What a question asks of this checkpoint."""
    if config.taught:
        return resolve(question, config.taught, view)
    asked = resolve(question, assumed(config, view), view)
    if asked.kind == "map" and asked.entry is None:
        quantity = next((q.name for q in config.quantities if q.name and q.name in asked.subjects), "")
        if quantity:
            quantity_plan(config, quantity)
    listed = classes_listed(question) if asked.kind in _LISTED and not asked.taught else ()
    if asked.kind == "map" and not asked.taught and not listed:
        listed = ("land cover",)  # a checkpoint without a legend maps what it is asked for by name
    if not listed:
        return asked
    entry = Taught(task="segmentation", subjects=listed, sensor=view.sensors[0][0])
    return Asked(kind=asked.kind, subjects=listed, entry=entry)


def assumed(config: ProcessorConfig, view: View) -> tuple[Taught, ...]:
    """Of a checkpoint that does not say what it was taught: its legends and quantities, and any question in words."""
    every = [("segmentation", name, legend) for name, legend in config.legends.items()]
    named = [quantity for quantity in config.quantities if quantity.name]
    every += [("value_map" if quantity.map_edges else "regression", "", (quantity.name,)) for quantity in named]
    every += [(task, "", (ANYTHING,)) for task in ("instruction", "scene", "multilabel", "captioning")]
    return tuple(
        Taught(task=task, name=name, subjects=subjects, sensor=sensor, series=view.series)
        for sensor, _ in view.sensors
        for task, name, subjects in every
    )


def classes_listed(question: str) -> tuple[str, ...]:
    """The classes of "Map the land cover: a, b and c" or "Map the a and the b", whatever they are.

    After a colon "and" parts the last two of the list only; it parts no name that is known ("snow and ice").
    """
    head, colon, tail = question[:10_000].lower().partition(":")
    *first, last = (tail if colon else head).split(",")
    silent = frozenset() if colon else SILENT | cue_words()
    pieces = [[piece] if colon else piece.split(" and ") for piece in first] + [last.split(" and ")]
    names: list[tuple[str, ...]] = []
    for piece in pieces:
        for place, part in enumerate(piece):
            words = tuple(word for word in question_words(part) if word not in silent)
            words = words[1:] if colon and words[:1] in (("the",), ("and",)) else words
            if place and names and (whole := (*names[-1], "and", *words)) in _names_with_and():
                names[-1] = whole
            elif words:
                names.append(words)
    return tuple(dict.fromkeys(map(" ".join, names)))


@functools.cache
def _names_with_and() -> frozenset[tuple[str, ...]]:
    return frozenset(words for group in SYNONYMS for name in group if "and" in (words := question_words(name)))
