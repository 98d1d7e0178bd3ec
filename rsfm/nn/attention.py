"""Multi-head attention with grouped keys and values, rotary angles, and an optional cache of fixed length.

b batch · q queries · n keys · d width · r rotary pairs
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from rsfm.nn.linear import Linear
from rsfm.nn.norm import RMSNorm
from rsfm.nn.rope import rotate
from rsfm.pytree import pytree_dataclass


@pytree_dataclass
class KVCache:
    """Keys and values of n slots; with a leading layer axis when a whole decoder's."""

    keys: Float[Array, "*l b n heads k"]
    values: Float[Array, "*l b n heads k"]


def write(
    cache: KVCache, keys: Float[Array, "b q h k"], values: Float[Array, "b q h k"], start: Int[Array, " b"]
) -> KVCache:
    """The cache with q new slots written from `start`, row by row."""
    put = jax.vmap(
        lambda slots, new, at: jax.lax.dynamic_update_slice_in_dim(slots, new.astype(slots.dtype), at, axis=0)
    )
    return KVCache(keys=put(cache.keys, keys, start), values=put(cache.values, values, start))


class Attention(nnx.Module):
    """softmax(q k^T / sqrt(head_dim)) v; `kv_heads` < `heads` shares keys and values (arXiv:2305.13245)."""

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        kv_heads: int | None = None,
        head_dim: int | None = None,
        qk_norm: bool = False,
        qkv_bias: bool = False,
        out_bias: bool = False,
        rngs: nnx.Rngs,
    ):
        self.heads, self.kv_heads = heads, kv_heads or heads
        self.head_dim = head_dim or width // heads
        axes = ("embed", "heads")
        self.query = Linear(width, self.heads * self.head_dim, axes=axes, bias=qkv_bias, rngs=rngs)
        self.key = Linear(width, self.kv_heads * self.head_dim, axes=axes, bias=qkv_bias, rngs=rngs)
        self.value = Linear(width, self.kv_heads * self.head_dim, axes=axes, bias=qkv_bias, rngs=rngs)
        self.out = Linear(self.heads * self.head_dim, width, axes=("heads", "embed"), bias=out_bias, rngs=rngs)
        self.query_norm = RMSNorm(self.head_dim) if qk_norm else None
        self.key_norm = RMSNorm(self.head_dim) if qk_norm else None

    def __call__(
        self,
        x: Float[Array, "b q d"],
        mask: Bool[Array, " b #q n"],
        *,
        angle: Float[Array, "b q r"] | None = None,
        memory: Float[Array, "b n d"] | None = None,
        cache: KVCache | None = None,
        start: Int[Array, " b"] | None = None,
    ) -> tuple[Float[Array, "b q d"], KVCache | None]:
        """Attends from x to itself, to `memory`, or to the cache after x was written into it at `start`.

        Args:
            mask: True where query q may look at key n. A row that may look nowhere gets zeros.
            angle: rotary angles of the queries and, without memory, of the keys.
        """
        source = x if memory is None else memory
        query = self._split(self.query(x), self.heads)
        key = self._split(self.key(source), self.kv_heads)
        value = self._split(self.value(source), self.kv_heads)
        if self.query_norm is not None and self.key_norm is not None:
            query, key = self.query_norm(query), self.key_norm(key)
        if angle is not None:
            query = rotate(query, angle)
            key = rotate(key, angle) if memory is None else key
        if cache is not None:
            assert start is not None
            cache = write(cache, key, value, start)
            key, value = cache.keys.astype(query.dtype), cache.values.astype(query.dtype)
        y = jax.nn.dot_product_attention(query, key, value, mask=mask[:, None])
        y = jnp.where(mask.any(-1)[..., None, None], y, 0)  # no key at all: nothing, not the mean of everything
        return self.out(y.reshape(*y.shape[:2], -1)), cache

    def _split(self, x: Float[Array, "b n w"], heads: int) -> Float[Array, "b n h k"]:
        return x.reshape(*x.shape[:2], heads, self.head_dim)
