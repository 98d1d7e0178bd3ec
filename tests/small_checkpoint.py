"""A checkpoint of a few thousand random weights, for tests of what is done with checkpoints."""

import dataclasses
from pathlib import Path

from flax import nnx

from rsfm.models.connector import ConnectorConfig
from rsfm.models.foundation import FoundationModel, ModelConfig, StreamConfig
from rsfm.models.interleave import image_layout
from rsfm.models.sizes import SIZES
from rsfm.pretrained import save_checkpoint
from rsfm.processor import Processor, ProcessorConfig
from rsfm.text.tokenizer import TextTokenizer
from rsfm.types import StreamSpec

ROOT = Path(__file__).resolve().parents[1]


def small_config() -> ModelConfig:
    """nano cut down to one layer and windows of 32 pixels."""
    nano = SIZES["nano"]
    streams = {
        name: dataclasses.replace(
            nano.streams[name], spec=dataclasses.replace(nano.streams[name].spec, size=32, patch=16)
        )
        for name in ("optical", "sar", "context")
    }
    thin = {"width": 32, "depth": 1, "heads": 2, "kv_heads": 1, "head_dim": 16, "mlp_width": 64}
    decoder = dataclasses.replace(nano.decoder, transformer=dataclasses.replace(nano.decoder.transformer, **thin))
    return dataclasses.replace(
        nano,
        streams=streams,
        encoder=dataclasses.replace(nano.encoder, **thin),
        connector=dataclasses.replace(nano.connector, queries=4, heads=2),
        decoder=decoder,
    )


def interleaved_config() -> ModelConfig:
    """One stream of pictures, whose tokens stand in the text."""
    small = small_config()
    spec = dataclasses.replace(small.streams["optical"].spec, bands=3)
    return dataclasses.replace(
        small,
        streams={"optical": StreamConfig(spec=spec, tokenizer="spectral")},
        connector=ConnectorConfig(queries=3, heads=2, interleaved=True),
    )


def make_checkpoint(folder: Path, config: ModelConfig | None = None) -> Path:
    """Writes the checkpoint and returns its folder."""
    config = config or small_config()
    streams: dict[str, StreamSpec] = {name: stream.spec for name, stream in config.streams.items()}
    settings = ProcessorConfig(streams=streams, images=image_layout(config))
    processor = Processor(settings, TextTokenizer.load(ROOT / "tokenizers" / "text"))
    return save_checkpoint(folder, FoundationModel(config, rngs=nnx.Rngs(0)), processor, card="# small\n")
