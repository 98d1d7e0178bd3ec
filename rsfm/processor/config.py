"""What is saved beside the weights: shapes, statistics, quantities and legends."""

import dataclasses

from rsfm.data.training.normalize import BandStatistics
from rsfm.processor.calibration import Gate, MapCalibration
from rsfm.processor.taught import Taught
from rsfm.quantities import AREA, COUNT, Quantity
from rsfm.text.mentions import ImageLayout
from rsfm.text.numeric import NumericConfig
from rsfm.types import StreamSpec

FORMAT = 2  # 2: taught, maps, gates


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
        max_masks, max_values: `<mask>` and `<value>` tokens a text may hold.
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
    max_masks: int = 16
    max_values: int = 4
