"""How a map is asked of the model, and what a checkpoint that does not say what it was taught is taken to know."""

import functools
from collections.abc import Sequence
from typing import Any

from rsfm.errors import UserError
from rsfm.processor.asked import Asked, cue_words, question_words, resolve
from rsfm.processor.config import ProcessorConfig
from rsfm.processor.taught import ANYTHING, Taught, View
from rsfm.processor.vocabulary import SILENT, SYNONYMS
from rsfm.tasks import TASKS, GroundTask, Plan

_LISTED = ("map", "area", "presence", "share")  # kinds that a class of any name can be asked for


def ground_plan(config: ProcessorConfig, asked: Asked) -> Plan | None:
    """The turn for a question whose answer lies on the ground and is read window by window; None for any other.

    Raises:
        UserError: more classes than the checkpoint reads at once, or a quantity that it has one number of.
    """
    task: Any = None if asked.entry is None else TASKS.get(asked.entry.task)
    if asked.entry is None or not isinstance(task, GroundTask) or not config.head(task.opens):
        return None
    return _within(config, task.plan(asked.entry.subjects, asked.subjects, config.quantities))


def legend_plan(config: ProcessorConfig, legend: Sequence[str]) -> Plan:
    """The turn for a whole legend.

    Raises:
        UserError: more classes than the checkpoint maps at once.
    """
    return _planned(config, "segmentation", legend)


def quantity_plan(config: ProcessorConfig, name: str) -> Plan:
    """The turn for a map of numbers.

    Raises:
        UserError: the quantity is one number a scene.
    """
    return _planned(config, "value_map", (name,))


def _planned(config: ProcessorConfig, name: str, subjects: Sequence[str]) -> Plan:
    task: Any = TASKS[name]
    assert isinstance(task, GroundTask)
    return _within(config, task.plan(subjects, subjects, config.quantities))


def _within(config: ProcessorConfig, plan: Plan) -> Plan:
    if plan.spans > config.slots(plan.token):
        raise UserError(
            f"The question names {plan.spans} classes; this checkpoint maps at most {config.slots(plan.token)} at once."
        )
    return plan


def read(config: ProcessorConfig, question: str, view: View) -> Asked:
    """What a question asks of this checkpoint."""
    if config.taught:
        return resolve(question, config.taught, view)
    asked = resolve(question, assumed(config, view), view)
    if asked.kind == "map" and asked.entry is None:
        quantity = next((q.name for q in config.quantities if q.name and q.name in asked.subjects), "")
        if quantity:
            quantity_plan(config, quantity)
    known = asked.taught and not asked.left_out
    listed = classes_listed(question) if asked.kind in _LISTED and not known else ()
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
