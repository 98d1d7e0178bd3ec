"""Do weak labels from the names of aerial scenes teach nano land cover that its two labelled Sentinel tiles do not show?

Command:   rsfm train experiments/configs/nano_maps.py --out runs/nano_maps      (starts from runs/nano, see nano.py)
           python experiments/release.py runs/nano_maps rsfm/checkpoints/nano --calibrate fuel_moisture:val
Data:      the mask sources of nano.py; aid_rsicd train, where a scene of one cover counts as a mask of it ("farmland" -> crops), and the
           one BigEarthNet training patch with a single tag. No Sentinel pixel of European crops is labelled in training.
Trained:   only what makes masks; words and numbers pass through parameters that stay bit for bit as they were.
Expected:  land cover on the tile left out above the training majority (mIoU .019) by a clear margin.
Result:    experiments/results/nano.jsonl and LOG.md.
"""

import dataclasses

from rsfm.data.datasets.terramesh import LEGEND as LAND_COVER
from rsfm.data.training.pipeline import Source
from rsfm.data.training.transforms import AugmentConfig
from rsfm.training.config import OptimizerConfig, TrainConfig
from rsfm.training.experiment import load_config

NANO = load_config("nano")
SCENE_COVER: dict[str, tuple[str, ...]] = {
    "farmland": ("crops",),
    "forest": ("trees",),
    "meadow": ("rangeland",),
    "bare land": ("bare ground",),
    "desert": ("bare ground",),
    "dense residential": ("built area",),
    "medium residential": ("built area",),
    "commercial": ("built area",),
    "industrial": ("built area",),
}
# Of BigEarthNet's classes (CORINE): each pixel is of one of the classes of all the patch's tags. CORINE's pastures are fenced
# and sown or mown; the global legend calls planted grass crops, and rangeland what nobody plots.
TAG_COVER: dict[str, tuple[str, ...]] = {
    "Arable land": ("crops",),
    "Pastures": ("crops",),
    "Coniferous forest": ("trees",),
    "Mixed forest": ("trees",),
    "Transitional woodland, shrub": ("trees", "rangeland"),
    "Inland wetlands": ("flooded vegetation", "rangeland"),
    "Inland waters": ("water",),
}
STAY = (
    "encoder",
    "decoder",
    "connector",
    "location",
    "heads.value",
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
LIT = AugmentConfig(
    brightness=0.6,
    tilt=0.15,
    haze=0.04,
    backscatter_db=4.0,
    elevation_m=1000.0,
    location_drop=0.7,
    time_drop=0.7,
    band_drop=0.1,
    visible_only=0.4,
    stream_drop=0.5,
)
RARE = dataclasses.replace(LIT, crop=160, mosaic=40, class_even=0.8, dates=1)


def weak(
    dataset: str, cover: dict[str, tuple[str, ...]], weight: float, batch_size: int, augment: AugmentConfig
) -> Source:
    """A source whose scenes stand for masks."""
    return Source(
        dataset=dataset,
        tasks=("segmentation",),
        weight=weight,
        batch_size=batch_size,
        text_length=96,
        weak_masks=cover,
        legend=LAND_COVER,
        augment=augment,
    )


CROPS, TILES, _, PATCH = (source for source in NANO.data if source.tasks[0] == "segmentation")
CONFIG = dataclasses.replace(
    NANO,
    name="nano_maps",
    train=TrainConfig(
        steps=500,
        optimizer=OptimizerConfig(learning_rate=1e-3, warmup_steps=20, final_fraction=0.01, weight_decay=0.05),
        freeze=STAY,
        save_every=0,
        average_decay=0.98,
    ),
    data=(
        dataclasses.replace(CROPS, weight=0.26),
        dataclasses.replace(TILES, weight=0.08, augment=dataclasses.replace(LIT, crop=160)),
        dataclasses.replace(TILES, weight=0.2, augment=dataclasses.replace(RARE, dates=0)),
        dataclasses.replace(PATCH, weight=0.16, augment=RARE),
        weak("aid_rsicd", SCENE_COVER, 0.18, 16, dataclasses.replace(LIT, crop=100, zoom=0.5, brightness=0.3)),
        weak("bigearthnet", TAG_COVER, 0.12, 4, LIT),
    ),
    init_from="runs/nano",
    init_parts={},
)
