"""The turn that asks the model for what lies on the ground, worded as in training, whatever the user's wording."""

import dataclasses
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from rsfm.quantities import Quantity
from rsfm.tasks.dialogue import special_tokens


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """A turn that every window of a scene is asked; the special tokens of its answer open one kind of head.

    Attributes:
        legend: what its tokens show, in order: the classes of a map, all of them.
        asked: the question.
        answer: its forced answer: "water <mask> trees <mask>".
        quantity: of a map of numbers, which is made of classes of them.
        compares: its answer compares the dates, so they are seen together, and only where there are two.
    """

    legend: tuple[str, ...]
    asked: str
    answer: str
    quantity: Quantity | None = None
    compares: bool = False

    @property
    def token(self) -> str:
        """The special token of its answer."""
        return special_tokens(self.answer)[0]

    @property
    def spans(self) -> int:
        """How many of them its answer holds."""
        return len(special_tokens(self.answer))


@runtime_checkable
class GroundTask(Protocol):
    """A task whose answers lie on the ground, so that scenes of any size are read window by window.

    Attributes:
        opens: the special token of its answers.
    """

    opens: str

    def plan(self, known: Sequence[str], wanted: Sequence[str], quantities: Sequence[Quantity]) -> Plan:
        """The turn every window is asked.

        Args:
            known: all subjects that were taught together, as the classes of a legend.
            wanted: those of them that the question names.
            quantities: of the checkpoint.

        Raises:
            UserError: what is wanted does not lie on the ground.
        """
        ...
