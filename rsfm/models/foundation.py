"""The model: streams -> tokens -> encoder -> connector -> decoder -> heads, in one pure forward pass.

b batch · n tokens · q prefix · s text · v values · m masks · h w pixels · d width
"""

import dataclasses
import json
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from rsfm.config import from_json, to_json
from rsfm.errors import lookup
from rsfm.heads import (
    ContrastiveConfig,
    ContrastiveHead,
    ExpertConfig,
    ExpertSpan,
    MaskConfig,
    MaskHead,
    ValueConfig,
    make_value_head,
)
from rsfm.models.connector import CONNECTORS, ConnectorConfig, TappedConnector, image_by_image
from rsfm.models.decoder import Decoder, DecoderConfig, PlacedTokens
from rsfm.models.encoder import Encoder, concatenate
from rsfm.models.temporal import TEMPORAL_ENCODERS, TemporalConfig
from rsfm.models.towered import ToweredConfig, ToweredTokenizer
from rsfm.nn.layout import lay_out
from rsfm.nn.transformer import TransformerConfig
from rsfm.pytree import replace
from rsfm.text.numeric import NumberConfig, NumberEmbedding
from rsfm.tokenizers import TOKENIZERS
from rsfm.tokenizers.positions import LocationTokenizer
from rsfm.types import Observation, Predictions, Sample, StreamSpec, Tokens

