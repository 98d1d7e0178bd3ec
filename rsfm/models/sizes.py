"""One dial: the same architecture from a laptop to a pod."""

import dataclasses

from rsfm.heads import ExpertConfig
from rsfm.models.connector import ConnectorConfig
from rsfm.models.decoder import DecoderConfig
from rsfm.models.foundation import ModelConfig, StreamConfig, opened_heads
from rsfm.nn.transformer import TransformerConfig
from rsfm.types import StreamSpec

VOCABULARY = 2048  # of tokenizers/text
# Hyperspectral responses: every 20 nm where pigments and iron absorb, every 45 nm beyond.
HSI_CENTERS_UM = tuple(round(0.41 + 0.02 * i, 4) for i in range(32)) + tuple(
    round(1.06 + 0.046 * i, 4) for i in range(32)
)


def streams(window: int, *, dates: int = 1) -> dict[str, StreamConfig]:
    """The five streams every size has, for windows of `window` pixels."""
    grid = {"size": window, "times": dates, "patch": 16}
    return {
        "optical": StreamConfig(
            spec=StreamSpec(families=("optical",), bands=16, **grid), tokenizer="spectral", options={"pyramid": True}
        ),
        "hsi": StreamConfig(
            spec=StreamSpec(families=("hyperspectral",), size=32, bands=288, patch=4),
            tokenizer="spectral",
            options={"centers_um": list(HSI_CENTERS_UM)},
        ),
        "sar": StreamConfig(spec=StreamSpec(families=("sar",), bands=4, **grid), tokenizer="sar"),
        "context": StreamConfig(
            spec=StreamSpec(families=("elevation", "weather"), bands=4, **grid),
            tokenizer="coded",
            options={"hidden": 32, "pool": 8},
        ),
        "series": StreamConfig(
            spec=StreamSpec(
                families=("mixed", "optical", "hyperspectral", "sar", "elevation", "weather"),
                size=1,
                times=4,
                bands=24,
                patch=1,
            ),
            tokenizer="coded",
        ),
    }


def windowed(model: ModelConfig, size: int) -> ModelConfig:
    """The model with windows of another size for the streams that have its largest; no weight depends on it.

    >>> windowed(SIZES["nano"], 96).streams["optical"].spec.size
    96
    """
    largest = max(stream.spec.size for stream in model.streams.values())
    streams = {
        name: dataclasses.replace(stream, spec=dataclasses.replace(stream.spec, size=size))
        if stream.spec.size == largest
        else stream
        for name, stream in model.streams.items()
    }
    return dataclasses.replace(model, streams=streams)


def _size(
    width: int,
    depth: int,
    *,
    text_width: int,
    text_depth: int,
    head_dim: int,
    window: int,
    queries: int,
    experts: int,
    dates: int = 1,
    budget: int = 0,
    dtype: str = "bfloat16",
    remat: str = "dots",
    unroll: int = 1,
) -> ModelConfig:
    def stack(d: int, layers: int, share: int) -> TransformerConfig:
        heads = d // head_dim
        return TransformerConfig(
            width=d,
            depth=layers,
            heads=heads,
            kv_heads=next(n for n in range(heads // share, 0, -1) if heads % n == 0),
            head_dim=head_dim,
            mlp_width=-(-8 * d // 3) // 64 * 64,
            remat=remat,
            unroll=unroll,
        )

    expert_hidden = 2 * text_width // 3 // 64 * 64
    return ModelConfig(
        streams=streams(window, dates=dates),
        encoder=stack(width, depth, 1),
        token_budget=budget,
        connector=ConnectorConfig(queries=queries, heads=width // head_dim),
        decoder=DecoderConfig(transformer=stack(text_width, text_depth, 3), vocabulary=VOCABULARY),
        heads=opened_heads(ExpertConfig(experts=experts, hidden=expert_hidden, shared_hidden=expert_hidden)),
        compute_dtype=dtype,
    )


SIZES: dict[str, ModelConfig] = {
    "nano": _size(
        192,
        4,
        text_width=192,
        text_depth=4,
        head_dim=32,
        window=160,
        queries=16,
        experts=4,
        dtype="float32",
        remat="none",
        unroll=4,
    ),
    "tiny": _size(384, 8, text_width=384, text_depth=8, head_dim=64, window=224, queries=64, experts=4, budget=1024),
    "small": _size(768, 12, text_width=768, text_depth=12, head_dim=64, window=224, queries=64, experts=8, budget=2048),
    "base": _size(
        1024, 24, text_width=1024, text_depth=24, head_dim=64, window=256, queries=128, experts=8, budget=4096
    ),
    "large": _size(
        1536, 32, text_width=2048, text_depth=32, head_dim=128, window=256, queries=128, experts=16, budget=8192
    ),
}
