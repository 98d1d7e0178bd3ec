"""What a task makes of a Record: questions with their answers, and how several tasks share one conversation."""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

from rsfm.types import Answer, Mask, Record, Value

T = TypeVar("T")

VALUE, MASK = "<value>", "<mask>"
ANYTHING = "*"  # among a task's subjects: free questions and answers
OTHER = -2  # in a Dialogue's mask: labelled, but none of the classes asked for


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dialogue:
    """Turns of question and answer with the numbers and the mask their answers point to.

    Attributes:
        turns: (question, answer) in the order asked.
        values: one for each `<value>` in the answers, in order.
        mask: its legend holds one entry for each `<mask>` in the answers, in order; class_index counts into it,
            -1 = unlabelled, OTHER (-2) = labelled but none of the classes asked for; its `either` may hold OTHER.
    """

    turns: tuple[tuple[str, str], ...]
    values: tuple[Value, ...] = ()
    mask: Mask | None = None

    def __post_init__(self) -> None:
        text = "".join(answer for _, answer in self.turns)
        legend = () if self.mask is None else self.mask.legend
        assert text.count(VALUE) == len(self.values), f"not one <value> each for {self.values} in {self.turns}"
        assert text.count(MASK) == len(legend), f"not one <mask> each for {legend} in {self.turns}"


@runtime_checkable
class Task(Protocol):
    """How a Record becomes a question, a target and a score.

    Attributes:
        name: key in TASKS.
        metrics: score by name, each from the stacked rows of `statistics`; the first is the headline.
        higher_is_better: for each metric.
    """

    name: str
    metrics: Mapping[str, Callable[[np.ndarray], float]]
    higher_is_better: Mapping[str, bool]

    def dialogue(self, record: Record, rng: np.random.Generator) -> Dialogue | None:
        """One question with its answer, worded by `rng`; None where the record lacks the labels."""
        ...

    def subjects(self, record: Record) -> tuple[str, ...] | None:
        """Plain names of what a record teaches: classes, things, quantities; None where it teaches nothing."""
        ...

    def question(self, record: Record) -> str:
        """The question asked in evaluation: always the same for a record."""
        ...

    def statistics(self, record: Record, answer: Answer) -> np.ndarray:
        """What the metrics need of one answer, [units, k]; no rows where the record lacks the labels."""
        ...


def merge(dialogues: Sequence[Dialogue], rng: np.random.Generator) -> Dialogue:
    """One conversation out of several, its turns in random order. At most one of them may hold a mask."""
    turns: list[tuple[tuple[str, str], tuple[Value, ...]]] = []
    masks = [dialogue.mask for dialogue in dialogues if dialogue.mask is not None]
    assert len(masks) <= 1, "the classes of two masks cannot share one map"
    for dialogue in dialogues:
        rest = list(dialogue.values)
        for question, answer in dialogue.turns:
            count = answer.count(VALUE)
            turns.append(((question, answer), tuple(rest[:count])))
            rest = rest[count:]
    # The turns that hold masks keep their order among themselves: the legend is in that order.
    order = rng.permutation(len(turns))
    masked = [i for i in range(len(turns)) if MASK in turns[i][0][1]]
    places = [k for k, i in enumerate(order) if i in masked]
    order[places] = masked
    mixed = [turns[i] for i in order]
    return Dialogue(
        turns=tuple(turn for turn, _ in mixed),
        values=tuple(value for _, values in mixed for value in values),
        mask=masks[0] if masks else None,
    )


def pick(choices: Sequence[T], rng: np.random.Generator) -> T:
    """One of the choices."""
    return choices[int(rng.integers(len(choices)))]


def plain(name: str) -> str:
    """A class name as words: BareLand -> bare land, small-vehicle -> small vehicle, Corn no-till -> corn no-till."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    parted = r"[\s_]+" if " " in spaced.strip() else r"[_-]+"  # beside spaces a hyphen belongs to its word
    return re.sub(parted, " ", spaced).strip().lower()


def plural(noun: str) -> str:
    """The plural of a class name by the regular rules; mass nouns and plurals stay."""
    if noun.endswith(("s", "land", "water", "soil")) and not noun.endswith(("ss", "us")):
        return noun
    if noun.endswith(("ss", "us", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2:-1] not in tuple("aeiou"):
        return noun[:-1] + "ies"
    return noun + "s"


def same_words(left: str, right: str) -> bool:
    """Whether two answers say the same, whatever the case, spacing and punctuation."""
    return re.findall(r"\w+", left.lower()) == re.findall(r"\w+", right.lower())
