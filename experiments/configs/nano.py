"""Can one set of weights of a few million parameters name and describe pictures, map land cover and crops, and read numbers?

Command:   rsfm train experiments/configs/nano_first.py --out runs/nano_first
           rsfm train experiments/configs/nano_second.py --out runs/nano_second      (starts from runs/nano_first)
           rsfm train experiments/configs/nano.py --out runs/nano                    (starts from runs/nano_second)
           python experiments/release.py runs/nano rsfm/checkpoints/nano --calibrate fuel_moisture:val
Data:      train splits only: aid_rsicd, fuel_moisture, indian_pines (disjoint30, seed 0), terramesh (two tiles of three), eolearn,
           deepforest, bigearthnet, cawa. Test splits chose no setting, but were looked at between stages (LOG.md).
Weights:   the pyramid of the optical stream is EfficientNet-lite0 (ImageNet), frozen; all else starts from the seed.
Stages:    all tasks together (nano_first), scenes asked alone (nano_second), here only what makes masks.
Expected:  scene accuracy from generated text on aid_rsicd val .80; the frozen network with a logistic probe reaches .858.
Result:    see LOG.md and experiments/results/nano.jsonl.

On a larger machine train the first stage longer, on whole conversations and all sources, and release that:
    rsfm train experiments/configs/nano_first.py --out runs/nano_first --train.steps 20000 --train.stop_after 0
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
# The last stage trains what makes masks, and leaves everything that words and numbers pass through as it is.
STAY = (
    "encoder",
    "decoder",
    "connector",
    "location",
    "value_experts",
    "value_head",
    "tokenizers.series",
    *(
        f"tokenizers.optical.{part}"
        for part in (
            "pyramid",
            "from_pyramid",
            "kernel",
            "group",
            "coverage",
            "calendar",
            "correction",
            "log_center",
            "log_sigma",
        )
    ),
)

CONFIG = ExperimentConfig(
    name="nano",
    model=SIZES["nano"],
    processor=ProcessorConfig(
        streams={},
        statistics=from_json(dict[str, BandStatistics], FITTED["sensors"]),
        quantities=from_json(tuple[Quantity, ...], FITTED["quantities"]),
        legends={"land cover": LAND_COVER, "crops": CROPS},
    ),
    train=TrainConfig(
        steps=500,
        optimizer=OptimizerConfig(learning_rate=2e-3, warmup_steps=20, final_fraction=0.01, weight_decay=0.02),
        freeze=STAY,
        save_every=100,
        average_decay=0.98,
    ),
    data=(
        Source(
            dataset="indian_pines",
            tasks=("segmentation",),
            weight=0.6,
            batch_size=8,
            text_length=192,
            augment=AugmentConfig(crop=32, band_drop=0.1),
        ),
        Source(
            dataset="terramesh",
            tasks=("segmentation",),
            weight=0.25,
            batch_size=4,
            text_length=96,
            augment=AugmentConfig(crop=160, band_drop=0.1, brightness=0.2),
        ),
        Source(
            dataset="eolearn",
            tasks=("segmentation",),
            weight=0.15,
            batch_size=4,
            text_length=96,
            rename=EOLEARN_NAMES,
            augment=AugmentConfig(band_drop=0.1, brightness=0.2, dates=1),
        ),
    ),
    init_from="runs/nano_second",
)
