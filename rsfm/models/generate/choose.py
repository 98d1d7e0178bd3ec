"""Which token comes next: the likeliest, or one drawn after temperature, top-k and top-p.   b batch · v vocabulary"""

import dataclasses
import secrets

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rsfm.errors import UserError
from rsfm.pytree import pytree_dataclass, static
from rsfm.text.constraint import Constraint

NEVER = -1e30  # a logit that is never chosen; finite, so that no row of them gives NaN


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the tokens of an answer are chosen: the likeliest one by one, the likeliest text of a beam, or drawn.

    Attributes:
        temperature: divides the logits; 0 = the likeliest token.
        top_k: only the k likeliest; 0 = all.
        top_p: only the fewest likeliest whose mass is at least p (arXiv:1904.09751); 1 = all.
        seed: of the draws, so that they can be repeated; None = others every time.
        beams: texts kept side by side, of which the likeliest is taken.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int | None = None
    beams: int = 1

    def __post_init__(self) -> None:
        """Raises UserError where a number makes no sense."""
        if not (self.temperature >= 0 and self.top_k >= 0 and 0 < self.top_p <= 1):
            raise UserError(
                f"temperature {self.temperature:g}, top_k {self.top_k}, top_p {self.top_p:g}: expected temperature >= 0, "
                "top_k >= 0 and 0 < top_p <= 1. Temperature 0 takes the likeliest token."
            )
        if self.beams < 1 or (self.beams > 1 and self.temperature > 0):
            raise UserError(
                f"beams {self.beams} at temperature {self.temperature:g}: expected 1 or more beams, and more than one only at "
                "temperature 0, as beams look for the likeliest text. Leave one of the two out."
            )
        if self.seed is not None and not 0 <= self.seed < 2**31:
            raise UserError(f"seed {self.seed}: expected a number from 0 to {2**31 - 1}.")


def random_key(seed: int | None = None) -> Array:
    """The random key of a seed, which always draws the same; without a seed a new one at every call."""
    return jax.random.key(secrets.randbits(31) if seed is None else seed)


@pytree_dataclass
class Choice:
    """Sampling on the device: numbers are arrays, so that other numbers do not compile again.

    Attributes:
        key: random key of the whole generation.
        stop: ids that end a text; -1 = none.
        limit: tokens that may be written in all.
        constraint: what may be written at all.
        greedy, narrow: whether to take the likeliest, whether top-k or top-p cut anything.
    """

    key: Array
    temperature: Float[Array, ""]
    top_k: Int[Array, ""]
    top_p: Float[Array, ""]
    stop: Int[Array, " e"]
    limit: Int[Array, ""]
    constraint: Constraint | None
    greedy: bool = static()
    narrow: bool = static()


def narrowed(logits: Float[Array, "b v"], top_k: Int[Array, ""], top_p: Float[Array, ""]) -> Float[Array, "b v"]:
    """Logits with NEVER outside the top k and outside the fewest likeliest tokens that hold the mass p."""
    order = jnp.argsort(-logits, axis=-1, stable=True)
    share = jax.nn.softmax(jnp.take_along_axis(logits, order, axis=-1), axis=-1)
    before = jnp.cumsum(share, axis=-1) - share  # mass of the likelier ones: below p until p is reached
    rank = jnp.arange(logits.shape[-1])
    keep = (before < top_p) & ((rank < top_k) | (top_k <= 0)) | (rank == 0)
    return jnp.where(jnp.take_along_axis(keep, jnp.argsort(order, axis=-1), axis=-1), logits, NEVER)


def masked(
    logits: Float[Array, "b v"], choice: Choice, state: Int[Array, " b"], step: Int[Array, ""]
) -> Float[Array, "b v"]:
    """Logits with NEVER where the constraint allows no token."""
    if choice.constraint is None:
        return logits
    allowed = choice.constraint.allowed(state, choice.limit - step, choice.stop, logits.shape[-1])
    return jnp.where(allowed, logits, NEVER)


def likeliest(logits: Float[Array, "b v"]) -> Int[Array, " b"]:
    """The first of the largest logits. Two plain reductions: on a CPU jnp.argmax goes through a vocabulary one by one."""
    place = jnp.arange(logits.shape[-1], dtype=jnp.int32)
    top = logits.max(-1, keepdims=True)
    return jnp.where(logits == top, place, logits.shape[-1] - 1).min(-1)


def choose(
    logits: Float[Array, "b v"], choice: Choice, state: Int[Array, " b"], step: Int[Array, ""]
) -> tuple[Int[Array, " b"], Int[Array, " b"]]:
    """The next token of each row and the constraint's state after it."""
    logits = masked(logits.astype(jnp.float32), choice, state, step)
    if choice.greedy:
        token = likeliest(logits)
    else:
        logits = logits / choice.temperature
        logits = narrowed(logits, choice.top_k, choice.top_p) if choice.narrow else logits
        token = jax.random.categorical(jax.random.fold_in(choice.key, step), logits)
    token = token.astype(jnp.int32)
    return token, state if choice.constraint is None else choice.constraint.next(state, token)
