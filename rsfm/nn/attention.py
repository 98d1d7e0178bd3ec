"""Multi-head attention with grouped keys and values, rotary angles, and an optional cache of fixed length.

b batch · q queries · n keys · d width · r rotary pairs
"""

import jax
import jax.numpy as jnp
from einops import rearrange
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from rsfm.nn.linear import Linear
from rsfm.nn.norm import NORMS
from rsfm.nn.rope import rotate
from rsfm.pytree import pytree_dataclass


@pytree_dataclass
class KVCache:
    """Keys and values of n slots; with a leading layer axis when a whole decoder's.

    A head's slots lie together: one more token reads them as they are, where slots of interleaved heads are copied first.
    """

    keys: Float[Array, "*l b heads n k"]
    values: Float[Array, "*l b heads n k"]

    @property
    def slots(self) -> int:
        """n."""
        return self.keys.shape[-2]


@pytree_dataclass
class LayerCaches(KVCache):
    """A whole decoder's, each layer's arrays apart: the fields inherited are the first layer's, with an axis of one."""

    others: tuple[KVCache, ...]


def join_caches(caches: list[KVCache]) -> LayerCaches:
    """Of layers with a leading axis of one."""
    return LayerCaches(keys=caches[0].keys, values=caches[0].values, others=tuple(caches[1:]))


def split_caches(cache: LayerCaches) -> list[KVCache]:
    """Of every layer, without the leading axis."""
    return [KVCache(keys=part.keys[0], values=part.values[0]) for part in (cache, *cache.others)]


def write(
    cache: KVCache, keys: Float[Array, "b h q k"], values: Float[Array, "b h q k"], start: Int[Array, " b"]
) -> KVCache:
    """The cache with q new slots written from `start`, row by row."""
    put = jax.vmap(
        lambda slots, new, at: jax.lax.dynamic_update_slice_in_dim(slots, new.astype(slots.dtype), at, axis=1)
    )
    return KVCache(keys=put(cache.keys, keys, start), values=put(cache.values, values, start))


class Attention(nnx.Module):
    """softmax(q k^T / sqrt(head_dim)) v; `kv_heads` < `heads` shares keys and values (arXiv:2305.13245).

    Attributes:
        scale: what the products of queries and keys are multiplied with; None = 1 / sqrt(head_dim).
        softcap: the products are bent into -softcap..softcap by a tanh (Gemma 2, arXiv:2408.00118); 0 = left alone.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        kv_heads: int | None = None,
        head_dim: int | None = None,
        qk_norm: str = "",
        norm_epsilon: float = 1e-6,
        qkv_bias: bool = False,
        out_bias: bool = False,
        scale: float | None = None,
        softcap: float = 0.0,
        rngs: nnx.Rngs,
    ):
        self.heads, self.kv_heads = heads, kv_heads or heads
        self.head_dim = head_dim or width // heads
        axes = ("embed", "heads")
        self.query = Linear(width, self.heads * self.head_dim, axes=axes, bias=qkv_bias, rngs=rngs)
        self.key = Linear(width, self.kv_heads * self.head_dim, axes=axes, bias=qkv_bias, rngs=rngs)
        self.value = Linear(width, self.kv_heads * self.head_dim, axes=axes, bias=qkv_bias, rngs=rngs)
        self.out = Linear(self.heads * self.head_dim, width, axes=("heads", "embed"), bias=out_bias, rngs=rngs)
        self.query_norm = NORMS[qk_norm](self.head_dim, epsilon=norm_epsilon) if qk_norm else None
        self.key_norm = NORMS[qk_norm](self.head_dim, epsilon=norm_epsilon) if qk_norm else None
        self.scale, self.softcap = scale, softcap

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
        if cache is None and not self.softcap:
            y = jax.nn.dot_product_attention(query, key, value, mask=mask[:, None], scale=self.scale)
        else:
            key, value = (rearrange(x, "b n h k -> b h n k") for x in (key, value))
            if cache is not None:
                assert start is not None
                cache = write(cache, key, value, start)
                key, value = cache.keys.astype(query.dtype), cache.values.astype(query.dtype)
            y = grouped_attention(query, key, value, mask, scale=self.scale, softcap=self.softcap)
        y = jnp.where(mask.any(-1)[..., None, None], y, 0)  # no key at all: nothing, not the mean of everything
        return self.out(y.reshape(*y.shape[:2], -1)), cache

    def _split(self, x: Float[Array, "b n w"], heads: int) -> Float[Array, "b n h k"]:
        return x.reshape(*x.shape[:2], heads, self.head_dim)


def grouped_attention(
    query: Float[Array, "b q heads k"],
    key: Float[Array, "b groups n k"],
    value: Float[Array, "b groups n k"],
    mask: Bool[Array, " b #q n"],
    *,
    scale: float | None,
    softcap: float = 0.0,
) -> Float[Array, "b q heads k"]:
    """Attention to the slots of a cache, or with products bent by softcap * tanh(x / softcap). Softmax in float32."""
    groups, head_dim = key.shape[1], key.shape[3]
    grouped = rearrange(query, "b q (g r) k -> b g (r q) k", g=groups)
    products = jnp.einsum("bgmk,bgnk->bgmn", grouped, key, preferred_element_type=jnp.float32)
    products = products * (head_dim**-0.5 if scale is None else scale)
    products = softcap * jnp.tanh(products / softcap) if softcap else products
    by_query = rearrange(products, "b g (r q) n -> b g r q n", q=query.shape[1])
    by_query = jnp.where(mask[:, None, None], by_query, jnp.finfo(jnp.float32).min)
    share = rearrange(jax.nn.softmax(by_query, axis=-1), "b g r q n -> b g (r q) n").astype(value.dtype)
    y = jnp.einsum("bgmn,bgnk->bgmk", share, value)
    return rearrange(y, "b g (r q) k -> b q (g r) k", q=query.shape[1])