STREAM_TOKENIZERS: dict[str, tuple[type, Any]] = TOKENIZERS | {"towered": (ToweredConfig, ToweredTokenizer)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class StreamConfig:
    """Attributes:
    spec: the stream's fixed shape, shared with the Processor.
    tokenizer: a key of STREAM_TOKENIZERS.
    options: fields of that tokenizer's config; `patch` comes from the spec.
    temporal: how its dates meet.
    """

    spec: StreamSpec
    tokenizer: str
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    temporal: TemporalConfig = dataclasses.field(default_factory=TemporalConfig)

    def __hash__(self) -> int:
        return hash(json.dumps(to_json(self), sort_keys=True))  # dicts have none, and a model's structure is hashed


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Attributes:
    streams: by name; a Sample may hold any of them.
    token_budget: encoder tokens kept per sample, valid ones first; 0 = all.
    experts: of the value and mask heads alike.
    numbers: how numbers in questions come in; "text" and "digits" are tokens like others.
    contrastive: one space of pictures and sentences; None = none.
    compute_dtype: "float32" or "bfloat16"; parameters, norms, softmax and losses stay in float32.
    """

    streams: dict[str, StreamConfig]
    encoder: TransformerConfig
    token_budget: int = 0
    connector: ConnectorConfig = dataclasses.field(default_factory=ConnectorConfig)
    decoder: DecoderConfig
    experts: ExpertConfig = dataclasses.field(default_factory=lambda: ExpertConfig())
    value: ValueConfig = dataclasses.field(default_factory=lambda: ValueConfig())
    mask: MaskConfig = dataclasses.field(default_factory=lambda: MaskConfig())
    numbers: NumberConfig = dataclasses.field(default_factory=lambda: NumberConfig())
    contrastive: ContrastiveConfig | None = None
    compute_dtype: str = "float32"

    def __hash__(self) -> int:
        return hash(json.dumps(to_json(self), sort_keys=True))


class FoundationModel(nnx.Module):
    """One model for any mixture of streams. Absent streams cost nothing; each set of streams compiles once."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs):
        self.config = config
        width, text_width = config.encoder.width, config.decoder.transformer.width
        self.tokenizers = nnx.Dict({name: _tokenizer(stream, width, rngs) for name, stream in config.streams.items()})
        self.temporal = nnx.Dict(
            {
                name: lookup(TEMPORAL_ENCODERS, "temporal encoder", stream.temporal.kind)(
                    stream.temporal, width, rngs=rngs
                )
                for name, stream in config.streams.items()
            }
        )
        self.location = LocationTokenizer(width, rngs=rngs)
        taps = config.connector.taps
        self.encoder = Encoder(config.encoder, budget=config.token_budget, taps=taps, rngs=rngs)
        kind = lookup(CONNECTORS, "connector", config.connector.kind)
        self.connector = (TappedConnector if taps else kind)(config.connector, width, text_width, rngs=rngs)
        self.decoder = Decoder(config.decoder, rngs=rngs)
        self.value_experts = ExpertSpan(config.experts, text_width, rngs=rngs)
        self.mask_experts = ExpertSpan(config.experts, text_width, rngs=rngs)
        self.value_head = make_value_head(config.value, text_width, width, rngs=rngs)
        self.mask_head = MaskHead(config.mask, text_width, width, rngs=rngs)
        joint = config.contrastive
        self.contrastive = None if joint is None else ContrastiveHead(joint, text_width, width, rngs=rngs)
        apart = config.numbers.kind not in ("text", "digits")
        self.number_embedding = NumberEmbedding(config.numbers, text_width, rngs=rngs) if apart else None

    def __call__(self, sample: Sample) -> Predictions:
        """Text logits at every position, and the outputs of the heads that the sample's targets ask for."""
        memory, aux = self.encode(sample.observations, sample.location_deg)
        text = (sample.text_ids, sample.text_valid, self.numbers_in(sample), self.images_in(sample, memory))
        hidden, decoder_aux = self.decoder(self.prefix(memory), *text)
        aux = _add(aux, decoder_aux)
        outputs: dict[str, Array] = {}
        if "value_position" in sample.targets:
            values, value_aux = self.values(hidden, sample.targets["value_position"], memory)
            outputs |= values
            aux = _add(aux, value_aux)
        if "mask_position" in sample.targets:
            masks, mask_aux = self.masks(hidden, sample.targets["mask_position"], sample.observations, memory)
            outputs |= masks
            aux = _add(aux, mask_aux)
        if self.contrastive is not None:
            outputs |= self.contrast(sample, memory, self.contrastive)
        return Predictions(text_logits=self.logits(hidden), outputs=outputs, aux=aux)

    def encode(
        self, observations: dict[str, Observation], location_deg: Float[Array, "b 2"]
    ) -> tuple[dict[str, Tokens], dict[str, Array]]:
        """Encoded tokens of each stream, and of the "location"."""
        dtype = jnp.dtype(self.config.compute_dtype)
        parts = {name: self._tokenize(name, observation, dtype) for name, observation in observations.items()}
        parts["location"] = _cast(self.location(location_deg), dtype)
        encoded, aux = self.encoder(concatenate(list(parts.values())))
        out, start = {}, 0
        for name, part in parts.items():
            stop = start + part.mask.shape[1]
            cut = jax.tree.map(lambda leaf, start=start, stop=stop: leaf[:, start:stop], encoded)
            out[name] = replace(cut, position=part.position, grid=part.grid)
            start = stop
        if self.config.connector.interleaved:  # it stands before the text, and must not tell of images further on
            out["location"], _ = self.encoder(parts["location"])
        return out, aux

    def prefix(self, memory: dict[str, Tokens]) -> Tokens:
        """What the decoder reads before the text: the observations, or the location alone where they stand in the text."""
        if self.config.connector.interleaved:
            return self.connector([memory["location"]])
        return self.connector(list(memory.values()))

    def images_in(self, sample: Sample, memory: dict[str, Tokens]) -> PlacedTokens | None:
        """The images that stand in the text; None where they are all in the prefix, and where there is none."""
        if not self.config.connector.interleaved:
            assert sample.text_images is None, "the processor places images in the text, connector.interleaved is off"
            return None
        assert sample.text_images is not None, "connector.interleaved is on, the processor places no images in the text"
        if not sample.observations:
            return None
        images = self.image_tokens(sample.observations, memory)
        return PlacedTokens(tokens=images, place=jnp.asarray(sample.text_images))

    def image_tokens(self, observations: dict[str, Observation], memory: dict[str, Tokens]) -> Tokens:
        """Of every image: stream by stream in alphabetical order, as `ImageLayout` counts them, and date by date."""
        times = {name: observations[name].time_days.shape[-1] for name in sorted(observations)}
        parts = [image_by_image(self.connector, memory[name], t) for name, t in times.items()]
        return concatenate(parts)

    def numbers_in(self, sample: Sample) -> Float[Array, "b s d"] | None:
        """What the numbers of the questions add to the text's embeddings; None where they are tokens like others."""
        if self.number_embedding is None:
            assert sample.text_numbers is None, "the processor hands over numbers, the model's numbers.kind is 'text'"
            return None
        assert sample.text_numbers is not None, f"the processor hands over no numbers of {self.config.numbers.kind}"
        return self.number_embedding(sample.text_numbers, self.decoder.embed(sample.text_ids))

    def logits(self, hidden: Float[Array, "b s d"]) -> Float[Array, "b s vocab"]:
        """Next-token logits, in the decoder's way."""
        return self.decoder.logits(hidden)

    def values(
        self, hidden: Float[Array, "b s d"], position: Int[Array, "b v"], memory: dict[str, Tokens]
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """What `rsfm.heads.distribution` reads, standardized, at each <value> token."""
        spans, aux = self.value_experts(spans_at(hidden, position), position >= 0)
        return self.value_head(spans, concatenate(list(memory.values()))), aux

    def masks(
        self,
        hidden: Float[Array, "b s d"],
        position: Int[Array, "b m"],
        observations: dict[str, Observation],
        memory: dict[str, Tokens],
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Logits of each <mask> token over the pixels of the spatial streams, which share one grid."""
        spans, aux = self.mask_experts(spans_at(hidden, position), position >= 0)
        names = [name for name, observation in observations.items() if observation.values.shape[-2] > 1]
        assert names, "a mask needs a stream with more than one pixel"
        tokens = _merge_grids([memory[name] for name in names])
        pixels, valid = self._pixels({name: observations[name] for name in names})
        return {"mask_logits": self.mask_head(spans, tokens, pixels.astype(spans.dtype), valid)}, aux

    def contrast(self, sample: Sample, memory: dict[str, Tokens], head: ContrastiveHead) -> dict[str, Array]:
        """Pictures and texts in their joint space; the text is read without the picture, up to its `<ret>` token."""
        pictures, texts = head.pictures(concatenate(list(memory.values()))), self.embed_text(sample)
        outputs = head.outputs(pictures, texts)
        head.push(pictures, texts, head.place(sample.text_ids, sample.text_valid) >= 0)
        return outputs

    def embed_picture(self, sample: Sample) -> Float[Array, "b e"]:
        """Unit vectors of what the streams show; the text is not read."""
        assert self.contrastive is not None, "the model has no contrastive head"
        memory, _ = self.encode(sample.observations, sample.location_deg)
        return self.contrastive.pictures(concatenate(list(memory.values())))

    def embed_text(self, sample: Sample) -> Float[Array, "b e"]:
        """Unit vectors of the texts, which end in `<ret>`; the streams are not read."""
        assert self.contrastive is not None, "the model has no contrastive head"
        batch, width = sample.text_ids.shape[0], self.config.decoder.transformer.width
        nothing = Tokens(
            embeddings=jnp.zeros((batch, 0, width), self.config.compute_dtype),
            mask=jnp.zeros((batch, 0), bool),
            position=jnp.zeros((batch, 0, 3)),
        )
        text_ids, text_valid = sample.text_ids, sample.text_valid
        if sample.text_images is not None:  # the words alone, close together as in a text without images
            words = text_valid & (sample.text_images < 0)
            order = jnp.argsort(~words, axis=1, stable=True)
            text_ids, text_valid = (jnp.take_along_axis(x, order, axis=1) for x in (text_ids, words))
        hidden, _ = self.decoder(nothing, text_ids, text_valid)
        return self.contrastive.texts(hidden, self.contrastive.place(text_ids, text_valid))

    def _tokenize(self, name: str, observation: Observation, dtype: Any) -> Tokens:
        tokens = self.tokenizers[name](replace(observation, values=observation.values.astype(dtype)))
        return _cast(self.temporal[name](_cast(tokens, dtype)), dtype)

    def _pixels(self, observations: dict[str, Observation]) -> tuple[Float[Array, "b h w f"], Bool[Array, "b h w"]]:
        features, valid = [], []
        for name, observation in observations.items():
            seen = (observation.valid & observation.band_valid.any(-1)[..., None, None]).any(1)
            features.append(self.tokenizers[name].pixels(observation) * seen[..., None])
            valid.append(seen)
        return sum(features[1:], features[0]), jnp.stack(valid).any(0)


def spans_at(hidden: Float[Array, "b s d"], position: Int[Array, "b v"]) -> Float[Array, "b v d"]:
    """Hidden states at the given text positions; zeros where the position is -1."""
    picked = jnp.take_along_axis(lay_out(hidden, "batch", None, None), jnp.maximum(position, 0)[..., None], axis=1)
    picked = jnp.where(position[..., None] >= 0, picked, 0.0).astype(hidden.dtype)
    return lay_out(picked, "batch", None, None)


def _tokenizer(stream: StreamConfig, width: int, rngs: nnx.Rngs) -> Any:
    config, module = lookup(STREAM_TOKENIZERS, "tokenizer", stream.tokenizer)
    options = {"patch": stream.spec.patch, **stream.options}
    return module(from_json(config, options, where=f"options of tokenizer {stream.tokenizer}"), width, rngs=rngs)


def _merge_grids(parts: list[Tokens]) -> Tokens:
    """Mean over the valid tokens of all streams, dates and groups of each place: one (1, rows, columns) grid."""
    grids = {part.grid[1:] if part.grid else None for part in parts}
    assert len(grids) == 1 and None not in grids, f"streams of one mask must share rows and columns, got {grids}"
    rows, columns = grids.pop() or (0, 0)
    total, count = jnp.zeros(()), jnp.zeros(())
    for part in parts:
        x = part.embeddings.reshape(part.mask.shape[0], -1, rows * columns, part.embeddings.shape[-1])
        weight = part.mask.reshape(*x.shape[:3], 1).astype(x.dtype)
        total, count = total + (x * weight).sum(1), count + weight.sum(1)
    places = parts[0].position[:, : rows * columns]
    return Tokens(
        embeddings=total / jnp.maximum(count, 1.0), mask=count[..., 0] > 0, position=places, grid=(1, rows, columns)
    )


def _cast(tokens: Tokens, dtype: Any) -> Tokens:
    return replace(tokens, embeddings=tokens.embeddings.astype(dtype))


def _add(a: dict[str, Array], b: dict[str, Array]) -> dict[str, Array]:
    """Sums over the places that route: "balance" is that of all routers."""
    return {name: a.get(name, jnp.zeros(())) + b.get(name, jnp.zeros(())) for name in a | b}
