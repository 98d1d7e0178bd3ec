"""A diagonal state-space model over true time gaps: decaying averages of what was seen before and after each date.

b batch · t acquisitions · s places · r = b s rows · d width · z states
Diagonal linear recurrences: Gupta et al. 2022, arXiv:2203.14343; in parallel: Smith et al. 2023 (S5), arXiv:2208.04933.
"""

import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Bool, Complex, Float

from rsfm.models.temporal.places import TemporalConfig, by_date, mean_over_dates, ordered_days, pooled
from rsfm.nn.linear import Linear
from rsfm.nn.norm import RMSNorm
from rsfm.types import Tokens

MEMORY_DAYS = (4.0, 1500.0)  # time constants of the states at birth, shortest and longest
MEMORY_FLOOR_DAYS = 0.5
PERIOD_DAYS = (30.0, 800.0)  # of their oscillation


class StateSpaceTime(nnx.Module):
    """Layers of state spaces in both directions of time, then the mean over dates. Cost grows linearly with the dates."""

    def __init__(self, config: TemporalConfig, width: int, *, rngs: nnx.Rngs):
        self.layers = nnx.List([StateSpaceLayer(width, config.states, rngs=rngs) for _ in range(config.depth)])
        self.norm = RMSNorm(width)

    def __call__(self, tokens: Tokens) -> Tokens:
        x, mask, position = by_date(tokens)
        rows, seen, day = (rearrange(a, "b t s ... -> (b s) t ...") for a in (x, mask, position[..., 0]))
        day = ordered_days(day, seen)
        last = jnp.max(jnp.where(seen, day, -jnp.inf), axis=1, keepdims=True)
        day = jnp.where(seen, day, jnp.where(jnp.isfinite(last), last, 0.0))
        order = jnp.lexsort((~seen, day), axis=-1)  # by time; masked dates come last and without a gap
        rows = jnp.take_along_axis(rows, order[..., None], axis=1)
        seen, day = jnp.take_along_axis(seen, order, axis=1), jnp.take_along_axis(day, order, axis=1)
        for layer in self.layers:
            rows = rows + layer(rows, seen, day)
        rows, seen = (rearrange(a, "(b s) t ... -> b t s ...", s=x.shape[2]) for a in (self.norm(rows), seen))
        return pooled(mean_over_dates(rows, seen), mask, position, tokens)


class StateSpaceLayer(nnx.Module):
    """out(silu(gate(u)) * (read(h_before / n_before) + read(h_after / n_after))), with u = norm(x).

    h_i = exp((-1 / memory + 2 pi i / period) gap) h_{i-1} + B u_i runs over the valid dates; n is the same sum of the
    weights' absolute values, so that h / n is an average: neither missing dates nor more of them change its size.
    """

    def __init__(self, width: int, states: int, *, rngs: nnx.Rngs):
        self.norm = RMSNorm(width)
        memory, period = (np.geomspace(*span, states) for span in (MEMORY_DAYS, PERIOD_DAYS))
        turns = np.where(np.arange(states) % 2, 2 * np.pi / period, 0.0)  # every other state only decays
        self.log_memory = nnx.Param(jnp.asarray(np.log(memory), jnp.float32), out_sharding=(None,))
        self.turn = nnx.Param(jnp.asarray(turns, jnp.float32), out_sharding=(None,))
        self.enter = Linear(width, states, axes=("embed", None), rngs=rngs)
        self.read = Linear(4 * states, width, axes=(None, "embed"), rngs=rngs)
        self.gate = Linear(width, width, axes=("embed", None), bias=True, rngs=rngs)
        self.out = Linear(width, width, axes=(None, "embed"), rngs=rngs)

    def __call__(
        self, x: Float[Array, "r t d"], seen: Bool[Array, "r t"], day: Float[Array, "r t"]
    ) -> Float[Array, "r t d"]:
        """What the dates in order of time add to each; `day` does not fall, and masked dates add nothing."""
        u = self.norm(x)
        each = self.enter(u).astype(jnp.float32) * seen[..., None]
        memory = jnp.exp(self.log_memory[...]) + MEMORY_FLOOR_DAYS
        rate = jax.lax.complex(-1 / memory, self.turn[...])
        before = averages(rate, each, seen, day)
        after = jnp.flip(averages(rate, *(jnp.flip(a, 1) for a in (each, seen, -day))), 1)
        states = jnp.concatenate([before.real, before.imag, after.real, after.imag], axis=-1)
        return self.out(self.read(states.astype(x.dtype)) * jax.nn.silu(self.gate(u)))


def averages(
    rate: Complex[Array, " z"], each: Float[Array, "r t z"], seen: Bool[Array, "r t"], day: Float[Array, "r t"]
) -> Complex[Array, "r t z"]:
    """At each date, the average of `each` over the dates up to it, weighted by exp(rate * days since). Zeros before the first."""
    gap = jnp.diff(day, axis=1, prepend=day[:, :1])[..., None]
    ones = jnp.broadcast_to(seen[..., None], each.shape).astype(jnp.float32)

    def accumulate(keep: Array, add: Array) -> Array:
        return jax.lax.associative_scan(lambda a, b: (a[0] * b[0], a[1] * b[0] + b[1]), (keep, add), axis=1)[1]

    total = accumulate(jnp.exp(rate * gap), jax.lax.complex(each, jnp.zeros_like(each)))
    weight = accumulate(jnp.exp(rate.real * gap), ones)
    mean = total / jnp.maximum(weight, 1e-6)
    # Dates of one instant see each other whatever their order: all take the state after the last of them.
    last = jax.vmap(lambda row: jnp.searchsorted(row, row, side="right") - 1)(day)
    return jnp.take_along_axis(mean, last[..., None], axis=1)
