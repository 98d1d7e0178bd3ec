"""What passes between a head and the rest of the model: spans, widths, config, what targets and answers are made of.

b batch · v spans · d text width
"""

import dataclasses
from typing import Any

from jaxtyping import Array, Bool, Float

from rsfm.config import to_json
from rsfm.heads.mixture import ExpertConfig
from rsfm.pytree import pytree_dataclass
from rsfm.quantities import Quantity
from rsfm.types import Value

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
