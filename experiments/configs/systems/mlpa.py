"""Are crops told better in a region without labels, when its fields must look to the encoder as those with labels do?

Source:    multi-level feature alignment between hyperspectral scenes (MLPA, of the survey); the discrepancy is that of DAN,
           arXiv:1502.02791.
Mechanism: the maximum mean discrepancy between labelled fields and those of the other region, before the encoder and behind it,
           is a loss beside the words (objective domain).
Differs:   hyperspectral scenes there; here series of 23 NDVI dates, two regions with labels and one (Khorezm) whose labels are
           not read: its fields are the ones scored, as is usual where the target domain is known but for its labels.
WITHOUT:   the same batches without that loss.
Command:   rsfm train systems/mlpa --out runs/mlpa
           rsfm train systems/mlpa:WITHOUT --out runs/mlpa_without
Minutes:   3 each
Expected:  accuracy in Khorezm above WITHOUT; most frequent crop .481, forest .602.
Reached:   not run yet
"""

import dataclasses
from pathlib import Path

import numpy as np

from rsfm.data.datasets.cawa import Cawa
from rsfm.data.training.pipeline import Source
from rsfm.tasks import TASKS
from rsfm.tasks.dialogue import Dialogue
from rsfm.tasks.scene import Scene
from rsfm.training.experiment import ExperimentConfig, find_config, load_module
from rsfm.types import Record

SMALL = load_module(find_config("small"))
SCORE = {"dataset": "cawa", "split": "test", "task": "scene", "metric": "accuracy"}


class TwoRegions:
    """Fields with their crop and fields of the test region without it, one after the other."""

    def __init__(self, root: Path, split: str) -> None:
        self.labelled, self.other = Cawa(root, "train"), Cawa(root, "test")

    def __len__(self) -> int:
        return 2 * len(self.labelled)

    def __getitem__(self, i: int) -> Record:
        if not 0 <= i < len(self):
            raise IndexError(i)
        if i % 2:
            return dataclasses.replace(self.other[i // 2 % len(self.other)], scene=None)
        return self.labelled[i // 2]


class SceneWhereKnown(Scene):
    """As Scene; a record without a scene teaches without words."""

    name = "scene_where_known"

    def dialogue(self, record: Record, rng: np.random.Generator) -> Dialogue | None:
        return super().dialogue(record, rng) or Dialogue(turns=())


DATASETS = {"two_regions": TwoRegions}
TASKS.setdefault(SceneWhereKnown.name, SceneWhereKnown())


def learned(*objectives: str) -> ExperimentConfig:
    """Crops of both regions, learned by these objectives."""
    fields = Source(
        dataset="two_regions",
        tasks=(SceneWhereKnown.name,),
        objectives=objectives,
        batch_size=96,
        text_length=24,
        augment=SMALL.STILL,
    )
    return dataclasses.replace(
        SMALL.CONFIG,
        name="mlpa",
        model=dataclasses.replace(SMALL.CONFIG.model, streams={"series": SMALL.series(times=23, bands=1)}),
        train=SMALL.trained(300),
        data=(fields,),
        init_parts={},
    )


CONFIG = learned("dialogue", "domain")
WITHOUT = learned("dialogue")
