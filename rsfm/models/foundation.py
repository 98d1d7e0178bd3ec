"""The model: streams -> tokens -> encoder -> connector -> decoder -> heads, in one pure forward pass.

b batch · n tokens · q prefix · s text · v spans · h w pixels · d width
"""

import dataclasses
import json
from collections.abc import Collection
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from rsfm.config import from_json, to_json
from rsfm.errors import lookup
from rsfm.heads import HEADS, ExpertConfig, ExpertSpan, HeadConfig, Spans, Terms, Widths, head_kind, head_options
from rsfm.models.connector import ConnectorConfig, image_by_image, make_connector
from rsfm.models.decoder import Decoder, DecoderConfig, PlacedTokens
from rsfm.models.encoder import Encoder
from rsfm.models.necks import NECKS, NeckConfig
from rsfm.models.temporal import TEMPORAL_ENCODERS, TemporalConfig
from rsfm.models.towered import ToweredConfig, ToweredTokenizer
from rsfm.nn.layout import lay_out
from rsfm.nn.transformer import TransformerConfig
from rsfm.pytree import replace
from rsfm.text.numeric import NumberConfig, NumberEmbedding
from rsfm.tokenizers import TOKENIZERS
from rsfm.tokenizers.positions import LocationTokenizer
from rsfm.types import Memory, Observation, Predictions, Sample, StreamSpec, Tokens, base_name, concatenate

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
    heads: the kinds of output by name; every one whose special token an answer may hold is opened by it.
    necks: what dense heads look at, by name.
    numbers: how numbers in questions come in; "text" and "digits" are tokens like others.
    compute_dtype: "float32" or "bfloat16"; parameters, norms, softmax and losses stay in float32.
    """

    streams: dict[str, StreamConfig]
    encoder: TransformerConfig
    token_budget: int = 0
    connector: ConnectorConfig = dataclasses.field(default_factory=ConnectorConfig)
    decoder: DecoderConfig
    heads: dict[str, HeadConfig] = dataclasses.field(default_factory=lambda: opened_heads(ExpertConfig()))
    necks: dict[str, NeckConfig] = dataclasses.field(default_factory=lambda: {"pixels": NeckConfig()})
    numbers: NumberConfig = dataclasses.field(default_factory=lambda: NumberConfig())
    compute_dtype: str = "float32"

    def __hash__(self) -> int:
        return hash(json.dumps(to_json(self), sort_keys=True))


def opened_heads(experts: ExpertConfig | None = None) -> dict[str, HeadConfig]:
    """A head of every kind that a special token opens, with the same routing."""
    return {name: HeadConfig(experts=experts) for name, kind in HEADS.items() if kind.token}


class OpenedHead(nnx.Module):
    """A head behind its experts: `opened(spans, memory) -> outputs, aux`."""

    def __init__(self, name: str, config: HeadConfig, widths: Widths, *, rngs: nnx.Rngs):
        kind = head_kind(HEADS, name, config)
        self.neck = config.neck if kind.dense else ""
        self.experts = None if config.experts is None else ExpertSpan(config.experts, widths.text, rngs=rngs)
        self.head = kind.make(head_options(kind, name, config), widths, rngs=rngs)

    def __call__(self, spans: Spans, memory: Memory) -> tuple[Any, dict[str, Array]]:
        """The head's outputs of every span, and its router's scalars."""
        if self.experts is None:
            return self.head(spans, memory, self.neck), {}
        hidden, aux = self.experts(spans.hidden, spans.valid)
        return self.head(replace(spans, hidden=hidden), memory, self.neck), aux

    def loss(self, outputs: Any, targets: dict[str, Array]) -> Terms:
        """See Head.loss."""
        return self.head.loss(outputs, targets)


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
        self.connector = make_connector(config.connector, width, text_width, rngs=rngs)
        self.decoder = Decoder(config.decoder, rngs=rngs)
        self.heads = nnx.Dict(
            {name: OpenedHead(name, head, self._widths(head), rngs=rngs) for name, head in sorted(config.heads.items())}
        )
        self.necks = nnx.Dict(
            {
                name: lookup(NECKS, "neck", neck.kind)(neck, width, rngs=rngs)
                for name, neck in sorted(config.necks.items())
            }
        )
        apart = config.numbers.kind not in ("text", "digits")
        self.number_embedding = NumberEmbedding(config.numbers, text_width, rngs=rngs) if apart else None

    def __call__(self, sample: Sample) -> Predictions:
        """Text logits at every position, and the outputs of the heads that the sample's targets name."""
        tokens, aux = self.encode(sample.observations, sample.location_deg)
        text = (sample.text_ids, sample.text_valid, self.numbers_in(sample), self.images_in(sample, tokens))
        hidden, decoder_aux = self.decoder(self.prefix(tokens), *text)
        position = {name: targets["position"] for name, targets in sample.targets.items()}
        outputs, heads_aux = self.open(hidden, position, sample.observations, tokens)
        aux = _add(_add(aux, decoder_aux), heads_aux)
        return Predictions(text_logits=self.logits(hidden), outputs=outputs, aux=aux)

    def open(
        self,
        hidden: Float[Array, "b s d"],
        position: dict[str, Int[Array, "b _"]],
        observations: dict[str, Observation],
        tokens: dict[str, Tokens],
    ) -> tuple[dict[str, Any], dict[str, Array]]:
        """The outputs of heads, by name, at the places of their tokens in the text; -1 = an empty slot."""
        memory = self.memory(observations, tokens, {self.heads[name].neck for name in position})
        outputs: dict[str, Any] = {}
        aux: dict[str, Array] = {}
        for name, places in position.items():
            spans = Spans(hidden=spans_at(hidden, places), valid=jnp.asarray(places) >= 0)
            outputs[name], head_aux = self.heads[name](spans, memory)
            aux = _add(aux, head_aux)
        return outputs, aux

    def memory(self, observations: dict[str, Observation], tokens: dict[str, Tokens], necks: Collection[str]) -> Memory:
        """What heads may look at: the tokens, and the pixels of the named necks."""
        names = [name for name, observation in observations.items() if observation.values.shape[-2] > 1]
        wanted = sorted(set(necks) - {""})
        assert names or not wanted, "a dense head needs a stream with more than one pixel"
        seen, streams = {n: tokens[n] for n in names}, {n: observations[n] for n in names}
        return Memory(tokens=tokens, pixels={name: self.necks[name](seen, streams, self._pixels) for name in wanted})

    def encode(
        self, observations: dict[str, Observation], location_deg: Float[Array, "b 2"]
    ) -> tuple[dict[str, Tokens], dict[str, Array]]:
        """Encoded tokens of each stream, and of the "location"."""
        dtype = jnp.dtype(self.config.compute_dtype)
        parts = {name: self.tokenize(name, observation) for name, observation in observations.items()}
        parts["location"] = _cast(self.location(location_deg), dtype)
        lengths = tuple(part.mask.shape[1] for part in parts.values())
        encoded, aux = self.encoder(concatenate(list(parts.values())), lengths)
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

    def read_words(self, sample: Sample) -> tuple[Float[Array, "b s d"], Int[Array, "b s"], Bool[Array, "b s"]]:
        """The decoder's hidden states of the words alone, with their ids and validity; the streams are not read."""
        batch, width = sample.text_ids.shape[0], self.config.decoder.transformer.width
        nothing = Tokens(
            embeddings=jnp.zeros((batch, 0, width), self.config.compute_dtype),
            mask=jnp.zeros((batch, 0), bool),
            position=jnp.zeros((batch, 0, 3)),
        )
        text_ids, text_valid = jnp.asarray(sample.text_ids), jnp.asarray(sample.text_valid)
        if sample.text_images is not None:  # close together, as in a text without images
            words = text_valid & (sample.text_images < 0)
            order = jnp.argsort(~words, axis=1, stable=True)
            text_ids, text_valid = (jnp.take_along_axis(x, order, axis=1) for x in (text_ids, words))
        hidden, _ = self.decoder(nothing, text_ids, text_valid)
        return hidden, text_ids, text_valid

    def _widths(self, head: HeadConfig) -> Widths:
        config = self.config
        neck = config.necks.get(head.neck, NeckConfig())
        return Widths(text=config.decoder.transformer.width, token=config.encoder.width, pixel=neck.width)

    def tokenize(self, name: str, observation: Observation) -> Tokens:
        """The tokens of one stream's observation, its dates joined as the stream's temporal encoder joins them."""
        dtype = jnp.dtype(self.config.compute_dtype)
        stream = base_name(name)
        tokens = self.tokenizers[stream](replace(observation, values=observation.values.astype(dtype)))
        return _cast(self.temporal[stream](_cast(tokens, dtype)), dtype)

    def _pixels(self, stream: str, observation: Observation) -> Float[Array, "b h w k"]:
        return self.tokenizers[base_name(stream)].pixels(observation)


