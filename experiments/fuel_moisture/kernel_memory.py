"""A head that remembers: Gaussian-process regression over the stored examples, with a kernel learned from groups of features.

n examples · q queries · g groups · f features · k kernels
Rasmussen & Williams 2006, chapters 2 and 5. exp(-L1 distance) is what averages of random trees tend to: Balog et al. 2016,
arXiv:1606.05241.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.scipy.linalg import cho_solve, cholesky, solve_triangular
from jaxtyping import Float, Int

from rsfm.types import Array

JITTER = 1e-4


class GroupKernel(nnx.Module):
    """sum_k v_k exp(-sum_g r_kg d_g): how alike two examples are, from their distances in each group of features."""

    def __init__(self, groups: int, kernels: int, *, rngs: nnx.Rngs):
        rates = jnp.log(0.25) + 0.7 * jax.random.normal(rngs.params(), (kernels, groups))
        self.log_rate = nnx.Param(rates, out_sharding=(None, None))
        self.log_variance = nnx.Param(jnp.full((kernels,), jnp.log(0.8 / kernels)), out_sharding=(None,))
        self.log_noise = nnx.Param(jnp.log(jnp.full((1,), 0.2)), out_sharding=(None,))
        self.log_source = nnx.Param(jnp.log(jnp.full((1,), 0.05)), out_sharding=(None,))
        self.mean = nnx.Param(jnp.zeros((1,)), out_sharding=(None,))

    def __call__(self, distance: Float[Array, "g q n"]) -> Float[Array, "q n"]:
        far = jnp.einsum("kg,gqn->kqn", jnp.exp(self.log_rate[...]), distance)
        return jnp.einsum("k,kqn->qn", jnp.exp(self.log_variance[...]), jnp.exp(-far))

    def variance(self) -> Float[Array, ""]:
        """Of a new measurement of a new source, before anything is remembered."""
        return jnp.exp(self.log_variance[...]).sum() + self.noise() + jnp.exp(self.log_source[0])

    def noise(self) -> Float[Array, ""]:
        return jnp.exp(self.log_noise[0]) + JITTER

    def covariance(self, distance: Float[Array, "g n n"], source: Int[Array, " n"]) -> Float[Array, "n n"]:
        """Of the measurements: what one source has of its own is shared by its examples only."""
        same = (source[:, None] == source).astype(distance.dtype)
        return self(distance) + jnp.exp(self.log_source[0]) * same + self.noise() * jnp.eye(len(source))


def negative_log_evidence(
    kernel: GroupKernel, distance: Float[Array, "g n n"], target: Float[Array, " n"], source: Int[Array, " n"]
) -> Float[Array, ""]:
    """-log p(target) without its constant: what fitting a kernel lowers (Rasmussen & Williams, equation 2.30)."""
    lower = cholesky(kernel.covariance(distance, source), lower=True)
    rest = target - kernel.mean[0]
    return 0.5 * rest @ cho_solve((lower, True), rest) + jnp.log(jnp.diagonal(lower)).sum()


class KernelMemory(nnx.Module):
    """`memory(features) -> (mean, scale)`: the stored targets, weighed by how alike their examples are.

    The memory is part of the weights: a checkpoint holds what it predicts from.

    Attributes:
        widths: features of each group, in their order.
    """

    def __init__(self, widths: tuple[int, ...], size: int, *, kernels: int = 2, rngs: nnx.Rngs):
        self.widths = widths
        self.kernel = GroupKernel(len(widths), kernels, rngs=rngs)
        self.features = nnx.Param(jnp.zeros((size, sum(widths))), out_sharding=(None, None))
        self.target = nnx.Param(jnp.zeros((size,)), out_sharding=(None,))
        self.source = nnx.Param(jnp.arange(size, dtype=jnp.float32), out_sharding=(None,))

    def remember(self, features: Float[Array, "n f"], target: Float[Array, " n"], source: Int[Array, " n"]) -> None:
        """Replaces what is stored; `target` standardized, `source` tells which examples came from one place."""
        self.features[...], self.target[...] = jnp.asarray(features), jnp.asarray(target)
        self.source[...] = jnp.asarray(source, jnp.float32)

    def __call__(self, features: Float[Array, "q f"]) -> tuple[Float[Array, " q"], Float[Array, " q"]]:
        """Mean and standard deviation of a measurement at a source that is not in the memory."""
        stored, source = self.features[...], self.source[...].astype(jnp.int32)
        lower = cholesky(self.kernel.covariance(group_distances(stored, stored, self.widths), source), lower=True)
        near = self.kernel(group_distances(features, stored, self.widths))
        rest = cho_solve((lower, True), self.target[...] - self.kernel.mean[0])
        told = jnp.square(solve_triangular(lower, near.T, lower=True)).sum(0)
        return self.kernel.mean[0] + near @ rest, jnp.sqrt(jnp.maximum(self.kernel.variance() - told, JITTER))


def group_distances(a: Float[Array, "q f"], b: Float[Array, "n f"], widths: tuple[int, ...]) -> Float[Array, "g q n"]:
    """Mean absolute difference over the features of each group, feature by feature: no (q, n, f) is ever made."""
    group = np.repeat(np.arange(len(widths)), widths)
    share = np.repeat(1 / np.array(widths, np.float32), widths)

    def add(total: Array, xs: tuple[Array, ...]) -> tuple[Array, None]:
        left, right, at, weight = xs
        return total.at[at].add(weight * jnp.abs(left[:, None] - right)), None

    zero = jnp.zeros((len(widths), len(a), len(b)), a.dtype)
    return jax.lax.scan(add, zero, (a.T, b.T, jnp.asarray(group), jnp.asarray(share)))[0]


def left_out(
    kernel: GroupKernel, distance: Float[Array, "g n n"], target: Float[Array, " n"], source: Int[Array, " n"]
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Mean and deviation of each example when all of its source are forgotten: blocks of the inverse (ibid., 5.12)."""
    inverse = np.linalg.inv(np.asarray(kernel.covariance(distance, source), np.float64))
    rest = inverse @ (np.asarray(target, np.float64) - float(kernel.mean[0]))
    mean, variance = np.zeros(len(target)), np.zeros(len(target))
    sources = np.asarray(source)
    for one in np.unique(sources):
        at = np.flatnonzero(sources == one)
        block = np.linalg.inv(inverse[np.ix_(at, at)])
        mean[at], variance[at] = np.asarray(target)[at] - block @ rest[at], np.diagonal(block)
    return jnp.asarray(mean, jnp.float32), jnp.asarray(np.sqrt(variance), jnp.float32)
