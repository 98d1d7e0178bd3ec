"""Do differences between two dates, in the features of a model that never compared any, find what changed? Smoke-size.

Command:   rsfm train experiments/configs/change_pairs.py --out runs/change_abs                (starts from the shipped nano)
           rsfm train experiments/configs/change_pairs.py --model.necks.pixels.difference cosine --out runs/change_cosine
           rsfm evaluate runs/change_abs/model --dataset landsat_change --split test --pieces 256
           python -m experiments.change                                                        (baselines without learning)
Data:      training splits only: half a Landsat scene and three aerial pairs; the radar pairs of heterogeneous_change are one
           more source, `pairs("heterogeneous_change", 0.2)`, and one more structure to compile.
Trained:   the neck, the mask head with its experts, the features of single pixels; all else stays as it was.
Expected:  above change vector analysis on landsat_change, whose train and test ground adjoin; nothing on Beijing and Italy.
Result:    abs, 150 steps of four windows (three minutes on two busy cores): F1 .785 [.619, .872] on landsat_change, under
           change vectors (.929) and IR-MAD (.960); .118 [.067, .170] on levir_cd, whose three training pairs are too few
           (change vectors .214). concat and cosine were not trained to the end. Rows in results/change.jsonl.
"""

import dataclasses

from rsfm.data.training.pipeline import Source
from rsfm.data.training.transforms import AugmentConfig
from rsfm.heads import HeadConfig
from rsfm.models.necks import NeckConfig
from rsfm.models.sizes import windowed
from rsfm.training.config import LossConfig, OptimizerConfig, TrainConfig
from rsfm.training.experiment import load_config

NANO, SHIPPED = load_config("nano"), "rsfm/checkpoints/nano"
WINDOW = 64  # pixels in training: as many a minute as the CPU allows
MASK: HeadConfig = NANO.model.heads["mask"]
# Few pairs: their places, days and light must not be learned by heart.
PAIRS = AugmentConfig(
    crop=WINDOW, class_even=0.6, brightness=0.25, tilt=0.1, band_gain=0.08, location_drop=1.0, time_drop=0.5
)
STILL = AugmentConfig(flip=False, rotate=False, location_drop=1.0, crop=WINDOW)


def pairs(dataset: str, weight: float, split: str = "train", augment: AugmentConfig = PAIRS) -> Source:
    """A source of pairs with their change."""
    return Source(
        dataset=dataset,
        split=split,
        tasks=("change",),
        weight=weight,
        batch_size=4,
        text_length=32,
        augment=augment,
    )


CONFIG = dataclasses.replace(
    NANO,
    name="change_pairs",
    model=dataclasses.replace(
        windowed(NANO.model, WINDOW),
        encoder=dataclasses.replace(NANO.model.encoder, unroll=1),
        necks={"pixels": NeckConfig(kind="difference", hidden=32, depth=3)},
        heads=NANO.model.heads
        | {"mask": dataclasses.replace(MASK, options={"losses": ["cross_entropy", "dice"], "balance": 0.3})},
    ),
    train=TrainConfig(
        steps=150,
        optimizer=OptimizerConfig(learning_rate=2e-3, warmup_steps=20, final_fraction=0.02, weight_decay=0.05),
        loss=LossConfig(weights=LossConfig().weights | {"mask_dice": 0.5}),
        freeze=("*", "!necks", "!heads.mask", "!tokenizers.optical.pixel_local", "!tokenizers.sar.pixel_local"),
        save_every=50,
        average_decay=0.95,
    ),
    data=(
        pairs("landsat_change", 0.5),
        pairs("levir_cd", 0.5),
    ),
    validation=(pairs("heterogeneous_change", 1.0, split="val", augment=STILL),),
    init_parts={part: SHIPPED for part in ("tokenizers", "location", "encoder", "connector", "decoder", "heads")},
)
