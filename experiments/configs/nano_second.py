"""The second stage of nano: more of the scenes, asked alone. See nano.py for the question and the result.

Command:   rsfm train experiments/configs/nano_second.py --out runs/nano_second        (starts from runs/nano_first)
Expected:  scene loss about 0.15 a token in the last hundred steps.
Result:    LOG.md, 2026-11-21.
"""

import json

from rsfm.config import from_json
from rsfm.data.normalize import BandStatistics
from rsfm.data.pipeline import Source
from rsfm.data.root import REPOSITORY
from rsfm.data.transforms import AugmentConfig
from rsfm.models.sizes import SIZES
from rsfm.processor import ProcessorConfig
from rsfm.quantities import Quantity
from rsfm.training.config import OptimizerConfig, TrainConfig
from rsfm.training.experiment import ExperimentConfig

FITTED = json.loads((REPOSITORY / "tokenizers/normalization/statistics.json").read_text(encoding="utf-8"))
LAND_COVER = (
    "water",
    "trees",
    "flooded vegetation",
    "crops",
    "built area",
    "bare ground",
    "snow and ice",
    "clouds",
    "rangeland",
)
CROPS = (
    "alfalfa",
    "corn no-till",
    "corn min-till",
    "corn",
    "grass pasture",
    "grass trees",
    "grass pasture mowed",
    "hay windrowed",
    "oats",
    "soybean no-till",
    "soybean min-till",
    "soybean clean",
    "wheat",
    "woods",
    "buildings grass trees drives",
    "stone steel towers",
)
EOLEARN_NAMES = {
    "cultivated land": "crops",
    "forest": "trees",
    "grassland": "rangeland",
    "shrubland": "rangeland",
    "artificial surface": "built area",
}
STILL = AugmentConfig(flip=False, rotate=False)

CONFIG = ExperimentConfig(
    name="nano_second",
    model=SIZES["nano"],
    processor=ProcessorConfig(
        streams={},
        statistics=from_json(dict[str, BandStatistics], FITTED["sensors"]),
        quantities=from_json(tuple[Quantity, ...], FITTED["quantities"]),
        legends={"land cover": LAND_COVER, "crops": CROPS},
    ),
    train=TrainConfig(
        steps=1100,
        optimizer=OptimizerConfig(learning_rate=8e-4, warmup_steps=20, final_fraction=0.01, weight_decay=0.05),
        freeze=("tokenizers.optical.pyramid",),
        save_every=100,
        average_decay=0.99,
    ),
    data=(
        Source(dataset="aid_rsicd", tasks=("scene",), weight=0.42, batch_size=32, text_length=24),
        Source(dataset="aid_rsicd", tasks=("scene", "captioning"), weight=0.22, batch_size=32, text_length=80),
        Source(
            dataset="fuel_moisture", tasks=("regression",), weight=0.05, batch_size=64, text_length=24, augment=STILL
        ),
        Source(
            dataset="indian_pines",
            tasks=("segmentation",),
            weight=0.13,
            batch_size=8,
            text_length=192,
            augment=AugmentConfig(crop=32, band_drop=0.1),
        ),
        Source(
            dataset="terramesh",
            tasks=("segmentation", "vqa"),
            weight=0.07,
            batch_size=4,
            text_length=96,
            augment=AugmentConfig(crop=160, band_drop=0.1, brightness=0.2),
        ),
        Source(
            dataset="eolearn",
            tasks=("segmentation",),
            weight=0.05,
            batch_size=4,
            text_length=96,
            rename=EOLEARN_NAMES,
            augment=AugmentConfig(band_drop=0.1, brightness=0.2, dates=1),
        ),
        Source(
            dataset="deepforest",
            tasks=("counting",),
            weight=0.04,
            batch_size=32,
            text_length=80,
            augment=AugmentConfig(brightness=0.2),
        ),
        Source(
            dataset="bigearthnet",
            tasks=("multilabel", "vqa"),
            weight=0.02,
            batch_size=8,
            text_length=64,
            augment=AugmentConfig(band_drop=0.1),
        ),
    ),
    init_from="runs/nano_first",
)
