"""Heads: the kinds of output a model has, each with everything that belongs to it. Special tokens of an answer open them."""

from rsfm.heads.base import Head, head_kind, head_options
from rsfm.heads.contrastive import ContrastiveConfig, ContrastiveHead
from rsfm.heads.mask import MaskConfig, MaskHead
from rsfm.heads.mixture import ExpertConfig, ExpertSpan
from rsfm.heads.reconstruction import ReconstructionConfig, ReconstructionHead
from rsfm.heads.scene import Canvas, Window
from rsfm.heads.spans import Fit, HeadConfig, Part, Passage, Spans, Terms, Widths
from rsfm.heads.value import VALUE_HEADS, ValueConfig, ValueHead, distribution, value_band

HEADS: dict[str, type[Head]] = {
    "value": ValueHead,
    "mask": MaskHead,
    "contrastive": ContrastiveHead,
    "reconstruction": ReconstructionHead,
}

__all__ = [
    "HEADS",
    "VALUE_HEADS",
    "Canvas",
    "ContrastiveConfig",
    "ContrastiveHead",
    "ExpertConfig",
    "ExpertSpan",
    "Fit",
    "Head",
    "HeadConfig",
    "MaskConfig",
    "MaskHead",
    "Part",
    "Passage",
    "ReconstructionConfig",
    "ReconstructionHead",
    "Spans",
    "Terms",
    "ValueConfig",
    "ValueHead",
    "Widths",
    "Window",
    "distribution",
    "head_kind",
    "head_options",
    "value_band",
]
