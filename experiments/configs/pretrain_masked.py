"""What does an encoder learn from imagery alone, when three quarters of every picture are hidden?

Command:   rsfm train experiments/configs/pretrain_masked.py --out runs/pretrain_masked
           python -m experiments.probe --checkpoints nano:random runs/pretrain_masked
Data:      the training splits of what the data folder has, without labels: aerial pictures, Landsat, Sentinel-2, AVIRIS.
Expected:  a probe above random weights on each data set; minutes of two cores are far from the end of learning.
Result:    LOG.md and experiments/results/probe.jsonl.

An encoder as wide as nano's, from random weights and without the ImageNet pyramid; frozen projections of the pixels are the targets.
On a larger machine: --train.steps 100000, and --train.objectives.masked.targets "encoded" with --train.teacher_decay 0.996.
"""

import dataclasses

from rsfm.data.training.pipeline import Source
from rsfm.data.training.transforms import AugmentConfig
from rsfm.heads import HeadConfig
from rsfm.models.sizes import SIZES, windowed
from rsfm.processor import ProcessorConfig
from rsfm.processor.fitted import fitted_statistics
from rsfm.training.config import OptimizerConfig, TrainConfig
from rsfm.training.experiment import ExperimentConfig

WINDOW, HSI_WINDOW = 96, 32
NANO = windowed(SIZES["nano"], WINDOW)
STREAMS = {**NANO.streams, "optical": dataclasses.replace(NANO.streams["optical"], options={})}  # without the pyramid
HEAD = HeadConfig(kind="reconstruction", options={"outputs": {"tokens": 0}, "width": 128})


def unlabelled(
    dataset: str, weight: float, *, split: str = "train", crop: int = WINDOW, batch_size: int = 16
) -> Source:
    """Random windows of a data set's imagery; its labels are not read."""
    augment = AugmentConfig(crop=crop, class_even=0.0, location_drop=0.5, dates=1)
    source = Source(dataset=dataset, split=split, weight=weight, batch_size=batch_size, augment=augment)
    return dataclasses.replace(source, objectives=("masked",), text_length=4)


CONFIG = ExperimentConfig(
    name="pretrain_masked",
    model=dataclasses.replace(
        NANO,
        streams=STREAMS,
        heads={**NANO.heads, "reconstruction": HEAD},
    ),
    processor=ProcessorConfig(streams={}, statistics=fitted_statistics()),
    train=TrainConfig(
        steps=600,
        optimizer=OptimizerConfig(learning_rate=5e-4, warmup_steps=50),
        objectives={"masked": {"hiding": {"places": 0.75}, "targets": ["tokens"]}},
        teacher_decay=1.0,
        freeze=("*", "!encoder", "!location", "!tokenizers", "!heads.reconstruction", "tokenizers.series"),
        save_every=100,
    ),
    data=(
        unlabelled("aid_rsicd", 0.4),
        unlabelled("hls_worldcover306", 0.3, split="worldcover_train"),
        unlabelled("satclip_s2_global", 0.15),
        unlabelled("indian_pines", 0.15, crop=HSI_WINDOW),
    ),
)
