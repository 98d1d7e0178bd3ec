"""Pre-norm transformer: one compiled block scanned over the layers.

b batch · q queries · n keys · d width · l layers · r rotary pairs
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from rsfm.errors import lookup
from rsfm.nn.attention import Attention, KVCache, LayerCaches, join_caches, split_caches
from rsfm.nn.layout import lay_out
from rsfm.nn.mlp import MLP
from rsfm.nn.moe import MoE, MoEConfig
from rsfm.nn.norm import NORMS

REMAT_POLICIES: dict[str, Any] = {
    "none": None,
    "full": jax.checkpoint_policies.nothing_saveable,
    "dots": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Shape of a stack of blocks. The defaults are Llama's; the flags cover its kin and the vision transformers.

    Attributes:
        norm: a key of NORMS; also the kind of `qk_norm`, which has no mean to subtract and takes "rms" beside "layer".
        bias: on every linear layer; `qkv_bias` on those of query, key and value only (Qwen2).
        qk_norm: queries and keys are normalised per head before they turn (Qwen3, Gemma 3).
        query_scale: multiplies the products of queries and keys; None = 1 / sqrt(head_dim).
        attention_softcap: bends those products into -cap..cap by a tanh; 0 = left alone (Gemma 2).
        post_norms: a norm after attention and after the feed-forward too, before each is added (Gemma 2 and 3).
        layer_scale: a learnt factor per channel on what each half of a block adds (DINO; arXiv:2103.17239).
        final_norm: a norm after the last block.
        window: how many slots each layer looks back, its own among them; 0 = all. Repeated over the layers: (512, 0) is
            every second layer local. A layer with a window turns by the local angle, where one is given.
        experts: > 0 makes the feed-forward a mixture of that many experts.
        remat: a key of REMAT_POLICIES.
        unroll: layers per turn of the scan; on a CPU, products inside a loop use fewer threads.
        stacked: one block compiled and scanned over stacked parameters. False: a block a layer, each with parameters of
            its own: nothing is cut out of a stack at every step, which halves the time of a decoded token on a CPU;
            compile time grows with depth.
    """

    width: int
    depth: int
    heads: int
    kv_heads: int | None = None
    head_dim: int | None = None
    mlp_width: int
    norm: str = "rms"
    norm_epsilon: float = 1e-6
    activation: str = "silu"
    gated: bool = True
    bias: bool = False
    qkv_bias: bool = False
    qk_norm: bool = False
    query_scale: float | None = None
    attention_softcap: float = 0.0
    post_norms: bool = False
    layer_scale: bool = False
    final_norm: bool = True
    window: tuple[int, ...] = ()
    experts: int = 0
    experts_per_token: int = 2
    remat: str = "none"
    unroll: int = 1
    stacked: bool = True

    @property
    def windows(self) -> tuple[int, ...]:
        """Of every layer; empty where all look everywhere."""
        return tuple(self.window[i % len(self.window)] for i in range(self.depth)) if any(self.window) else ()


