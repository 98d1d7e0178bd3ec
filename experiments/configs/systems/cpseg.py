"""Is a map better when the model first says in words which classes there are, and draws with that before it?

Source:    CPSeg, Li 2024, arXiv:2310.16069.
Mechanism: a chain of thought before the mask: the dialogue has a fixed order, first which classes the picture has, in the model's own
           words, then the map, whose mask tokens read what was said.
Differs:   flood pictures and CLIP's text encoder there; here land cover in HLS pictures and one decoder for words and masks.
WITHOUT:   the map alone is asked, in training and when scored.
Command:   rsfm train systems/cpseg --out runs/cpseg
           rsfm train systems/cpseg:WITHOUT --out runs/cpseg_without
Minutes:   6 and 4
Expected:  mIoU, at the 64 x 64 cells the model sees, above the most frequent class; whether above WITHOUT is the question: what is said is
           wrong at times.
Reached:   not run yet
"""

import dataclasses

import numpy as np

from rsfm.data.training.pipeline import Source
from rsfm.data.training.transforms import AugmentConfig
from rsfm.heads import HeadConfig
from rsfm.processor import HeadSlots
from rsfm.tasks import TASKS
from rsfm.tasks.dialogue import Dialogue, plain
from rsfm.tasks.segmentation import Segmentation
from rsfm.training.experiment import ExperimentConfig, find_config, load_module
from rsfm.types import Record

SMALL = load_module(find_config("small"))
BEFORE, LEAST = "Which kinds of land cover are there?", 0.02  # share of the picture that a class named must have
SCORE_WITHOUT = {"dataset": "hls_optical", "split": "val", "kind": "map", "metric": "miou"}
SCORE = {**SCORE_WITHOUT, "before": BEFORE}
DATASETS = {"hls_optical": SMALL.HlsOptical}


class Whole(Segmentation):
    """A map of the full legend."""

    name = "whole_map"

    def __init__(self) -> None:
        super().__init__(subset=0.0, single=0.0)


class Reasoned(Whole):
    """A map after the classes have been named, those of most pixels first."""

    name = "reasoned_map"

    def dialogue(self, record: Record, rng: np.random.Generator) -> Dialogue | None:
        known = super().dialogue(record, rng)
        if known is None or record.mask is None:
            return None
        shares = sorted(zip(record.mask.shares, record.mask.legend, strict=True), reverse=True)
        names = ", ".join(plain(name) for share, name in shares if share >= LEAST)
        return Dialogue(turns=((BEFORE, f"There is {names}."), *known.turns), spans=known.spans)


TASKS.update({task.name: task for task in (Whole(), Reasoned())})


def asked(task: str) -> ExperimentConfig:
    """Maps of land cover, learned by this task."""
    window = AugmentConfig(crop=64, location_drop=1.0, time_drop=1.0, brightness=0.2)
    maps = Source(dataset="hls_optical", tasks=(task,), batch_size=8, text_length=192, augment=window)
    return dataclasses.replace(
        SMALL.CONFIG,
        name="cpseg",
        model=dataclasses.replace(
            SMALL.CONFIG.model,
            streams={"optical": SMALL.optical(size=64, patch=8, bands=7, pyramid=False)},
            heads={"mask": HeadConfig()},
        ),
        processor=dataclasses.replace(SMALL.CONFIG.processor, heads={"mask": HeadSlots(slots=11)}),
        train=SMALL.trained(250),
        data=(maps,),
        init_parts={},
    )


CONFIG, WITHOUT = asked(Reasoned.name), asked(Whole.name)
