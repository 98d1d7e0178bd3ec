"""What a task makes of a Record: questions with their answers, and how several tasks share one conversation."""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from rsfm.heads import HEADS, MaskHead, ValueHead
from rsfm.types import Answer, Mask, Record, Region

T = TypeVar("T")

VALUE, MASK = ValueHead.token, MaskHead.token
ANYTHING = "*"  # among a task's subjects: free questions and answers


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dialogue:
    """Turns of question and answer, with what the special tokens of the answers stand for.

    Attributes:
        turns: (question, answer) in the order asked.
        spans: one for each special token in the answers, in order: a Value for <value>, a Region for <mask>, ...; see `span_types`.
    """

    turns: tuple[tuple[str, str], ...]
    spans: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        tokens, kinds = self.tokens, span_types()
        fits = len(tokens) == len(self.spans)
        fits = fits and all(isinstance(span, kinds[token]) for token, span in zip(tokens, self.spans, strict=True))
        assert fits, f"not one span each for {tokens} in {self.turns}: {[type(span).__name__ for span in self.spans]}"

    @property
    def tokens(self) -> list[str]:
        """The special tokens of the answers, in order."""
        return special_tokens(" ".join(answer for _, answer in self.turns))

    def of(self, token: str) -> tuple[Any, ...]:
        """The spans of one special token, in order."""
        return tuple(span for name, span in zip(self.tokens, self.spans, strict=True) if name == token)

    @property
    def mapped(self) -> bool:
        """Whether it asks for something on the grid of the picture."""
        return bool(ground_tokens() & set(self.tokens))

    def spelled(self) -> tuple[tuple[str, str], ...]:
        """The turns with what a text can hold, as numbers, in place of their tokens."""
        kinds, spans = {kind.token: kind for kind in HEADS.values()}, iter(self.spans)

        def text(token: re.Match[str]) -> str:
            written = kinds[token[0]].spelled(next(spans))
            return token[0] if written is None else written

        return tuple((question, _token_pattern().sub(text, answer)) for question, answer in self.turns)


def span_types() -> dict[str, type]:
    """The type of the span of every special token that opens a head, entries of users in HEADS among them."""
    return {kind.token: kind.span for kind in HEADS.values() if kind.token}


def ground_tokens() -> frozenset[str]:
    """The special tokens that open heads whose output lies on the ground."""
    return frozenset(kind.token for kind in HEADS.values() if kind.token and kind.dense)


def _token_pattern() -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, span_types())))


def special_tokens(text: str) -> list[str]:
    """The special tokens of heads in an answer, in order."""
    return _token_pattern().findall(text)


def split_special(text: str) -> list[str]:
    """The pieces of a text between the special tokens of heads: one more than there are tokens."""
    return _token_pattern().split(text)


def regions(mask: Mask) -> tuple[Region, ...]:
    """A Region for each class of a mask, in the order of its legend."""
    return tuple(Region(mask=mask, index=i) for i in range(len(mask.legend)))


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
    """One conversation out of several, its turns in random order; one alone keeps its own. At most one of them may be mapped:
    classes of two masks cannot share one map."""
    if len(dialogues) == 1:
        return dialogues[0]
    assert sum(dialogue.mapped for dialogue in dialogues) <= 1, "the classes of two masks cannot share one map"
    turns: list[tuple[tuple[str, str], tuple[Any, ...], bool]] = []
    for dialogue in dialogues:
        rest = list(dialogue.spans)
        for question, answer in dialogue.turns:
            count = len(special_tokens(answer))
            turns.append(((question, answer), tuple(rest[:count]), dialogue.mapped))
            rest = rest[count:]
    # The turns of a map keep their order among themselves: its legend is in that order.
    order = rng.permutation(len(turns))
    mapped = [i for i in range(len(turns)) if turns[i][2] and ground_tokens() & set(special_tokens(turns[i][0][1]))]
    places = [k for k, i in enumerate(order) if i in mapped]
    order[places] = mapped
    mixed = [turns[i] for i in order]
    return Dialogue(
        turns=tuple(turn for turn, _, _ in mixed), spans=tuple(span for _, spans, _ in mixed for span in spans)
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
