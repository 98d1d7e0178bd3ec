"""What is saved beside the weights: shapes, statistics, quantities and legends."""

import dataclasses

from rsfm.data.training.normalize import BandStatistics
from rsfm.errors import UserError
from rsfm.quantities import AREA, COUNT, Quantity
from rsfm.text.mentions import ImageLayout
from rsfm.text.numeric import NumericConfig
from rsfm.types import StreamSpec

FORMAT = 1
LONGEST_TEXT = 1 << 17  # tokens
MOST_SPANS = 1024  # of one kind in a text
_AGAIN = "Copy the checkpoint folder again."


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProcessorConfig:
    """Everything needed to use the weights beside the weights; saved as processor.json.

    Attributes:
        streams: fixed shapes by stream name, as in the model's config.
        statistics: fitted band statistics by sensor; other sensors are normalized by unit.
        quantities: how numbers are standardized.
        numbers: how numbers in questions are read.
        numbers_written: numbers in answers are written out as text; else they are the value head's.
        legends: classes by the name of a map ("land cover"), for questions that name none.
        map_streams: streams that maps are made of, where a record has any of them; empty: all. A stream that came with few of the
            labelled places, as elevation does, tells the place and not the class.
        text_lengths: padded lengths of a prompt; the shortest that fits is taken, so each compiles once. The tokens of images
            that stand in the text have their room on top.
        images: what images take in the text, as the model's interleaved connector has them; None: they come before it.
        max_masks, max_values: `<mask>` and `<value>` tokens a text may hold.
    """

    format: int = FORMAT
    streams: dict[str, StreamSpec]
    statistics: dict[str, BandStatistics] = dataclasses.field(default_factory=dict)
    quantities: tuple[Quantity, ...] = (AREA, COUNT)
    numbers: NumericConfig = NumericConfig()
    numbers_written: bool = False
    legends: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    map_streams: tuple[str, ...] = ()
    text_lengths: tuple[int, ...] = (32, 64, 192, 320)
    images: ImageLayout | None = None
    max_masks: int = 16
    max_values: int = 4


def check_bounds(config: ProcessorConfig, where: str) -> None:
    """Looks at the sizes of a config from outside, before arrays of them are made.

    Raises:
        UserError: lengths of texts, or numbers of masks, values and image tokens, that no model has.
    """
    lengths, images = config.text_lengths, config.images.tokens if config.images else {}
    if not 0 < len(lengths) <= 64 or not all(1 <= length <= LONGEST_TEXT for length in lengths):
        raise UserError(f"{where}: text_lengths: expected 1 to 64 lengths of 1 to {LONGEST_TEXT:,} tokens. {_AGAIN}")
    if not 0 <= config.max_masks <= MOST_SPANS or not 0 <= config.max_values <= MOST_SPANS:
        raise UserError(f"{where}: max_masks and max_values: expected 0 to {MOST_SPANS:,}. {_AGAIN}")
    if not all(0 <= tokens <= LONGEST_TEXT for tokens in images.values()):
        raise UserError(f"{where}: images.tokens: expected 0 to {LONGEST_TEXT:,} tokens an image. {_AGAIN}")