def spans_at(hidden: Float[Array, "b s d"], position: Int[Array, "b v"]) -> Float[Array, "b v d"]:
    """Hidden states at the given text positions; zeros where the position is -1."""
    picked = jnp.take_along_axis(lay_out(hidden, "batch", None, None), jnp.maximum(position, 0)[..., None], axis=1)
    picked = jnp.where(position[..., None] >= 0, picked, 0.0).astype(hidden.dtype)
    return lay_out(picked, "batch", None, None)


def _tokenizer(stream: StreamConfig, width: int, rngs: nnx.Rngs) -> Any:
    config, module = lookup(STREAM_TOKENIZERS, "tokenizer", stream.tokenizer)
    options = {"patch": stream.spec.patch, **stream.options}
    return module(from_json(config, options, where=f"options of tokenizer {stream.tokenizer}"), width, rngs=rngs)


def _cast(tokens: Tokens, dtype: Any) -> Tokens:
    return replace(tokens, embeddings=tokens.embeddings.astype(dtype))


def _add(a: dict[str, Array], b: dict[str, Array]) -> dict[str, Array]:
    """Sums over the places that route: "balance" is that of all routers."""
    return {name: a.get(name, jnp.zeros(())) + b.get(name, jnp.zeros(())) for name in a | b}
