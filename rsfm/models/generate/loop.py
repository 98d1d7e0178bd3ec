"""Text: prefill, then one jitted loop over a cache of fixed length.   b batch · k new tokens"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Int

from rsfm.models.foundation import FoundationModel
from rsfm.types import Sample


def generate(
    model: FoundationModel,
    sample: Sample,
    *,
    max_new_tokens: int = 48,
    key: Array | None = None,
    temperature: float = 0.0,
) -> Int[Array, "b k"]:
    """Continues each prompt of a batched sample up to its end token; pad tokens follow it.

    Compiles once per shape of the batch: prompts of different lengths inside one shape share the compilation.

    Args:
        model: any FoundationModel.
        sample: prompts, padded on the right; lengths differ by `text_valid`.
        key: random key; needed where temperature > 0.
        temperature: 0 = the likeliest token.
    """
    graphdef, params = nnx.split(model)
    if key is None:
        key = jax.random.key(0)
    return _generate(graphdef, params, sample, key, jnp.float32(temperature or 1.0), max_new_tokens, temperature == 0)


@functools.partial(jax.jit, static_argnums=(0, 5, 6))
def _generate(
    graphdef: Any, params: Any, sample: Sample, key: Array, temperature: Array, length: int, greedy: bool
) -> Int[Array, "b k"]:
    model: FoundationModel = nnx.merge(graphdef, params)
    end, pad = model.config.decoder.end_id, model.config.decoder.pad_id
    memory, _ = model.encode(sample.observations, sample.location_deg)
    prefix = model.prefix(memory)
    hidden, cache = model.decoder.prefill(prefix, sample.text_ids, sample.text_valid, length)
    written = sample.text_valid.sum(1)
    last = jnp.take_along_axis(hidden, (written - 1)[:, None, None], axis=1)[:, 0]
    first = prefix.mask.shape[1]
    place = jnp.arange(cache.keys.shape[2])
    prefix_seen = jnp.pad(prefix.mask, ((0, 0), (0, len(place) - first)))

    def choose(state: Array, step: Array) -> Array:
        logits = model.logits(state[:, None])[:, 0]
        if greedy:
            return jnp.argmax(logits, axis=-1)
        return jax.random.categorical(jax.random.fold_in(key, step), logits / temperature)

    def unfinished(carry: tuple) -> Array:
        return (carry[0] < length) & ~carry[2].all()

    def step(carry: tuple) -> tuple:
        i, state, done, cache, ids = carry
        token = jnp.where(done, pad, choose(state, i))
        at = first + written + i
        seen = prefix_seen | ((place >= first) & (place[None] <= at[:, None]))
        state, cache = model.decoder.step(token, at, seen, cache)
        return i + 1, state, done | (token == end), cache, ids.at[:, i].set(token)

    batch = written.shape[0]
    start = (jnp.int32(0), last, jnp.zeros((batch,), bool), cache, jnp.full((batch, length), pad, jnp.int32))
    return jax.lax.while_loop(unfinished, step, start)[4]
