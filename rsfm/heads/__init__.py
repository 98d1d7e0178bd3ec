"""Heads: what the decoder's special tokens open. `HEADS[name](HEADS[name].config_type(...), width, ..., rngs=...)`."""

from rsfm.heads.contrastive import ContrastiveConfig, ContrastiveHead
from rsfm.heads.mask import MaskConfig, MaskHead
from rsfm.heads.mixture import ExpertConfig, ExpertSpan
from rsfm.heads.text import TextConfig, TextHead
from rsfm.heads.value import VALUE_HEADS, ValueConfig, ValueHead, distribution, make_value_head, value_band

HEADS: dict[str, type[TextHead] | type[ValueHead] | type[MaskHead] | type[ContrastiveHead]] = {
    "text": TextHead,
    "value": ValueHead,
    "mask": MaskHead,
    "contrastive": ContrastiveHead,
}

__all__ = [
    "HEADS",
    "VALUE_HEADS",
    "ContrastiveConfig",
    "ContrastiveHead",
    "ExpertConfig",
    "ExpertSpan",
    "MaskConfig",
    "MaskHead",
    "TextConfig",
    "TextHead",
    "ValueConfig",
    "ValueHead",
    "distribution",
    "make_value_head",
    "value_band",
]
