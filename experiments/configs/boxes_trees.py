"""Can nano learn to box small things from one picture of crowns and one of ships, and count by boxes in a place it never saw?

Command:   rsfm train experiments/configs/boxes_trees.py --out runs/boxes_trees
           python experiments/release.py runs/boxes_trees runs/release/boxes_trees --window 160
           python -m experiments.taught runs/release/boxes_trees boxes_trees nano_maps nano
           python -m experiments.detection runs/release/boxes_trees --gate
Source:    the shipped nano, whose words, numbers and maps pass through parameters that stay bit for bit as they were.
Data:      deepforest train (61 crowns of OSBS_029, Florida) and dota train (the western tiles of P0706, ships and harbors).
           Held out by place: deepforest test (37 crowns of SOAP_061, California) and the eastern tiles of P0706. Two pictures
           are smoke-size: the rows show that the mechanism works, and say nothing about trees at large.
Mechanism: a U-Net neck of its own (necks.boxes) and the box head (CenterNet-like, boxes as seven smooth numbers, stride 2).
Trained:   that neck and that head.
Expected:  AP50 of ships above .3 on the eastern tiles; crowns, of another forest across the continent, below that;
           counts with a smaller mean error than the mean of the training crops.
Result:    not reached. Of the 240 steps a shared CPU did 141 in ten minutes: the boxes have the mean size of their class and
           hardly know where the things are. AP50 .002 (crowns) and .001 (ships) where template matching has .036 and .000;
           count errors 6.0 and 8.8 against 2.3 and 9.5. Rows: experiments/results/detection.jsonl; see LOG.md.
"""

import dataclasses

from rsfm.data.root import REPOSITORY
from rsfm.data.training.pipeline import Source
from rsfm.data.training.transforms import AugmentConfig
from rsfm.heads import BoxConfig, HeadConfig
from rsfm.models.necks import NeckConfig
from rsfm.models.sizes import windowed
from rsfm.processor import Processor
from rsfm.training.config import LossConfig, OptimizerConfig, TrainConfig
from rsfm.training.experiment import load_config

NANO, SHIPPED = load_config("nano"), "rsfm/checkpoints/nano"
KNOWN = Processor.load(REPOSITORY / SHIPPED).config  # what nano was taught goes on to hold
WINDOW = 128  # pixels in training; scenes are read in windows of 160
LIT = AugmentConfig(crop=WINDOW, zoom=0.35, brightness=0.25, tilt=0.1, haze=0.03, location_drop=1.0, time_drop=1.0)


def boxes(dataset: str, weight: float, split: str = "train", augment: AugmentConfig = LIT) -> Source:
    """A source of boxes."""
    return Source(
        dataset=dataset,
        split=split,
        tasks=("detection",),
        weight=weight,
        batch_size=4,
        text_length=48,
        augment=augment,
    )


CONFIG = dataclasses.replace(
    NANO,
    name="boxes_trees",
    model=dataclasses.replace(
        windowed(NANO.model, WINDOW),
        necks=NANO.model.necks | {"boxes": NeckConfig(kind="unet")},
        heads={
            "value": NANO.model.heads["value"],
            "mask": NANO.model.heads["mask"],
            "box": HeadConfig(options=BoxConfig(), neck="boxes"),
        },
    ),
    processor=dataclasses.replace(KNOWN, heads={}),
    train=TrainConfig(
        steps=240,
        optimizer=OptimizerConfig(learning_rate=4e-3, warmup_steps=15, final_fraction=0.02, weight_decay=0.05),
        loss=LossConfig(weights=LossConfig().weights | {"text": 0.0}),
        freeze=("*", "!necks.boxes", "!heads.box"),
        save_every=20,
        average_decay=0.95,
    ),
    data=(boxes("deepforest", 0.45), boxes("dota", 0.55)),
    init_parts={
        part: SHIPPED
        for part in (
            "tokenizers",
            "location",
            "encoder",
            "connector",
            "decoder",
            "heads.value",
            "heads.mask",
            "necks.pixels",
        )
    },
)
