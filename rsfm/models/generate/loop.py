"""Text from prompts: prefill, then one jitted loop over a cache of fixed length, whole or in chunks for a stream.

b batch · s prompt · p prefix and prompt · n cache slots · d width · v vocabulary · k new tokens
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from rsfm.errors import UserError
from rsfm.models.decoder import Decoder
from rsfm.models.foundation import FoundationModel
from rsfm.models.generate.choose import Choice, Sampling, choose, random_key
from rsfm.nn.attention import KVCache
from rsfm.pytree import pytree_dataclass, replace
from rsfm.text.constraint import Constraint
from rsfm.types import Sample, Tokens


@runtime_checkable
class LanguageModel(Protocol):
    """What is written with: a FoundationModel, or a Decoder alone, whose prompts hold no observations."""

    config: Any

    def logits(self, hidden: Float[Array, "b s d"]) -> Float[Array, "b s v"]: ...


@pytree_dataclass
class Writing:
    """Where a batch of texts stands.

    Attributes:
        hidden: last hidden state of each row: the next token is chosen from it.
        cache: keys and values of prefix, prompt and what was written.
        prompt: which slots of prefix and prompt hold tokens to look at; what is written comes over the prompt's padding.
        first: slot of each row's first new token.
        done: rows that ended.
        state: of the constraint.
        step: tokens written.
    """

    hidden: Float[Array, "b d"]
    cache: KVCache
    prompt: Bool[Array, "b p"]
    first: Int[Array, " b"]
    done: Bool[Array, " b"]
    state: Int[Array, " b"]
    step: Int[Array, ""]


def generate(
    model: LanguageModel,
    sample: Sample,
    *,
    max_new_tokens: int = 48,
    key: Array | None = None,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    stop: Sequence[int] = (),
    constraint: Constraint | None = None,
) -> Int[Array, "b k"]:
    """Continues each prompt of a batched sample up to its end token; pad tokens follow it.

    Compiles once per shape of the batch: prompts of different lengths inside one shape share the compilation, and so do
    all temperatures, top-k and top-p.

    Args:
        model: any FoundationModel, or a Decoder for prompts without observations.
        sample: prompts, padded on the right; lengths differ by `text_valid`.
        max_new_tokens: longest text, its end token included.
        key: random key, used where temperature > 0; None = a new one at every call.
        temperature, top_k, top_p: see Sampling.
        stop: ids that end a text besides the model's own end tokens.
        constraint: what may be written; the text is whole even at the length limit.
    """
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
    choice = make_choice(model, sampling, max_new_tokens, key=key, stop=stop, constraint=constraint)
    graphdef, params = nnx.split(model)
    return _generate(graphdef, params, sample, choice, max_new_tokens)


def stream(
    model: LanguageModel,
    sample: Sample,
    *,
    max_new_tokens: int = 48,
    chunk: int = 1,
    key: Array | None = None,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    stop: Sequence[int] = (),
    constraint: Constraint | None = None,
) -> Iterator[Int[np.ndarray, "b _"]]:
    """Yields what `generate` gives, `chunk` tokens at a time, until every row has ended.

    The loop of a chunk is jitted: 1 suits a terminal, more cost fewer calls.
    """
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
    choice = make_choice(model, sampling, max_new_tokens, key=key, stop=stop, constraint=constraint)
    graphdef, params = nnx.split(model)
    slots = -(-max_new_tokens // chunk) * chunk
    writing = _begin(graphdef, params, sample, slots)
    for start in range(0, max_new_tokens, chunk):
        writing, ids = _advance(graphdef, params, writing, choice, chunk)
        yield np.asarray(ids)[:, : max_new_tokens - start]
        if bool(writing.done.all()):
            return


def make_choice(
    model: LanguageModel,
    sampling: Sampling,
    limit: int,
    *,
    key: Array | None = None,
    stop: Sequence[int] = (),
    constraint: Constraint | None = None,
) -> Choice:
    """What the loop needs of the options.

    Raises:
        UserError: the limit leaves no room for the shortest text the constraint allows.
    """
    if constraint is not None and limit < (shortest := int(constraint.distance[0])):
        raise UserError(
            f"max_new_tokens {limit}: the shortest answer of this form has {shortest} tokens. Allow as many."
        )
    ends = decoder_of(model).config
    return Choice(
        key=random_key(sampling.seed) if key is None else key,
        temperature=jnp.float32(sampling.temperature or 1.0),
        top_k=jnp.int32(sampling.top_k),
        top_p=jnp.float32(sampling.top_p),
        stop=jnp.asarray([ends.end_id, *ends.end_ids, *stop], jnp.int32),
        limit=jnp.int32(limit),
        constraint=constraint,
        greedy=sampling.temperature == 0,
        narrow=sampling.top_k > 0 or sampling.top_p < 1,
    )


def prompt_sample(rows: Sequence[Sequence[int]], length: int, *, pad_id: int = 0) -> Sample:
    """Prompts without observations, for a Decoder alone.

    Args:
        rows: ids of each prompt.
        length: to pad to on the right: one compilation a length.
        pad_id: what fills them up.
    """
    longest = max(len(row) for row in rows)
    if longest > length:
        raise UserError(f"A prompt has {longest} tokens, {longest - length} over the {length} allowed. Shorten it.")
    ids = np.full((len(rows), length), pad_id, np.int32)
    valid = np.arange(length)[None] < np.asarray([len(row) for row in rows])[:, None]
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
    return Sample(
        observations={},
        location_deg=np.full((len(rows), 2), np.nan, np.float32),
        text_ids=ids,
        text_valid=valid,
        loss_mask=np.zeros_like(valid),
        targets={},
    )


@functools.partial(jax.jit, static_argnums=(0, 4))
def _generate(graphdef: Any, params: Any, sample: Sample, choice: Choice, length: int) -> Int[Array, "b k"]:
    model = nnx.merge(graphdef, params)
    return advance(model, begin(model, sample, length), choice, length)[1]


@functools.partial(jax.jit, static_argnums=(0, 3))
def _begin(graphdef: Any, params: Any, sample: Sample, length: int) -> Writing:
    return begin(nnx.merge(graphdef, params), sample, length)


@functools.partial(jax.jit, static_argnums=(0, 4), donate_argnums=2)
def _advance(graphdef: Any, params: Any, writing: Writing, choice: Choice, count: int) -> tuple[Writing, Array]:
    return advance(nnx.merge(graphdef, params), writing, choice, count)[:2]


def begin(model: LanguageModel, sample: Sample, length: int, memory: dict[str, Tokens] | None = None) -> Writing:
    """Reads the prompts, with room for `length` more tokens. Pure.

    Args:
        model: writes.
        sample: prompts.
        length: room for new tokens.
        memory: encoded tokens by stream, where they are at hand.
    """
    decoder = decoder_of(model)
    if isinstance(model, FoundationModel):
        if memory is None:
            memory, _ = model.encode(sample.observations, sample.location_deg)
        prefix, added, images = model.prefix(memory), model.numbers_in(sample), model.images_in(sample, memory)
    else:
        prefix, added, images = _no_prefix(decoder, sample.text_ids.shape[0]), None, None
    text_ids, text_valid = jnp.asarray(sample.text_ids), jnp.asarray(sample.text_valid)
    hidden, cache = decoder.prefill(prefix, text_ids, text_valid, length, added, images)
    seen = text_valid if images is None else images.read(text_valid)
    written = text_valid.sum(1)
    last = jnp.take_along_axis(hidden, (written - 1)[:, None, None], axis=1)[:, 0]
    batch, first = prefix.mask.shape
    return Writing(
        hidden=last,
        cache=cache,
        prompt=jnp.concatenate([prefix.mask, seen], axis=1),
        first=first + written,
        done=jnp.zeros((batch,), bool),
        state=jnp.zeros((batch,), jnp.int32),
        step=jnp.int32(0),
    )


def advance(
    model: LanguageModel, writing: Writing, choice: Choice, count: int
) -> tuple[Writing, Int[Array, "b k"], Float[Array, "b k d"]]:
    """Writes up to `count` more tokens, fewer where every row ends before. Pure.

    Returns:
        Where the texts stand, the tokens, and the hidden state at each of them, which opens the heads of special tokens.
    """
    pad = decoder_of(model).config.pad_id
    ids = jnp.full((writing.done.shape[0], count), pad, jnp.int32)
    states = jnp.zeros((*ids.shape, writing.hidden.shape[-1]), writing.hidden.dtype)

    def unfinished(carry: tuple[Array, Writing, Array, Array]) -> Array:
        return (carry[0] < count) & ~carry[1].done.all()

    def one(carry: tuple[Array, Writing, Array, Array]) -> tuple[Array, Writing, Array, Array]:
        i, now, ids, states = carry
        token, state = choose(model.logits(now.hidden[:, None])[:, 0], choice, now.state, now.step)
        token = jnp.where(now.done, pad, token)
        done = now.done | (token[:, None] == choice.stop).any(1)
        new = replace(read(model, now, token), done=done, state=state)
        return i + 1, new, ids.at[:, i].set(token), states.at[:, i].set(new.hidden)

    return jax.lax.while_loop(unfinished, one, (jnp.int32(0), writing, ids, states))[1:]


def read(model: LanguageModel, writing: Writing, token: Int[Array, " b"]) -> Writing:
    """One more token of each row goes through the decoder."""
    at = writing.first + writing.step
    slots, prompt = jnp.arange(writing.cache.slots), writing.prompt
    written = (slots >= writing.first[:, None]) & (slots <= at[:, None])
    seen = jnp.pad(prompt, ((0, 0), (0, len(slots) - prompt.shape[1]))) | written
    hidden, cache = decoder_of(model).step(token, at, seen, writing.cache)
    return replace(writing, hidden=hidden, cache=cache, step=writing.step + 1)


def decoder_of(model: Any) -> Decoder:
    return model.decoder if isinstance(model, FoundationModel) else model


def _no_prefix(decoder: Decoder, batch: int) -> Tokens:
    width = decoder.config.transformer.width
    return Tokens(
        embeddings=jnp.zeros((batch, 0, width), decoder.embedding[...].dtype),
        mask=jnp.zeros((batch, 0), bool),
        position=jnp.zeros((batch, 0, 3)),
    )
