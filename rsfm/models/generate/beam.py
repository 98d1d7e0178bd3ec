"""Beam search in one jitted loop: the likeliest texts, kept side by side.

b batch · k beams · v vocabulary · n new tokens · c candidates
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from rsfm.models.generate.choose import NEVER, Choice, Sampling, masked
from rsfm.models.generate.loop import LanguageModel, Writing, begin, decoder_of, make_choice, read
from rsfm.pytree import pytree_dataclass, replace
from rsfm.text.constraint import Constraint
from rsfm.types import Sample


@pytree_dataclass
class Beams:
    """Texts still growing and the best that ended, by batch row.

    Attributes:
        ids, score: of the growing ones: tokens and sum of log-probabilities, best first; NEVER = an empty beam.
        ended_ids, ended_score: of the ended ones; their score is divided by length ** penalty.
    """

    ids: Int[Array, "b k n"]
    score: Float[Array, "b k"]
    ended_ids: Int[Array, "b k n"]
    ended_score: Float[Array, "b k"]


def beam_search(
    model: LanguageModel,
    sample: Sample,
    *,
    beams: int = 4,
    max_new_tokens: int = 48,
    length_penalty: float = 1.0,
    stop: Sequence[int] = (),
    constraint: Constraint | None = None,
) -> tuple[Int[Array, "b n"], Float[Array, " b"]]:
    """The likeliest continuation of each prompt that a beam of this width finds, and its score.

    Args:
        model: any FoundationModel, or a Decoder for prompts without observations.
        sample: prompts, padded on the right.
        beams: texts kept side by side; 1 = greedy.
        max_new_tokens: longest text, its end token included; a text may be cut there.
        length_penalty: a text's score is its log-probability / length ** length_penalty; 0 = the log-probability.
        stop: ids that end a text besides the model's end token.
        constraint: what may be written; log-probabilities are those among the allowed tokens.

    Returns:
        Ids padded after the end, and scores.
    """
    choice = make_choice(model, Sampling(), max_new_tokens, stop=stop, constraint=constraint)
    graphdef, params = nnx.split(model)
    return _search(graphdef, params, sample, choice, jnp.float32(length_penalty), beams, max_new_tokens)


@functools.partial(jax.jit, static_argnums=(0, 5, 6))
def _search(
    graphdef: Any, params: Any, sample: Sample, choice: Choice, penalty: Array, beams: int, length: int
) -> tuple[Array, Array]:
    model = nnx.merge(graphdef, params)
    single = begin(model, sample, length)
    batch = single.done.shape[0]
    writing = _take(single, jnp.repeat(jnp.arange(batch), beams))
    pad = decoder_of(model).config.pad_id
    empty = jnp.full((batch, beams, length), pad, jnp.int32)
    first = jnp.full((batch, beams), NEVER).at[:, 0].set(0.0)  # all beams are alike at first: one counts
    start = Beams(ids=empty, score=first, ended_ids=empty, ended_score=jnp.full((batch, beams), NEVER))

    def unfinished(carry: tuple[Writing, Beams]) -> Array:
        writing, now = carry
        return (writing.step < length) & _hopeful(now, penalty, writing.step, length).any()

    def one(carry: tuple[Writing, Beams]) -> tuple[Writing, Beams]:
        writing, now = carry
        logits = masked(model.logits(writing.hidden[:, None])[:, 0], choice, writing.state, writing.step)
        now, parent, token = extend(now, jax.nn.log_softmax(logits), choice, penalty, writing.step)
        moved = _take(writing, (jnp.arange(batch)[:, None] * beams + parent).reshape(-1))
        token = token.reshape(-1)
        state = moved.state if choice.constraint is None else choice.constraint.next(moved.state, token)
        return replace(read(model, moved, token), state=state), now

    _, found = jax.lax.while_loop(unfinished, one, (writing, start))
    return best(found, penalty, length)


def extend(
    now: Beams, logp: Float[Array, "_ v"], choice: Choice, penalty: Float[Array, ""], step: Int[Array, ""]
) -> tuple[Beams, Int[Array, "b k"], Int[Array, "b k"]]:
    """One token more: the new beams, and for each the beam it grew from and its token."""
    batch, beams, length = now.ids.shape
    vocabulary = logp.shape[-1]
    total = now.score[:, :, None] + jnp.maximum(logp.reshape(batch, beams, vocabulary), NEVER)
    # Of each beam at most len(stop) candidates end: so many more leave k that go on.
    count = min(beams * (1 + choice.stop.shape[0]), beams * vocabulary)
    score, flat = jax.lax.top_k(total.reshape(batch, -1), count)
    parent, token = flat // vocabulary, (flat % vocabulary).astype(jnp.int32)
    grown = jnp.take_along_axis(now.ids, parent[:, :, None], axis=1)
    grown = jnp.where(jnp.arange(length) == step, token[:, :, None], grown)
    ends = (token[:, :, None] == choice.stop).any(-1)
    real = score > NEVER / 2

    normal = jnp.where(ends & real, score / (step + 1.0) ** penalty, NEVER)
    pool_score = jnp.concatenate([now.ended_score, normal], axis=1)
    pool_ids = jnp.concatenate([now.ended_ids, grown], axis=1)
    ended_score, kept = jax.lax.top_k(pool_score, beams)
    alive, on = jax.lax.top_k(jnp.where(ends | ~real, NEVER, score), min(beams, count))
    short = beams - alive.shape[1]  # a vocabulary smaller than the beam
    alive = jnp.pad(alive, ((0, 0), (0, short)), constant_values=NEVER)
    on = jnp.pad(on, ((0, 0), (0, short)))
    rows = functools.partial(jnp.take_along_axis, axis=1)
    new = Beams(
        ids=rows(grown, on[:, :, None]),
        score=alive,
        ended_ids=rows(pool_ids, kept[:, :, None]),
        ended_score=ended_score,
    )
    return new, rows(parent, on), rows(token, on)


def best(found: Beams, penalty: Float[Array, ""], length: int) -> tuple[Int[Array, "b n"], Float[Array, " b"]]:
    """The best text of each row; those still growing count as cut at the limit."""
    cut = jnp.where(found.score > NEVER / 2, found.score / float(length) ** penalty, NEVER)
    score = jnp.concatenate([found.ended_score, cut], axis=1)
    top = jnp.argmax(score, axis=1)
    ids = jnp.concatenate([found.ended_ids, found.ids], axis=1)
    return jnp.take_along_axis(ids, top[:, None, None], axis=1)[:, 0], jnp.take_along_axis(score, top[:, None], 1)[:, 0]


def _hopeful(now: Beams, penalty: Float[Array, ""], step: Int[Array, ""], length: int) -> Bool[Array, " b"]:
    """Rows in which a growing text may still beat the worst of the ended ones: scores only fall, lengths only grow."""
    reach = jnp.maximum(now.score[:, 0] / (step + 1.0) ** penalty, now.score[:, 0] / float(length) ** penalty)
    return (now.score[:, 0] > NEVER / 2) & (reach > now.ended_score[:, -1])


def _take(writing: Writing, rows: Int[Array, " r"]) -> Writing:
    """The rows of a batch at these indices; in a cache the batch is the second axis."""
    cache = jax.tree.map(lambda leaf: leaf[:, rows], writing.cache)
    flat = {name: getattr(writing, name)[rows] for name in ("hidden", "prompt", "first", "done", "state")}
    return replace(writing, cache=cache, **flat)
