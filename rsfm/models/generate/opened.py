"""Text and what its special tokens open, in one call: heads read the hidden states that the loop leaves at their tokens.

b batch · k new tokens · v slots of a head
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Int

from rsfm.models.foundation import FoundationModel
from rsfm.models.generate.choose import Choice, Sampling
from rsfm.models.generate.loop import advance, begin, make_choice
from rsfm.text.constraint import Constraint
from rsfm.types import Sample

Slots = tuple[tuple[str, int, int], ...]  # name of a head, id of its token, how many a text may hold


def generate_opened(
    model: FoundationModel,
    sample: Sample,
    slots: Mapping[str, tuple[int, int]],
    *,
    max_new_tokens: int = 48,
    key: Array | None = None,
    sampling: Sampling | None = None,
    stop: Sequence[int] = (),
    constraint: Constraint | None = None,
) -> tuple[Int[Array, "b k"], dict[str, Any]]:
    """Continues each prompt, as `generate` does, and opens the heads whose tokens the model writes.

    Args:
        model: writes, and has the heads.
        sample: prompts, padded on the right.
        slots: by the name of a head, the id of its special token and how many of them are read.
        max_new_tokens: longest text, its end token included.
        key: random key, used where the sampling's temperature is above 0.
        sampling: how tokens are drawn; None = the likeliest.
        stop: ids that end a text besides the model's end token.
        constraint: what may be written.

    Returns:
        The new ids, and the outputs of each head by name with one entry for each of its slots, in the order of the text;
        those of slots beyond the tokens written mean nothing.
    """
    choice = make_choice(model, sampling or Sampling(), max_new_tokens, key=key, stop=stop, constraint=constraint)
    graphdef, params = nnx.split(model)
    fixed = tuple((name, index, count) for name, (index, count) in sorted(slots.items()))
    return _generate_opened(graphdef, params, sample, choice, max_new_tokens, fixed)


def token_places(ids: Int[Array, "b k"], token: int, count: int) -> Int[Array, "b v"]:
    """Where the first `count` of a token stand in each row; -1 where there are fewer."""
    order = jnp.argsort(ids != token, axis=1, stable=True)[:, :count]
    order = jnp.pad(order, ((0, 0), (0, max(count - ids.shape[1], 0))))
    number = jnp.arange(count)
    return jnp.where(number < (ids == token).sum(1, keepdims=True), order, -1)


@functools.partial(jax.jit, static_argnums=(0, 4, 5))
def _generate_opened(
    graphdef: Any, params: Any, sample: Sample, choice: Choice, length: int, slots: Slots
) -> tuple[Array, dict[str, Any]]:
    model = nnx.merge(graphdef, params)
    memory, _ = model.encode(sample.observations, sample.location_deg)
    _, ids, states = advance(model, begin(model, sample, length, memory), choice, length)
    pixels = any(observation.values.shape[-2] > 1 for observation in sample.observations.values())
    readable = [slot for slot in slots if pixels or not model.heads[slot[0]].neck]
    position = {name: token_places(ids, token, count) for name, token, count in readable}
    outputs, _ = model.open(states, position, sample.observations, memory)
    return ids, outputs
