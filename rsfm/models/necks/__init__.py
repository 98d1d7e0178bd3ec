"""Necks: from encoder tokens and pixels of several streams and dates to one picture of features for dense heads."""

import dataclasses
from typing import Any

from rsfm.models.necks.mean import MeanNeck


@dataclasses.dataclass(frozen=True, kw_only=True)
class NeckConfig:
    """Attributes:
    kind: a key of NECKS: how dates meet.
    width: channels of the pixels; that of the tokenizers' pixel features.
    hidden: channels between the two convolutions. On a CPU take 16, 32 or 64: XLA's gradient for 40 or 48 is five
        times slower.
    """

    kind: str = "mean"
    width: int = 32
    hidden: int = 32


NECKS: dict[str, Any] = {"mean": MeanNeck}

__all__ = ["NECKS", "NeckConfig"]
