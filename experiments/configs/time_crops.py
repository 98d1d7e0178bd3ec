"""Can the whole model name a crop in words from 23 NDVI steps, as well as a linear head on the same encoder?

Command:  rsfm train experiments/configs/time_crops.py --out runs/time_crops
          rsfm evaluate runs/time_crops/model --dataset cawa --split test
          rsfm train experiments/configs/time_crops.py --out runs/joint --model.streams.series.temporal.kind joint
Data:     cawa, three regions; Dushanbe for the loss during training; Khorezm is the test.
Expected: what `python -m experiments.time.crops` reaches with the same temporal encoder on "region" (accuracy, not
          balanced: the words are learned at the frequency of the classes), at a multiple of its cost, as the decoder
          reads 24 tokens and scores 2,048 words at each. That is why the ablation over encoders and seeds has a linear head.
Result:   2,500 steps (7 minutes of two shared cores), seed 0, test: accuracy .695 [.666, .723], as the linear head (.695, mean of five
          seeds; most frequent crop .481, forest .602). Joint attention has not been run here.
"""

import dataclasses

from rsfm.data.training.pipeline import Source
from rsfm.data.training.transforms import AugmentConfig
from rsfm.models.connector import ConnectorConfig
from rsfm.models.decoder import DecoderConfig
from rsfm.models.foundation import ModelConfig, StreamConfig, opened_heads
from rsfm.models.sizes import VOCABULARY
from rsfm.models.temporal import TemporalConfig
from rsfm.nn.transformer import TransformerConfig
from rsfm.training.config import OptimizerConfig, TrainConfig
from rsfm.training.experiment import ExperimentConfig
from rsfm.types import StreamSpec

STILL = AugmentConfig(flip=False, rotate=False)
_STACK = TransformerConfig(width=48, depth=1, heads=4, mlp_width=96)
_CROPS = Source(dataset="cawa", tasks=("scene",), batch_size=64, text_length=24, augment=STILL)

CONFIG = ExperimentConfig(
    name="time_crops",
    model=ModelConfig(
        streams={
            "series": StreamConfig(
                spec=StreamSpec(families=("mixed",), size=1, times=23, bands=1, patch=1),
                tokenizer="coded",
                options={"hidden": 64},
                temporal=TemporalConfig(kind="ltae", heads=8),
            )
        },
        encoder=_STACK,
        connector=ConnectorConfig(kind="mlp"),
        decoder=DecoderConfig(transformer=_STACK, vocabulary=VOCABULARY),
        heads=opened_heads(),
    ),
    train=TrainConfig(
        steps=2500,
        optimizer=OptimizerConfig(learning_rate=2e-3, warmup_steps=100, final_fraction=0.01),
        average_decay=0.99,
        save_every=500,
        eval_every=500,
        eval_batches=3,
    ),
    data=(dataclasses.replace(_CROPS, augment=dataclasses.replace(STILL, date_drop=0.4)),),
    validation=(dataclasses.replace(_CROPS, split="val"),),
)
