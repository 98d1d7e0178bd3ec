"""Do pixels of several scales, one vocabulary of land cover and many places give nano maps that hold on new ground?

Command:   rsfm train experiments/configs/nano_cover.py --out runs/nano_cover     (starts from the shipped nano)
           python -m experiments.cover --checkpoints nano runs/release/nano      (validation places, after the next line)
           python experiments/release.py runs/nano_cover runs/release/nano --window 160 --calibrate fuel_moisture:val
Data:      training splits only: hls_worldcover306, satclip_s2_global, terramesh (two tiles of three, L2A and L1C), eolearn,
           indian_pines, and the scenes of aid_rsicd and the tags of bigearthnet as weak masks; in the common legend, and where
           a data set has its own, in that too.
Trained:   the neck, the mask head with its experts and the features of single pixels; words and numbers pass through
           parameters that stay bit for bit as they were.
Expected:  val of hls_worldcover306 and satclip_s2_global above a random forest on a pixel.
Result:    LOG.md.
"""

import dataclasses

from rsfm.data.datasets.indian_pines import LEGEND as CROPS
from rsfm.data.landcover import COMMON_NAMES, COVER
from rsfm.data.training.pipeline import Source
from rsfm.data.training.transforms import AugmentConfig
from rsfm.heads import HeadConfig
from rsfm.models.necks import NeckConfig
from rsfm.models.sizes import windowed
from rsfm.training.config import LossConfig, OptimizerConfig, TrainConfig
from rsfm.training.experiment import load_config

NANO, SHIPPED = load_config("nano"), "rsfm/checkpoints/nano"
WINDOW = 96  # pixels in training: as many places a minute as the CPU allows; maps are made in windows of 160
MASK: HeadConfig = NANO.model.heads["mask"]
SCENE_COVER: dict[str, tuple[str, ...]] = {
    "farmland": ("crops",),
    "forest": ("trees",),
    "meadow": ("grass",),
    "bare land": ("bare ground",),
    "desert": ("bare ground",),
    "mountain": ("trees", "bare ground", "shrub", "grass"),
    "dense residential": ("built area",),
    "medium residential": ("built area",),
    "commercial": ("built area",),
    "industrial": ("built area",),
}
# Of no product in particular: a constant that a header forgets, another correction of the air, other responses.
LIT = AugmentConfig(
    crop=WINDOW,
    class_even=0.6,
    brightness=0.25,
    tilt=0.1,
    haze=0.04,
    offset=0.02,
    band_gain=0.08,
    backscatter_db=3.0,
    location_drop=1.0,
    time_drop=1.0,
    band_drop=0.1,
    visible_only=0.1,
    dates=1,
)
PAIR = dataclasses.replace(LIT, stream_drop=0.4, visible_only=0.0)


def cover(dataset: str, weight: float, split: str = "train", augment: AugmentConfig = LIT, own: bool = False) -> Source:
    """A source of maps in the common legend, or in the data set's own."""
    return Source(
        dataset=dataset,
        split=split,
        tasks=("segmentation",),
        weight=weight,
        batch_size=8,
        text_length=128,
        augment=augment,
        rename={} if own else COMMON_NAMES[dataset],
        legend=() if own else COVER,
    )


def weak(dataset: str, names: dict[str, tuple[str, ...]], weight: float, augment: AugmentConfig) -> Source:
    """A source whose scenes or tags stand for masks."""
    return dataclasses.replace(
        cover("satclip_s2_global", weight, augment=augment), dataset=dataset, rename={}, weak_masks=names
    )


FIELDS = next(source for source in NANO.data if source.dataset == "indian_pines")
STILL = AugmentConfig(flip=False, rotate=False, location_drop=1.0, time_drop=1.0, dates=1, crop=WINDOW)
CONFIG = dataclasses.replace(
    NANO,
    name="nano_cover",
    model=dataclasses.replace(
        windowed(NANO.model, WINDOW),
        necks={"pixels": NeckConfig(kind="unet")},
        heads={
            "value": NANO.model.heads["value"],
            "mask": dataclasses.replace(MASK, options={"losses": ["cross_entropy", "dice"], "balance": 0.3}),
        },
    ),
    processor=dataclasses.replace(NANO.processor, legends={"land cover": COVER, "crops": CROPS}),
    train=TrainConfig(
        steps=3000,
        optimizer=OptimizerConfig(learning_rate=2e-3, warmup_steps=50, final_fraction=0.02, weight_decay=0.05),
        loss=LossConfig(weights=LossConfig().weights | {"mask_dice": 0.5}),
        freeze=("*", "!necks", "!heads.mask", *(f"!tokenizers.{s}.pixel_local" for s in ("optical", "hsi", "sar"))),
        save_every=25,
        average_decay=0.98,
        eval_every=100,
        eval_batches=4,
    ),
    data=(
        cover("hls_worldcover306", 0.26),
        cover("hls_worldcover306", 0.1, own=True),
        cover("hls_worldcover306", 0.04, split="flood_train"),
        cover("satclip_s2_global", 0.14),
        cover("satclip_s2_global", 0.04, own=True),
        cover("terramesh", 0.08, augment=PAIR),
        cover("terramesh", 0.06, augment=PAIR, own=True),
        cover("terramesh", 0.06, split="l1c_train", augment=PAIR),
        cover("eolearn", 0.06),
        weak("aid_rsicd", SCENE_COVER, 0.06, dataclasses.replace(LIT, zoom=0.5)),
        weak("bigearthnet", COMMON_NAMES["bigearthnet"], 0.04, PAIR),
        dataclasses.replace(FIELDS, weight=0.06),
    ),
    validation=(
        cover("hls_worldcover306", 0.7, split="val", augment=STILL),
        cover("satclip_s2_global", 0.3, split="val", augment=STILL),
    ),
    init_parts={part: SHIPPED for part in ("tokenizers", "location", "encoder", "connector", "decoder", "heads")},
)
