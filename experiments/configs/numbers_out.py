"""Which way out serves a number best: text digits, bins, one number, mean and deviation, mixture density or quantiles?

Command:   python -m experiments.numbers.run numbers_out          (7 ways x 5 seeds; resumes; about 10 minutes of one core)
           python -m experiments.numbers.report                   (rows and figure)
Data:      fuel_moisture as a series of 18 bands and 3 months, with its place; train on `train`, settings and calibration on
           `val` (20 sites held out of training), scored on the published test sites.
Expected:  the heads with a spread within 1 % of each other in RMSE and ahead in CRPS; text digits behind by some percent.
Result:    experiments/results/numbers.jsonl, LOG.md.
"""

import dataclasses

from rsfm.data.training.pipeline import Source
from rsfm.data.training.transforms import AugmentConfig
from rsfm.heads import HeadConfig, ValueConfig
from rsfm.models.connector import ConnectorConfig
from rsfm.models.decoder import DecoderConfig
from rsfm.models.foundation import ModelConfig, StreamConfig
from rsfm.models.sizes import VOCABULARY
from rsfm.nn.transformer import TransformerConfig
from rsfm.processor import HeadSlots, ProcessorConfig
from rsfm.processor.fitted import fitted_quantities, fitted_statistics
from rsfm.text.numeric import NumericConfig
from rsfm.training.config import OptimizerConfig, TrainConfig
from rsfm.training.experiment import ExperimentConfig
from rsfm.types import StreamSpec

STACK = TransformerConfig(width=64, depth=2, heads=4, mlp_width=128, unroll=2)

VALUE = ValueConfig(pooled=4, width=64, hidden=96, depth=1)

CONFIG = ExperimentConfig(
    name="numbers_out",
    model=ModelConfig(
        streams={
            "series": StreamConfig(
                spec=StreamSpec(families=("mixed",), size=1, times=4, bands=18, patch=1),
                tokenizer="coded",
                options={"hidden": 64},
            )
        },
        encoder=STACK,
        connector=ConnectorConfig(kind="mlp"),
        decoder=DecoderConfig(transformer=STACK, vocabulary=VOCABULARY),
        heads={"value": HeadConfig(options=VALUE)},
    ),
    processor=ProcessorConfig(
        streams={},
        statistics={"fuel_moisture_table": fitted_statistics()["fuel_moisture_table"]},
        quantities=fitted_quantities(),
        text_lengths=(18,),
        heads={"value": HeadSlots(slots=1)},
    ),
    train=TrainConfig(
        steps=200, optimizer=OptimizerConfig(learning_rate=2e-3, warmup_steps=20, final_fraction=0.02, weight_decay=0.1)
    ),
    data=(
        Source(
            dataset="fuel_moisture",
            tasks=("regression",),
            batch_size=64,
            text_length=24,
            augment=AugmentConfig(flip=False, rotate=False),
        ),
    ),
)


def _head(kind: str, loss: str = "") -> ExperimentConfig:
    head = HeadConfig(options=dataclasses.replace(VALUE, kind=kind, loss=loss))
    return dataclasses.replace(CONFIG, model=dataclasses.replace(CONFIG.model, heads={"value": head}))


def _written(kind: str) -> ExperimentConfig:
    processor = dataclasses.replace(CONFIG.processor, numbers=NumericConfig(kind=kind), numbers_written=True)
    return dataclasses.replace(CONFIG, processor=processor)


VARIANTS = {
    "mixer": _head("mixer"),
    "plain": _head("plain"),
    "mixture": _head("mixture"),
    "mixture, CRPS": _head("mixture", "crps"),
    "quantiles": _head("quantiles"),
    "bins": _head("bins"),
    "digits": _written("digits"),
    "text": _written("text"),
}
