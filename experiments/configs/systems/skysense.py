"""Does a series teach itself, when a part of its dates must be recognised as the whole of it?

Source:    SkySense, Guo et al. 2024, arXiv:2312.10115.
Mechanism: contrast on two scales between what a student makes of half the dates and what a teacher, the exponential mean of its
           weights, makes of all of them: the series among those of the batch, each date among those of its series.
Differs:   there optical pictures, Sentinel-2 and Sentinel-1 series, and region prototypes; here one series of 23 NDVI dates
           (CAWA, Central Asia), and crops named from one in twenty labels in a region never seen.
WITHOUT:   the second stage alone.
Command:   rsfm train systems/skysense --out runs/skysense
           rsfm train systems/skysense:WITHOUT --out runs/skysense_without
Minutes:   3 and 1
Expected:  accuracy in Khorezm above WITHOUT and above the most frequent crop (.481); a forest on all labels has .602.
Reached:   not run yet
Published: AID 97.68, LEVIR-CD F1 92.58; other data.
"""

import dataclasses
from pathlib import Path

from rsfm.data.datasets.cawa import Cawa
from rsfm.data.training.pipeline import Records, Source
from rsfm.training.experiment import Stage, find_config, load_module
from rsfm.types import Record

SMALL = load_module(find_config("small"))
SCORE = {"dataset": "cawa", "split": "test", "task": "scene", "metric": "accuracy"}


class Few:
    """Every twentieth field of CAWA's training regions."""

    def __init__(self, root: Path, split: str) -> None:
        self.whole: Records = Cawa(root, split)

    def __len__(self) -> int:
        return len(self.whole) // 20

    def __getitem__(self, i: int) -> Record:
        if not 0 <= i < len(self):
            raise IndexError(i)
        return self.whole[20 * i]


DATASETS = {"few_fields": Few}
FIELDS = Source(dataset="cawa", objectives=("align",), batch_size=64, text_length=16, augment=SMALL.STILL)
FEW = Source(dataset="few_fields", tasks=("scene",), batch_size=64, text_length=24, augment=SMALL.STILL)
VIEWS = {"align": {"hiding": {"places": 0.0, "dates": 0.5}}}

SERIES = dataclasses.replace(
    SMALL.CONFIG,
    name="skysense",
    model=dataclasses.replace(SMALL.CONFIG.model, streams={"series": SMALL.series(times=23, bands=1)}),
    init_parts={},
)
CONFIG = dataclasses.replace(
    SERIES,
    stages=(
        Stage(name="views", data=(FIELDS,), train=SMALL.trained(250, 1e-3, objectives=VIEWS, teacher_decay=0.98)),
        Stage(name="crops", data=(FEW,), train=SMALL.trained(200)),
    ),
)
WITHOUT = dataclasses.replace(SERIES, data=(FEW,), train=SMALL.trained(200))
