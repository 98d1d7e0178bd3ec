"""The distribution of a number under one interface, whatever head made it: moments, quantiles, cdf, density, CRPS.

b any leading axes · k components, knots or draws
CRPS: Gneiting & Raftery 2007 (JASA 102); of a normal mixture: Grimit et al. 2006 (QJRMS 132).
"""

import math
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr, ndtri
from jaxtyping import Array, Float

from rsfm.pytree import pytree_dataclass

TINY = 1e-6
STEPS = 48  # halvings in search of a mixture's quantile: from a range of 1e3 to float32's last digit


@runtime_checkable
class Distribution(Protocol):
    """Of one number each along the leading axes; `x` broadcasts against them."""

    def mean(self) -> Float[Array, "*b"]:
        """Expected value: what minimises the squared error."""
        ...

    def scale(self) -> Float[Array, "*b"]:
        """Standard deviation."""
        ...

    def quantile(self, level: float) -> Float[Array, "*b"]:
        """The number that a share `level` of the mass lies below."""
        ...

    def cdf(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """Mass at or below x."""
        ...

    def log_density(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """Natural logarithm of the density at x."""
        ...

    def crps(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """Continuous ranked probability score against the outcome x, in the unit of x; lower is better."""
        ...


@pytree_dataclass
class Normal:
    """Mean and standard deviation."""

    center: Float[Array, "*b"]
    width: Float[Array, "*b"]

    def mean(self) -> Float[Array, "*b"]:
        return self.center

    def scale(self) -> Float[Array, "*b"]:
        return self.width

    def quantile(self, level: float) -> Float[Array, "*b"]:
        return self.center + self.width * ndtri(level)

    def cdf(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return ndtr((x - self.center) / self.width)

    def log_density(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return _log_normal((x - self.center) / self.width) - jnp.log(self.width)

    def crps(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        z = (x - self.center) / self.width
        return self.width * (z * (2 * ndtr(z) - 1) + 2 * jnp.exp(_log_normal(z)) - 1 / math.sqrt(math.pi))


@pytree_dataclass
class Mixture:
    """A mixture of k normals; weights sum to one."""

    weight: Float[Array, "*b k"]
    center: Float[Array, "*b k"]
    width: Float[Array, "*b k"]

    def mean(self) -> Float[Array, "*b"]:
        return (self.weight * self.center).sum(-1)

    def scale(self) -> Float[Array, "*b"]:
        second = (self.weight * (self.width**2 + self.center**2)).sum(-1)
        return jnp.sqrt(jnp.maximum(second - self.mean() ** 2, TINY**2))

    def quantile(self, level: float) -> Float[Array, "*b"]:
        held = jax.tree.map(jax.lax.stop_gradient, self)
        each = Normal(center=held.center, width=held.width).quantile(level)

        def halve(_: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            middle = (ends[0] + ends[1]) / 2
            below = held.cdf(middle) < level
            return jnp.where(below, middle, ends[0]), jnp.where(below, ends[1], middle)

        # A mixture's quantile lies between those of its parts.
        low, high = jax.lax.fori_loop(0, STEPS, halve, (each.min(-1), each.max(-1)))
        found = (low + high) / 2
        # One step of Newton's: it adds nothing to the value, and makes its gradient that of the implicit function.
        density = jnp.exp(held.log_density(found))
        return found - (self.cdf(found) - level) / jnp.maximum(density, 1e-3)

    def cdf(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        return (self.weight * ndtr((jnp.asarray(x)[..., None] - self.center) / self.width)).sum(-1)

    def log_density(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        each = Normal(center=self.center, width=self.width).log_density(jnp.asarray(x)[..., None])
        return jax.nn.logsumexp(each + jnp.log(self.weight + TINY), axis=-1)

    def crps(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        to_x = _mean_distance(jnp.asarray(x)[..., None] - self.center, self.width**2)
        gap = self.center[..., :, None] - self.center[..., None, :]
        spread = self.width[..., :, None] ** 2 + self.width[..., None, :] ** 2
        pairs = self.weight[..., :, None] * self.weight[..., None, :] * _mean_distance(gap, spread)
        return (self.weight * to_x).sum(-1) - 0.5 * pairs.sum((-1, -2))


@pytree_dataclass
class Piecewise:
    """Even density between rising knots: what bins and quantiles give.

    Attributes:
        knots: the numbers, rising.
        mass: share at or below each knot, from 0 to 1.
    """

    knots: Float[Array, "*b k"]
    mass: Float[Array, "*b k"]

    def mean(self) -> Float[Array, "*b"]:
        return (jnp.diff(self.mass) * (self.knots[..., 1:] + self.knots[..., :-1]) / 2).sum(-1)

    def scale(self) -> Float[Array, "*b"]:
        low, high = self.knots[..., :-1], self.knots[..., 1:]
        second = (jnp.diff(self.mass) * (low**2 + low * high + high**2) / 3).sum(-1)
        return jnp.sqrt(jnp.maximum(second - self.mean() ** 2, TINY**2))

    def quantile(self, level: float) -> Float[Array, "*b"]:
        low, high = self.mass[..., :-1], self.mass[..., 1:]
        share = jnp.clip((level - low) / jnp.maximum(high - low, TINY), 0, 1)
        return self.knots[..., 0] + (share * jnp.diff(self.knots)).sum(-1)

    def cdf(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        low, high = self.knots[..., :-1], self.knots[..., 1:]
        share = jnp.clip((jnp.asarray(x)[..., None] - low) / jnp.maximum(high - low, TINY), 0, 1)
        return (share * jnp.diff(self.mass)).sum(-1)

    def log_density(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """Beyond the outer knots that of the outer piece: a loss stays finite."""
        x = jnp.asarray(x)[..., None]
        inner = self.knots[..., 1:-1]
        piece = jax.nn.one_hot((x >= inner).sum(-1), self.knots.shape[-1] - 1)  # a product: a gather's gradient is slow
        density = jnp.log(jnp.diff(self.mass) + TINY) - jnp.log(jnp.maximum(jnp.diff(self.knots), TINY))
        return (piece * density).sum(-1)

    def crps(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """The integral of (cdf - [y >= x])^2, piece by piece, and what lies beyond the outer knots."""
        x = jnp.asarray(x)[..., None]
        low, high, before, after = self.knots[..., :-1], self.knots[..., 1:], self.mass[..., :-1], self.mass[..., 1:]
        at = jnp.clip(x, low, high)
        here = before + (after - before) * (at - low) / jnp.maximum(high - low, TINY)
        left = (at - low) * (before**2 + before * here + here**2) / 3
        right = (high - at) * ((1 - here) ** 2 + (1 - here) * (1 - after) + (1 - after) ** 2) / 3
        outside = jnp.abs(x[..., 0] - jnp.clip(x[..., 0], self.knots[..., 0], self.knots[..., -1]))
        return (left + right).sum(-1) + outside


@pytree_dataclass
class Draws:
    """k equally likely draws, as from an answer that was generated k times; NaN draws count for nothing."""

    values: Float[Array, "*b k"]

    def mean(self) -> Float[Array, "*b"]:
        return jnp.nanmean(self.values, axis=-1)

    def scale(self) -> Float[Array, "*b"]:
        return jnp.nanstd(self.values, axis=-1)

    def quantile(self, level: float) -> Float[Array, "*b"]:
        return jnp.nanquantile(self.values, level, axis=-1)

    def cdf(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        known = ~jnp.isnan(self.values)
        return (known & (self.values <= jnp.asarray(x)[..., None])).sum(-1) / jnp.maximum(known.sum(-1), 1)

    def log_density(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """Of the normal with the draws' moments: draws have no density of their own."""
        return Normal(center=self.mean(), width=jnp.maximum(self.scale(), TINY)).log_density(x)

    def crps(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        to_x = jnp.nanmean(jnp.abs(self.values - jnp.asarray(x)[..., None]), axis=-1)
        pairs = jnp.nanmean(jnp.abs(self.values[..., :, None] - self.values[..., None, :]), axis=(-1, -2))
        return to_x - 0.5 * pairs


def from_quantiles(levels: Float[Array, "*b k"], values: Float[Array, "*b k"]) -> Piecewise:
    """The distribution through quantiles at rising levels; either tail ends where its slope would reach 0 or 1."""
    first = (values[..., 1] - values[..., 0]) * levels[..., 0] / (levels[..., 1] - levels[..., 0])
    last = (values[..., -1] - values[..., -2]) * (1 - levels[..., -1]) / (levels[..., -1] - levels[..., -2])
    ends = (values[..., :1] - first[..., None], values, values[..., -1:] + last[..., None])
    zero = jnp.zeros_like(levels[..., :1])
    return Piecewise(knots=jnp.concatenate(ends, axis=-1), mass=jnp.concatenate([zero, levels, zero + 1], axis=-1))


def from_bins(edges: Float[Array, "*b m"], probability: Float[Array, "*b k"]) -> Piecewise:
    """The distribution over k bins, even inside each; m = k + 1 edges."""
    mass = jnp.cumsum(probability, axis=-1)
    mass = mass / mass[..., -1:]
    return Piecewise(knots=edges, mass=jnp.concatenate([jnp.zeros_like(mass[..., :1]), mass], axis=-1))


def _log_normal(z: Array) -> Array:
    return -0.5 * z**2 - 0.5 * math.log(2 * math.pi)


def _mean_distance(gap: Array, variance: Array) -> Array:
    """E|X| of a normal X around `gap`."""
    deviation = jnp.sqrt(variance)
    z = gap / deviation
    return 2 * deviation * jnp.exp(_log_normal(z)) + gap * (2 * ndtr(z) - 1)
