"""Heads: what the decoder's special tokens open. `HEADS[name](HEADS[name].config_type(...), width, ..., rngs=...)`."""

from rsfm.heads.mask import MaskConfig, MaskHead
from rsfm.heads.mixture import ExpertConfig, ExpertSpan
from rsfm.heads.text import TextConfig, TextHead
from rsfm.heads.value import ValueConfig, ValueHead

HEADS: dict[str, type[TextHead] | type[ValueHead] | type[MaskHead]] = {
    "text": TextHead,
    "value": ValueHead,
    "mask": MaskHead,
}

__all__ = [
    "HEADS",
    "ExpertConfig",
    "ExpertSpan",
    "MaskConfig",
    "MaskHead",
    "TextConfig",
    "TextHead",
    "ValueConfig",
    "ValueHead",
]
