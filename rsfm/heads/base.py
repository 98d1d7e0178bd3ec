"""What a head is: one kind of output with everything that belongs to it, from the training target to the part of the answer.

b batch · v spans · d text width
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float

from rsfm.config import from_json, to_json
from rsfm.errors import lookup
from rsfm.heads.mixture import ExpertConfig
from rsfm.pytree import pytree_dataclass
from rsfm.quantities import Quantity
from rsfm.types import Memory, Record, Value

Terms = dict[str, tuple[Array, Array]]  # name of a loss term -> (sum over its targets, how many targets)


@pytree_dataclass
class Spans:
    """The hidden states of the decoder at the special tokens of one head, in the order of the text."""

    hidden: Float[Array, "*b v d"]
    valid: Bool[Array, "*b v"]  # False: an empty slot, or a token without a target


@dataclasses.dataclass(frozen=True, kw_only=True)
class Widths:
    """Channels of what a head reads: hidden states, encoder tokens, pixels of its neck."""

    text: int
    token: int
    pixel: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """One head of a model.

    Attributes:
        kind: a key of HEADS; "" = the name the head has in the model.
        options: fields of the kind's own config, or that config itself.
        experts: routes each span to experts before the head reads it; None = spans pass unchanged.
        neck: name of the neck whose pixels the head reads.
    """

    kind: str = ""
    options: Any = dataclasses.field(default_factory=dict)
    experts: ExpertConfig | None = None
    neck: str = "pixels"

    def __post_init__(self) -> None:
        """Options are held as JSON, however they were given, so that a config is equal to what is read back."""
        object.__setattr__(self, "options", to_json(self.options))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fit:
    """What the processor knows when it makes targets of a sample.

    Attributes:
        quantities: how numbers are standardized.
        size: edge of the model's window in pixels; 0 for a record without pixels.
        words: the whole conversation.
    """

    quantities: tuple[Quantity, ...]
    size: int
    words: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Passage:
    """Where a span stands in the text of an answer.

    Attributes:
        question: what was asked.
        before, after: the answer's text on both sides of the token, up to the neighbouring special tokens.
        text: the whole answer with its special tokens.
        quantities: of the processor.
    """

    question: str
    before: str
    after: str
    text: str
    quantities: tuple[Quantity, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """What one span adds to an answer.

    Attributes:
        words: what stands in the text in place of the token; None leaves the token as it is.
        takes: characters behind the token that the words replace too, as the unit of a number.
        values: numbers.
    """

    words: str | None = None
    takes: int = 0
    values: tuple[Value, ...] = ()


class Head(nnx.Module):
    """One kind of output. A new kind is a subclass in a file of its own and a line in HEADS.

    Attributes:
        config_type: dataclass of the head's own options.
        token: special token of an answer that opens the head; "" = none does.
        slots: tokens a text may hold unless the processor's config says otherwise.
        span: type of the target a dialogue gives for each token.
        dense: whether the head reads the pixels of a neck, so that its output lies on the grid of the window.
    """

    config_type: ClassVar[type]
    token: ClassVar[str] = ""
    slots: ClassVar[int] = 0
    span: ClassVar[type] = type(None)
    dense: ClassVar[bool] = False
    config: Any

    @classmethod
    def make(cls, config: Any, widths: Widths, *, rngs: nnx.Rngs) -> "Head":
        """The module of a config; a kind with several forms chooses here."""
        return cls(config, widths, rngs=rngs)  # type: ignore[call-arg]

    @classmethod
    def check_vocabulary(cls, config: Any, special: Mapping[str, int]) -> None:
        """Raises UserError where the options name ids that the tokenizer's special tokens do not have."""

    def __call__(self, spans: Spans, memory: Memory, neck: str) -> Any:
        """Outputs of every span, a pytree of the head's own.

        Args:
            spans: hidden states at the head's tokens.
            memory: encoder tokens by stream, pixels by neck.
            neck: the neck whose pixels a dense head reads.
        """
        raise NotImplementedError

    def loss(self, outputs: Any, targets: Mapping[str, Array]) -> Terms:
        """Loss terms, each a sum over targets with their count; "" names the head's main term."""
        raise NotImplementedError

    @classmethod
    def targets(cls, spans: Sequence[Any], record: Record, fit: Fit, slots: int) -> dict[str, np.ndarray]:
        """Arrays of fixed shape for the typed spans of a dialogue, in the order of their tokens; slots may stay empty."""
        return {}

    @classmethod
    def answer(cls, outputs: Any, passage: Passage) -> Part:
        """The part of the answer that a span makes, in physical units.

        Args:
            outputs: of this span alone, on the host.
            passage: the text it stands in.
        """
        return Part()


def head_kind(heads: Mapping[str, type[Head]], name: str, config: HeadConfig) -> type[Head]:
    """The class of a model's head; UserError with the nearest known kind where there is none."""
    return lookup(heads, "head", config.kind or name)


def head_options(kind: type[Head], name: str, config: HeadConfig) -> Any:
    """The kind's own config, checked field by field."""
    return from_json(kind.config_type, config.options, where=f"options of head {name}")
