"""How should numbers stand in a question: as text, digit by digit, value-scaled, as Fourier features or in bins?

Command:   python -m experiments.numbers.run numbers_in           (5 ways x 5 seeds; resumes; about 15 minutes of one core)
           python -m experiments.numbers.report                   (rows and figure)
Data:      fuel_moisture, 26 numbers of it typed into the question with their units (experiments/numbers/table.py), and the
           place; no observation. Train on `train`, calibration on `val`, scored on the published test sites. Out of all
           comes a mean with its deviation (the "mixer" of numbers_out).
Expected:  numbers apart from the text (xval, fourier, bins) ahead of digits, in RMSE and in time.
Result:    experiments/results/numbers.jsonl, LOG.md.
"""

import dataclasses

from rsfm.config import read_json
from rsfm.data.root import REPOSITORY
from rsfm.data.training.pipeline import Source
from rsfm.heads import HeadConfig, ValueConfig
from rsfm.models.connector import ConnectorConfig
from rsfm.models.decoder import DecoderConfig
from rsfm.models.foundation import ModelConfig
from rsfm.models.sizes import VOCABULARY
from rsfm.nn.transformer import TransformerConfig
from rsfm.processor import HeadSlots, ProcessorConfig
from rsfm.processor.fitted import fitted_quantities
from rsfm.text.numeric import NumberConfig, NumericConfig
from rsfm.training.config import OptimizerConfig, TrainConfig
from rsfm.training.experiment import ExperimentConfig

NUMBERS = read_json(REPOSITORY / "tokenizers/numeric/edges.json", "Run tokenizers/numeric/fit.py.")
STACK = TransformerConfig(width=64, depth=2, heads=4, mlp_width=128, unroll=2)

CONFIG = ExperimentConfig(
    name="numbers_in",
    model=ModelConfig(
        streams={},
        encoder=dataclasses.replace(STACK, depth=1, unroll=1),
        connector=ConnectorConfig(kind="mlp"),
        decoder=DecoderConfig(transformer=STACK, vocabulary=VOCABULARY),
        heads={"value": HeadConfig(options=ValueConfig(pooled=4, width=64, hidden=96, depth=1))},
    ),
    processor=ProcessorConfig(
        streams={},
        quantities=fitted_quantities(),
        text_lengths=(120, 184),
        heads={"value": HeadSlots(slots=1)},
    ),
    train=TrainConfig(
        steps=200, optimizer=OptimizerConfig(learning_rate=2e-3, warmup_steps=20, final_fraction=0.02, weight_decay=0.1)
    ),
    data=(Source(dataset="fuel_moisture", tasks=("regression",), batch_size=32, text_length=184),),
)


def _read(kind: str, length: int) -> ExperimentConfig:
    edges = tuple(NUMBERS["edges"])
    numbers = NumericConfig(kind=kind, scale=NUMBERS["scale"], edges=edges if kind == "bins" else ())
    own = NumberConfig(kind=kind, bins=len(edges) - 1 if kind == "bins" else 0)
    return dataclasses.replace(
        CONFIG,
        processor=dataclasses.replace(CONFIG.processor, numbers=numbers, text_lengths=(length,)),
        model=dataclasses.replace(CONFIG.model, numbers=own),
    )


VARIANTS = {
    "xval": _read("xval", 100),
    "fourier": _read("fourier", 100),
    "bins": _read("bins", 100),
    "text": _read("text", 128),
    "digits": _read("digits", 168),
}
