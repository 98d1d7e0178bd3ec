"""How a question is to be answered: by a map of named classes, by an area out of one, or in words."""

import dataclasses
import re

from rsfm.errors import UserError
from rsfm.processor.config import ProcessorConfig
from rsfm.quantities import Quantity
from rsfm.tasks.dialogue import MASK
from rsfm.tasks.segmentation import map_question
from rsfm.tasks.value_map import value_map_turn
from rsfm.text.questions import plain

_MAP = re.compile(
    r"^\s*(?:map|segment|draw a map of|delineate|where (?:is|are))\s+(?P<what>.+?)\s*[.?!]*\s*$", re.IGNORECASE
)
_AREA = re.compile(
    r"^\s*how many hectares of (?:the\s+)?(?P<what>.+?)\s+(?:are there|is there)\s*[.?!]*\s*$", re.IGNORECASE
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """How a question is answered.

    Attributes:
        answer: forced where the question fixes its form, as a map does ("water <mask>"); "" where text is to be written.
        legend: classes of the map; () = no map.
        quantity: of a map of numbers, which is made of classes of them.
        area: class whose area is read from the map, as its pixels' chances add up.
        asked: the question the map is asked with, as in training, whatever the user's wording; "" = no map.
    """

    answer: str
    legend: tuple[str, ...]
    quantity: Quantity | None = None
    area: str = ""
    asked: str = ""


def plan(config: ProcessorConfig, question: str) -> Plan:
    """Whether a question asks for a map, and of which classes: "Map the land cover: water, trees." or "Map the water."."""
    question = " ".join(plain(question).split())  # runs of spaces would cost the expressions their third power
    area = _AREA.match(question)
    if area is not None:
        return _area(config, area["what"].lower())
    match = _MAP.match(question)
    if match is None:
        return Plan(answer="", legend=())
    what, _, listed = match["what"].partition(":")
    what = re.sub(r"^the\s+", "", what.strip(), flags=re.IGNORECASE).lower()
    quantity = next((q for q in config.quantities if q.name and q.name.lower() == what and not listed), None)
    if quantity is not None:
        return _value_map(config, quantity)
    named = listed or ("" if what in config.legends else what)
    parts = _classes(config, named)
    legend = parts or config.legends.get(what, ())
    if len(legend) > config.slots(MASK):
        raise UserError(
            f"The question names {len(legend)} classes; this checkpoint maps at most {config.slots(MASK)} at once."
        )
    return Plan(answer=" ".join(f"{name} {MASK}" for name in legend), legend=legend, asked=map_question(legend))


def _area(config: ProcessorConfig, name: str) -> Plan:
    """The map of the legend that holds the class, else of the class alone: what else it may be makes it surer."""
    legend = next((legend for legend in config.legends.values() if name in legend), (name,))
    answer = " ".join(f"{each} {MASK}" for each in legend)
    return Plan(answer=answer, legend=legend, area=name, asked=map_question(legend))


def _value_map(config: ProcessorConfig, quantity: Quantity) -> Plan:
    legend = quantity.map_legend
    if not legend or len(legend) > config.slots(MASK):
        raise UserError(
            f'This checkpoint has one {quantity.name} for a scene and no map of it. Ask "What is the {quantity.name}?", '
            "or fine-tune on maps of it (the task value_map)."
        )
    question, answer = value_map_turn(quantity.name, legend)
    return Plan(answer=answer, legend=legend, quantity=quantity, asked=question)


def _classes(config: ProcessorConfig, listed: str) -> tuple[str, ...]:
    """ "water, trees and crops" -> three names; an "and" inside a class the checkpoint knows ("snow and ice") stays."""
    known = {name for legend in config.legends.values() for name in legend}
    parts = [part.strip() for part in listed.lower().split(",")]
    if " and " in parts[-1] and parts[-1].removeprefix("and ").removeprefix("the ") not in known:
        parts[-1:] = parts[-1].split(" and ")
    names = (part.strip().removeprefix("and ").removeprefix("the ").strip() for part in parts)
    return tuple(dict.fromkeys(name for name in names if name))
