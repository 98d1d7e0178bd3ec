"""Are maps better where fine cells stand beside coarse ones on the way back up, than where tokens are only enlarged?

Source:    U-Net, Ronneberger et al. 2015, arXiv:1505.04597; the baseline of the survey beside 3D-CNN.
Mechanism: pixels are halved four times and widened again, each scale beside what was there before (neck "unet").
Differs:   its way in and out is ours: tokens of the encoder stand at the bottom, the classes are asked for in words. No 3D-CNN.
WITHOUT:   the neck "mean": two convolutions over pixels and enlarged tokens.
Command:   rsfm train systems/unet --out runs/unet
           rsfm train systems/unet:WITHOUT --out runs/unet_without
Minutes:   6 and 4
Expected:  mIoU on places left out above WITHOUT and above the most frequent class.
Reached:   not run yet
Published: PANGAEA: U-Net 91.42 mIoU on Sen1Floods11; other data.
"""

import dataclasses

from rsfm.data.training.pipeline import Source
from rsfm.data.training.transforms import AugmentConfig
from rsfm.heads import HeadConfig
from rsfm.models.necks import NeckConfig
from rsfm.processor import HeadSlots
from rsfm.training.experiment import ExperimentConfig, find_config, load_module

SMALL = load_module(find_config("small"))
SCORE = {"dataset": "hls_optical", "split": "val", "task": "segmentation", "metric": "miou"}
DATASETS = {"hls_optical": SMALL.HlsOptical}
WINDOW = AugmentConfig(crop=64, location_drop=1.0, time_drop=1.0, brightness=0.2)
MAPS = Source(dataset="hls_optical", tasks=("segmentation",), batch_size=8, text_length=128, augment=WINDOW)


def necked(neck: NeckConfig) -> ExperimentConfig:
    """Maps of land cover through a neck."""
    return dataclasses.replace(
        SMALL.CONFIG,
        name="unet",
        model=dataclasses.replace(
            SMALL.CONFIG.model,
            streams={"optical": SMALL.optical(size=64, patch=16, bands=7, pyramid=False)},
            heads={"mask": HeadConfig()},
            necks={"pixels": neck},
        ),
        processor=dataclasses.replace(
            SMALL.CONFIG.processor, heads={"mask": HeadSlots(slots=11)}, map_streams=("optical",)
        ),
        train=SMALL.trained(250),
        data=(MAPS,),
        init_parts={},
    )


CONFIG, WITHOUT = necked(NeckConfig(kind="unet", hidden=32)), necked(NeckConfig(kind="mean"))
