"""What does a model of minutes reach on two cores? The start of every system in experiments/configs/systems.

Command:   rsfm train small --out runs/small
           rsfm evaluate runs/small/model --dataset aid_rsicd --split val --task scene
Data:      aid_rsicd train: the scene's name and a caption, of pictures shrunk to 96 pixels.
Expected:  scene accuracy above statistics + kNN (.33).
Result:    not run yet.

Two parts, which the systems take and change:
    CONFIG          EfficientNet-lite0 (ImageNet, frozen), an encoder and a decoder of two layers, 64 wide, from nothing;
    `with_nano()`   the same data for the shapes and weights of the shipped nano, its picture windows cut to 96 pixels;
    HlsOptical      pictures with land cover, for those that make maps.
"""

import dataclasses

from rsfm.data.datasets.hls_worldcover import HlsWorldCover
from rsfm.data.training.pipeline import Source
from rsfm.data.training.transforms import AugmentConfig
from rsfm.models.connector import ConnectorConfig
from rsfm.models.decoder import DecoderConfig
from rsfm.models.foundation import ModelConfig, StreamConfig
from rsfm.models.sizes import SIZES, VOCABULARY, windowed
from rsfm.nn.transformer import TransformerConfig
from rsfm.processor import ProcessorConfig
from rsfm.processor.fitted import fitted_quantities, fitted_statistics
from rsfm.training.config import OptimizerConfig, TrainConfig
from rsfm.training.experiment import ExperimentConfig
from rsfm.types import Record, StreamSpec

NANO = "rsfm/checkpoints/nano"
PYRAMID = {"tokenizers.optical.pyramid": "tokenizers/efficientnet_lite0/model.safetensors"}
STILL = AugmentConfig(flip=False, rotate=False)
STACK = TransformerConfig(width=64, depth=2, heads=4, mlp_width=128, unroll=2)
SCENES = Source(dataset="aid_rsicd", tasks=("scene",), batch_size=32, text_length=24)
CAPTIONS = Source(dataset="aid_rsicd", tasks=("captioning",), batch_size=32, text_length=48)


class HlsOptical(HlsWorldCover):
    """HLS pictures with land cover, elevation left out."""

    def __getitem__(self, i: int) -> Record:
        record = super().__getitem__(i)
        seen = {name: each for name, each in record.observations.items() if name != "elevation"}
        return dataclasses.replace(record, observations=seen)


def optical(
    *, size: int = 96, patch: int = 16, bands: int = 3, times: int = 1, pyramid: bool = True, **options: object
) -> StreamConfig:
    """A stream of pictures; with the pyramid its tokens carry what ImageNet taught."""
    spec = StreamSpec(families=("optical",), size=size, times=times, bands=bands, patch=patch)
    return StreamConfig(spec=spec, tokenizer="spectral", options={"pyramid": pyramid, **options})


def series(*, times: int, bands: int) -> StreamConfig:
    """A stream of single pixels over dates."""
    families = ("mixed", "optical", "sar", "elevation", "weather")
    spec = StreamSpec(families=families, size=1, times=times, bands=bands, patch=1)
    return StreamConfig(spec=spec, tokenizer="coded", options={"hidden": 64})


def trained(steps: int, learning_rate: float = 2e-3, **options: object) -> TrainConfig:
    """So many steps with a warm-up, a cosine and averaged weights."""
    optimizer = OptimizerConfig(learning_rate=learning_rate, warmup_steps=20, final_fraction=0.02)
    settings = {"optimizer": optimizer, "average_decay": 0.98, "save_every": 0, "keep": 1, **options}
    return TrainConfig(steps=steps, **settings)  # type: ignore[arg-type]


def with_nano(name: str, connector: ConnectorConfig, data: tuple[Source, ...], train: TrainConfig) -> ExperimentConfig:
    """Nano's encoder and decoder under a connector of its own; heads other than words are left out."""
    model = windowed(dataclasses.replace(SIZES["nano"], streams={"optical": SIZES["nano"].streams["optical"]}), 96)
    parts = ("tokenizers.optical", "location", "encoder", "decoder")
    return dataclasses.replace(
        CONFIG,
        name=name,
        model=dataclasses.replace(model, connector=connector, heads={}),
        train=train,
        data=data,
        init_parts=dict.fromkeys(parts, NANO),
    )


CONFIG = ExperimentConfig(
    name="small",
    model=ModelConfig(
        streams={"optical": optical()},
        encoder=STACK,
        connector=ConnectorConfig(kind="mlp"),
        decoder=DecoderConfig(transformer=STACK, vocabulary=VOCABULARY),
        heads={},
    ),
    processor=ProcessorConfig(streams={}, statistics=fitted_statistics(), quantities=fitted_quantities()),
    train=trained(300, freeze=("tokenizers.optical.pyramid",)),
    data=(dataclasses.replace(SCENES, weight=0.6), dataclasses.replace(CAPTIONS, weight=0.4)),
    init_parts=PYRAMID,
)
