"""The ways to pretrain without labels that `rsfm pretrain --objective` names."""

import dataclasses
from typing import Any

FOLLOWING, FROZEN = 0.996, 1.0  # teacher_decay: an exponential mean of the student; as training starts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """Attributes:
    title: what is learned, for people.
    objective: key of OBJECTIVES.
    options: of the objective.
    teacher_decay: see TrainConfig.
    dates: acquisitions of a plot that are drawn, at most.
    """

    title: str
    objective: str = "masked"
    options: dict[str, Any]
    teacher_decay: float = FROZEN
    dates: int = 4

    @property
    def targets(self) -> tuple[str, ...]:
        """Outputs that the reconstruction head needs."""
        return tuple(self.options.get("targets", ("tokens",)))


def _hiding(**hiding: Any) -> dict[str, Any]:
    return {"hiding": hiding, "targets": ["tokens"]}


RECIPES: dict[str, Recipe] = {
    "masked": Recipe(title="places are hidden, projections of their pixels predicted", options=_hiding(places=0.75)),
    "tubes": Recipe(title="places are hidden at all dates", options=_hiding(places=0.9, tubes=True)),
    "incomplete": Recipe(
        title="of hidden places some pixels are seen (RingMo)", options=_hiding(places=0.75, pixels=0.6)
    ),
    "dates": Recipe(title="whole dates of a series are hidden", options=_hiding(places=0.25, dates=0.5), dates=8),
    "bands": Recipe(title="bands are hidden, and places", options=_hiding(places=0.5, bands=0.5)),
    "encoded": Recipe(
        title="what a following teacher makes of hidden places is predicted (data2vec)",
        options={"hiding": {"places": 0.6}, "targets": ["encoded"]},
        teacher_decay=FOLLOWING,
    ),
    "latent": Recipe(
        title="hidden places are told apart by what a following teacher makes of them (Galileo)",
        objective="latent",
        options={"hiding": {"places": 0.75}, "targets": ["encoded"]},
        teacher_decay=FOLLOWING,
    ),
    "projected": Recipe(
        title="hidden places are told apart by frozen projections of their pixels (OlmoEarth)",
        objective="latent",
        options={"hiding": {"places": 0.75}, "targets": ["tokens"]},
    ),
}
