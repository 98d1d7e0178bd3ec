"""Objectives: the ways to learn from a sample, by name. A Source names its own."""

from collections.abc import Mapping
from typing import Any

from rsfm.config import from_json
from rsfm.errors import lookup
from rsfm.objectives.align import Align, AlignConfig
from rsfm.objectives.base import Objective, Reading, Terms
from rsfm.objectives.contrast import Contrast, ContrastConfig
from rsfm.objectives.cubes import Cubes, CubesConfig
from rsfm.objectives.dialogue import Dialogue, DialogueConfig
from rsfm.objectives.domain import Domain, DomainConfig
from rsfm.objectives.hiding import HidingConfig
from rsfm.objectives.latent import Latent, LatentConfig
from rsfm.objectives.masked import Masked, MaskedConfig
from rsfm.objectives.place import Place, PlaceConfig

OBJECTIVES: dict[str, type[Objective]] = {
    "dialogue": Dialogue,
    "contrast": Contrast,
    "masked": Masked,
    "cubes": Cubes,
    "align": Align,
    "domain": Domain,
    "place": Place,
    "latent": Latent,
}

__all__ = [
    "OBJECTIVES",
    "Align",
    "AlignConfig",
    "Contrast",
    "ContrastConfig",
    "Cubes",
    "CubesConfig",
    "Dialogue",
    "DialogueConfig",
    "Domain",
    "DomainConfig",
    "HidingConfig",
    "Latent",
    "LatentConfig",
    "Masked",
    "MaskedConfig",
    "Objective",
    "Place",
    "PlaceConfig",
    "Reading",
    "Terms",
    "make_objective",
]


def make_objective(name: str, options: Mapping[str, Any]) -> Objective:
    """The objective of a name with its options from `train.objectives`, checked field by field."""
    kind = lookup(OBJECTIVES, "objective", name)
    return kind(from_json(kind.config_type, dict(options), where=f"train.objectives.{name}"))
