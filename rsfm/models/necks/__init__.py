"""Necks: from encoder tokens and pixels of several streams and dates to one picture of features for dense heads."""

import dataclasses
from typing import Any

from rsfm.models.necks.difference import DIFFERENCES, DifferenceNeck
from rsfm.models.necks.mean import MeanNeck
from rsfm.models.necks.unet import UnetNeck


@dataclasses.dataclass(frozen=True, kw_only=True)
class NeckConfig:
    """Attributes:
    kind: a key of NECKS: how streams, dates and scales meet.
    width: channels of the pixels; that of the tokenizers' pixel features.
    hidden: channels between the two convolutions of "mean"; of the first halving of "unet" and "difference", whose others have twice as
        many. On a CPU take 16, 32 or 64: XLA's gradient for 40 or 48 is five times slower.
    depth: how often "unet" and "difference" halve rows and columns.
    difference: a key of DIFFERENCES: how "difference" compares two dates.
    pairs: which it compares: "ends", each place's first date with its last, or "steps", each date with the one before it.
    """

    kind: str = "mean"
    width: int = 32
    hidden: int = 32
    depth: int = 4
    difference: str = "abs"
    pairs: str = "ends"


NECKS: dict[str, Any] = {"mean": MeanNeck, "unet": UnetNeck, "difference": DifferenceNeck}

__all__ = ["DIFFERENCES", "NECKS", "NeckConfig"]
