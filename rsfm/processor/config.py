"""What is saved beside the weights: shapes, statistics, quantities and legends."""

import dataclasses
from typing import Any

from rsfm.data.training.normalize import BandStatistics
from rsfm.errors import UserError
from rsfm.heads import HEADS
from rsfm.processor.calibration import Gate, MapCalibration
from rsfm.processor.taught import Taught
from rsfm.quantities import AREA, COUNT, Quantity
from rsfm.text.mentions import ImageLayout
from rsfm.text.numeric import NumericConfig
from rsfm.types import StreamSpec

FORMAT = 2
LONGEST_TEXT = 1 << 17  # tokens
MOST_SPANS = 1024  # of one kind in a text
_AGAIN = "Copy the checkpoint folder again."


@dataclasses.dataclass(frozen=True, kw_only=True)
class HeadSlots:
    """Attributes:
    slots: special tokens of a head that a text may hold.
    kind: a key of HEADS; "" = the head's name.
    """

    slots: int
    kind: str = ""


def _slots() -> dict[str, HeadSlots]:
    return {name: HeadSlots(slots=kind.slots) for name, kind in HEADS.items() if kind.token}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProcessorConfig:
    """Everything needed to use the weights beside the weights; saved as processor.json.

    Attributes:
        streams: fixed shapes by stream name, as in the model's config.
        statistics: fitted band statistics by sensor; other sensors are normalized by unit.
        quantities: how numbers are standardized.
        numbers: how numbers in questions are read.
        numbers_written: numbers in answers are written out as text; else they are the value head's.
        legends: classes by the name of a map ("land cover"), where `taught` does not say them.
        taught: what the weights were trained on, name by name; empty: it was not written down, and no question is declined.
        maps: by the name of a legend: how far its areas and shares are to be trusted.
        gates: by task: how far its answers in words are to be trusted.
        map_streams: streams that maps are made of, where a record has any of them; empty: all. A stream that came with few of the
            labelled places, as elevation does, tells the place and not the class.
        text_lengths: padded lengths of a prompt; the shortest that fits is taken, so each compiles once. The tokens of images
            that stand in the text have their room on top.
        images: what images take in the text, as the model's interleaved connector has them; None: they come before it.
        heads: the heads that special tokens of an answer open, by name.
    """

    format: int = FORMAT
    streams: dict[str, StreamSpec]
    statistics: dict[str, BandStatistics] = dataclasses.field(default_factory=dict)
    quantities: tuple[Quantity, ...] = (AREA, COUNT)
    numbers: NumericConfig = NumericConfig()
    numbers_written: bool = False
    legends: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    taught: tuple[Taught, ...] = ()
    maps: dict[str, MapCalibration] = dataclasses.field(default_factory=dict)
    gates: dict[str, Gate] = dataclasses.field(default_factory=dict)
    map_streams: tuple[str, ...] = ()
    text_lengths: tuple[int, ...] = (32, 64, 192, 320)
    images: ImageLayout | None = None
    heads: dict[str, HeadSlots] = dataclasses.field(default_factory=_slots)

    def head(self, token: str) -> str:
        """The name of the head that a special token opens; "" where the checkpoint has none."""
        return next((name for name, own in self.heads.items() if HEADS[own.kind or name].token == token), "")

    def slots(self, token: str) -> int:
        """How many of a special token a text may hold; 0 where no head of the model is opened by it."""
        opened = (own.slots for name, own in self.heads.items() if HEADS[own.kind or name].token == token)
        return max(opened, default=0)


def upgraded(data: Any, format: int) -> Any:
    """The JSON of an earlier format: 1 had a field for each kind of head."""
    if format >= 2 or not isinstance(data, dict):
        return data
    data = dict(data)
    kinds = {name: kind for name, kind in HEADS.items() if kind.slots_before}
    slots = {name: {"slots": data.pop(kind.slots_before, kind.slots)} for name, kind in kinds.items()}
    return {**data, "format": FORMAT, "heads": slots}


def check_bounds(config: ProcessorConfig, where: str) -> None:
    """Looks at the sizes of a config from outside, before arrays of them are made.

    Raises:
        UserError: lengths of texts, or numbers of special and image tokens, that no model has; a head that is none.
    """
    lengths, images = config.text_lengths, config.images.tokens if config.images else {}
    if not 0 < len(lengths) <= 64 or not all(1 <= length <= LONGEST_TEXT for length in lengths):
        raise UserError(f"{where}: text_lengths: expected 1 to 64 lengths of 1 to {LONGEST_TEXT:,} tokens. {_AGAIN}")
    for name, head in config.heads.items():
        if not 0 <= head.slots <= MOST_SPANS or (head.kind or name) not in HEADS:
            raise UserError(
                f"{where}: heads: expected 0 to {MOST_SPANS:,} slots of each of {', '.join(HEADS)}. {_AGAIN}"
            )
    if not all(0 <= tokens <= LONGEST_TEXT for tokens in images.values()):
        raise UserError(f"{where}: images.tokens: expected 0 to {LONGEST_TEXT:,} tokens an image. {_AGAIN}")