class Block(nnx.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)); what is added may be normalised and scaled first."""

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        def norm() -> Any:
            return lookup(NORMS, "norm", config.norm)(config.width, epsilon=config.norm_epsilon)

        self.attention_norm, self.mlp_norm = norm(), norm()
        self.attention_post_norm = norm() if config.post_norms else None
        self.mlp_post_norm = norm() if config.post_norms else None
        self.attention_scale = LayerScale(config.width) if config.layer_scale else None
        self.mlp_scale = LayerScale(config.width) if config.layer_scale else None
        self.attention = Attention(
            config.width,
            config.heads,
            kv_heads=config.kv_heads,
            head_dim=config.head_dim,
            qk_norm="" if not config.qk_norm else "rms" if config.norm == "layer" else config.norm,
            norm_epsilon=config.norm_epsilon,
            qkv_bias=config.qkv_bias or config.bias,
            out_bias=config.bias,
            scale=config.query_scale,
            softcap=config.attention_softcap,
            rngs=rngs,
        )
        if config.experts:
            moe = MoEConfig(
                width=config.width, hidden=config.mlp_width, experts=config.experts, top_k=config.experts_per_token
            )
            self.mlp: MLP | MoE = MoE(moe, rngs=rngs)
        else:
            self.mlp = MLP(
                config.width,
                config.mlp_width,
                gated=config.gated,
                activation=config.activation,
                bias=config.bias,
                rngs=rngs,
            )

    def __call__(
        self,
        x: Float[Array, "b q d"],
        mask: Bool[Array, " b #q n"],
        valid: Bool[Array, "b q"],
        angle: Float[Array, "b q r"] | None,
        cache: KVCache | None = None,
        start: Int[Array, " b"] | None = None,
    ) -> tuple[Float[Array, "b q d"], KVCache | None, dict[str, Array]]:
        y, cache = self.attention(self.attention_norm(x), mask, angle=angle, cache=cache, start=start)
        x = x + _finish(y, self.attention_post_norm, self.attention_scale)
        y, aux = self.mlp(self.mlp_norm(x), valid) if isinstance(self.mlp, MoE) else (self.mlp(self.mlp_norm(x)), {})
        return x + _finish(y, self.mlp_post_norm, self.mlp_scale), cache, aux


class LayerScale(nnx.Module):
    """A factor per channel, small at first, so that a deep stack begins near the identity."""

    def __init__(self, width: int):
        self.scale = nnx.Param(jnp.full((width,), 1e-5), out_sharding=(None,))

    def __call__(self, x: Float[Array, "*n d"]) -> Float[Array, "*n d"]:
        return x * self.scale[...].astype(x.dtype)


def _finish(y: Array, norm: Any, scale: LayerScale | None) -> Array:
    y = y if norm is None else norm(y)
    return y if scale is None else scale(y)


class Transformer(nnx.Module):
    """`depth` blocks and a closing norm. With stacked parameters compile time does not grow with depth."""

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        self.config = config
        lookup(REMAT_POLICIES, "remat policy", config.remat)
        apart = () if config.stacked else (Block(config, rngs=rngs) for _ in range(config.depth))
        self.blocks: Any = _stack(config, rngs) if config.stacked else nnx.List(apart)
        norm = lookup(NORMS, "norm", config.norm)
        self.norm = norm(config.width, epsilon=config.norm_epsilon) if config.final_norm else None

    def __call__(
        self,
        x: Float[Array, "b q d"],
        mask: Bool[Array, " b #q n"],
        *,
        valid: Bool[Array, "b q"] | None = None,
        angle: Float[Array, "b q r"] | None = None,
        local_angle: Float[Array, "b q r"] | None = None,
        cache: KVCache | None = None,
        start: Int[Array, " b"] | None = None,
        taps: tuple[int, ...] = (),
    ) -> tuple[Float[Array, "b q d"], KVCache | None, dict[str, Array]]:
        """Runs all layers.

        Args:
            mask: True where query q may look at key n.
            valid: which tokens an expert layer routes.
            angle: rotary angles of the queries.
            local_angle: those of the layers with a window; None = `angle`.
            start: slot of each row's first query, with a cache.
            taps: layers whose input is given back too; `depth` is what leaves the last, before the closing norm.

        Returns:
            The output, the filled cache, and scalars that are means over the layers; "taps" (taps b q d) beside them.
        """
        x = lay_out(x, "batch", None, None)
        blocks = [self.blocks] if self.config.stacked else list(self.blocks)
        graphdef = nnx.graphdef(blocks[0])
        valid = jnp.ones(x.shape[:2], bool) if valid is None else valid
        windows: Any = np.array(self.config.windows, np.int32) if self.config.windows else None
        back = _slots_back(x.shape[1], mask.shape[-1], start)

        def layer(
            carry: Array, xs: tuple[Any, KVCache | None, Array | None]
        ) -> tuple[Array, tuple[KVCache | None, dict[str, Array], Array | None]]:
            params, cache, window = xs
            block, seen, turn = nnx.merge(graphdef, params), mask, angle
            if window is not None:
                seen = mask & ((window == 0) | (back < window))
                turn = angle if angle is None or local_angle is None else jnp.where(window > 0, local_angle, angle)
            y, new_cache, aux = block(carry, seen, valid, turn, cache, start)
            return lay_out(y, "batch", None, None), (new_cache, aux, carry if taps else None)

        policy = REMAT_POLICIES[self.config.remat]
        if policy is not None:
            layer = jax.checkpoint(layer, policy=policy)
        if self.config.stacked:
            params = nnx.state(self.blocks)
            x, (cache, aux, inputs) = jax.lax.scan(layer, x, (params, cache, windows), unroll=self.config.unroll)
        else:
            x, (cache, aux, inputs) = _one_by_one(layer, x, [nnx.state(block) for block in blocks], cache, windows)
        aux = jax.tree.map(jnp.mean, aux)
        if inputs is not None:
            aux["taps"] = jnp.concatenate([inputs, x[None]])[np.array(taps)]
        return x if self.norm is None else self.norm(x), cache, aux

    def empty_cache(self, batch: int, slots: int, dtype: Any = jnp.float32) -> KVCache:
        """Zeros for `slots` tokens in every layer."""
        config = self.config
        kv_heads, layers = config.kv_heads or config.heads, config.depth if config.stacked else 1
        shape = (layers, batch, kv_heads, slots, config.head_dim or config.width // config.heads)

        def one() -> KVCache:
            return KVCache(keys=jnp.zeros(shape, dtype), values=jnp.zeros(shape, dtype))

        return one() if config.stacked else join_caches([one() for _ in range(config.depth)])


def _one_by_one(
    layer: Any, x: Array, params: list[Any], cache: KVCache | None, windows: np.ndarray | None
) -> tuple[Array, Any]:
    """What the scan does, without a loop."""
    caches = split_caches(cache) if isinstance(cache, LayerCaches) else [None] * len(params)
    out = []
    for i, (param, part) in enumerate(zip(params, caches, strict=True)):
        x, found = layer(x, (param, part, None if windows is None else jnp.asarray(windows[i])))
        out.append(found)
    filled = None if cache is None else join_caches([jax.tree.map(lambda leaf: leaf[None], new) for new, _, _ in out])
    return x, (filled, *jax.tree.map(lambda *parts: jnp.stack(parts), *[found[1:] for found in out]))


def _slots_back(queries: int, keys: int, start: Int[Array, " b"] | None) -> Int[Array, "*b q n"]:
    """How many slots each query stands after each key; without a cache the queries stand in slots 0, 1, 2 ..."""
    first = jnp.zeros((1,), jnp.int32) if start is None else start
    return first[:, None, None] + jnp.arange(queries)[:, None] - jnp.arange(keys)


def _stack(config: TransformerConfig, rngs: nnx.Rngs) -> Block:
    @nnx.split_rngs(splits=config.depth)
    @nnx.vmap(in_axes=0, out_axes=0)
    @nnx.transform_metadata(in_axes=0, out_axes=0, partition="layers")
    def make(layer_rngs: nnx.Rngs) -> Block:
        return Block(config, rngs=layer_rngs)

    return make(rngs)
