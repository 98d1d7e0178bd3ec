"""Can one set of weights of a few million parameters name and describe pictures, map land cover and crops, and read numbers?

Command:   rsfm train experiments/configs/nano.py --out runs/nano
           python experiments/release.py runs/nano rsfm/checkpoints/nano --calibrate fuel_moisture:val
Data:      training splits only: aid_rsicd, fuel_moisture, indian_pines (disjoint30, seed 0; train and val, as its baselines),
           terramesh (two tiles of three), eolearn, deepforest, bigearthnet, cawa.
Weights:   the pyramid of the optical stream is EfficientNet-lite0 (ImageNet), frozen; all else starts from the seed.
Expected:  scene accuracy from generated text on aid_rsicd val .84; the frozen network with a logistic probe reaches .858.
Result:    experiments/results/nano.jsonl and LOG.md.

On a larger machine the same command takes more steps, and the pyramid may learn:
    rsfm train experiments/configs/nano.py --out runs/nano --train.steps 20000 --train.freeze "[]"
"""

import dataclasses

from rsfm.data.datasets.indian_pines import LEGEND as CROPS
from rsfm.data.datasets.terramesh import LEGEND as LAND_COVER
from rsfm.data.training.pipeline import Source
from rsfm.data.training.transforms import AugmentConfig
from rsfm.models.sizes import SIZES
from rsfm.processor import ProcessorConfig
from rsfm.processor.fitted import fitted_quantities, fitted_statistics
from rsfm.training.config import OptimizerConfig, TrainConfig
from rsfm.training.experiment import ExperimentConfig

# The Slovenian map knows who farms; the global one calls planted grass crops and the rest rangeland.
EOLEARN_NAMES: dict[str, tuple[str, ...]] = {
    "cultivated land": ("crops",),
    "forest": ("trees",),
    "grassland": ("crops", "rangeland"),
    "shrubland": ("rangeland",),
    "artificial surface": ("built area",),
}
STILL = AugmentConfig(flip=False, rotate=False)
# Few scenes carry labels: their places, layouts and light must not be learned by heart.
WINDOW = AugmentConfig(
    crop=160, band_drop=0.1, brightness=0.3, tilt=0.15, haze=0.04, stream_drop=0.3, location_drop=0.7, dates=1
)
MOSAIC = dataclasses.replace(WINDOW, mosaic=40)

CONFIG = ExperimentConfig(
    name="nano",
    model=SIZES["nano"],
    processor=ProcessorConfig(
        streams={},
        statistics=fitted_statistics(),
        quantities=fitted_quantities(),
        legends={"land cover": LAND_COVER, "crops": CROPS},
        map_streams=(
            "optical",
            "hsi",
            "sar",
        ),  # elevation came with the labelled tiles only, and told them from the rest
    ),
    train=TrainConfig(
        steps=2400,
        optimizer=OptimizerConfig(learning_rate=1e-3, warmup_steps=60, final_fraction=0.01, weight_decay=0.05),
        freeze=("tokenizers.optical.pyramid",),
        save_every=300,
        average_decay=0.99,
    ),
    data=(
        # Of the tokens of a whole conversation one in twenty tells the class, so the scene is asked alone as well.
        Source(dataset="aid_rsicd", tasks=("scene",), weight=0.38, batch_size=32, text_length=24),
        Source(dataset="aid_rsicd", tasks=("scene", "captioning"), weight=0.18, batch_size=32, text_length=80),
        Source(
            dataset="fuel_moisture", tasks=("regression",), weight=0.07, batch_size=64, text_length=24, augment=STILL
        ),
        Source(
            dataset="indian_pines",
            split="trainval",
            tasks=("segmentation",),
            weight=0.13,
            batch_size=8,
            text_length=192,
            augment=AugmentConfig(crop=32, mosaic=8, class_even=0.1, band_drop=0.1, tilt=0.03, location_drop=0.5),
        ),
        Source(
            dataset="terramesh",
            tasks=("segmentation", "vqa"),
            weight=0.05,
            batch_size=4,
            text_length=96,
            augment=WINDOW,
        ),
        Source(dataset="terramesh", tasks=("segmentation",), weight=0.03, batch_size=4, text_length=96, augment=MOSAIC),
        Source(
            dataset="eolearn",
            tasks=("segmentation",),
            weight=0.08,
            batch_size=4,
            text_length=96,
            rename=EOLEARN_NAMES,
            legend=LAND_COVER,
            augment=MOSAIC,
        ),
        Source(
            dataset="deepforest",
            tasks=("counting",),
            weight=0.03,
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
            augment=AugmentConfig(band_drop=0.1, location_drop=0.5),
        ),
        Source(
            dataset="cawa",
            tasks=("scene",),
            weight=0.03,
            batch_size=64,
            text_length=24,
            augment=AugmentConfig(flip=False, rotate=False, date_drop=0.2),
        ),
    ),
    init_parts={"tokenizers.optical.pyramid": "tokenizers/efficientnet_lite0/model.safetensors"},
)
