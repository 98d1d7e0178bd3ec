"""Do losses on the border and on the whole region draw a better outline than cross entropy of pixels?

Source:    LBA-MCNet, the boundary-aware saliency network of the survey; region loss: arXiv:1606.04797.
Mechanism: beside cross entropy a loss on the pixels at a border alone, and one on the overlap of regions; context of several scales by
           the neck "unet".
Differs:   salient objects in aerial pictures there; water in HLS pictures of 192 places here.
WITHOUT:   cross entropy of all pixels alone, same neck.
Command:   rsfm train systems/lba_mcnet --out runs/lba_mcnet
           rsfm train systems/lba_mcnet:WITHOUT --out runs/lba_mcnet_without
Minutes:   6 each
Expected:  mIoU of water and ground on places left out above WITHOUT; a water index above zero has .93 accuracy of water there.
Reached:   not run yet
"""

import dataclasses

import numpy as np

from rsfm.data.training.pipeline import Source
from rsfm.data.training.transforms import AugmentConfig
from rsfm.heads import HeadConfig
from rsfm.heads.mask import MaskConfig
from rsfm.models.necks import NeckConfig
from rsfm.processor import HeadSlots
from rsfm.training.experiment import ExperimentConfig, find_config, load_module
from rsfm.types import Mask, Record

SMALL = load_module(find_config("small"))
SCORE = {"dataset": "water", "split": "val", "task": "segmentation", "metric": "miou"}
LEGEND, WATER = ("ground", "water"), "permanent water bodies"


class Water(SMALL.HlsOptical):  # type: ignore[name-defined]
    """HLS pictures with water and ground; pictures without water are among them."""

    def __getitem__(self, i: int) -> Record:
        record = super().__getitem__(i)
        assert record.mask is not None
        index = record.mask.class_index
        water = (index == record.mask.legend.index(WATER)).astype(np.int64)
        return dataclasses.replace(record, mask=Mask(class_index=np.where(index >= 0, water, -1), legend=LEGEND))


DATASETS = {"water": Water}
WINDOW = AugmentConfig(crop=64, location_drop=1.0, time_drop=1.0, brightness=0.2, class_even=0.8)
MAPS = Source(dataset="water", tasks=("segmentation",), batch_size=8, text_length=32, augment=WINDOW)


def lost(*losses: str) -> ExperimentConfig:
    """Masks learned by these losses."""
    return dataclasses.replace(
        SMALL.CONFIG,
        name="lba_mcnet",
        model=dataclasses.replace(
            SMALL.CONFIG.model,
            streams={"optical": SMALL.optical(size=64, patch=16, bands=7, pyramid=False)},
            heads={"mask": HeadConfig(options=MaskConfig(losses=losses))},
            necks={"pixels": NeckConfig(kind="unet", hidden=32)},
        ),
        processor=dataclasses.replace(
            SMALL.CONFIG.processor, heads={"mask": HeadSlots(slots=2)}, map_streams=("optical",)
        ),
        train=SMALL.trained(200),
        data=(MAPS,),
        init_parts={},
    )


CONFIG, WITHOUT = lost("cross_entropy", "boundary", "dice"), lost("cross_entropy")
