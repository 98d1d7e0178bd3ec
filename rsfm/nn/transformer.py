"""Pre-norm transformer: one compiled block scanned over the layers.

b batch · q queries · n keys · d width · l layers · r rotary pairs
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from rsfm.nn.attention import Attention, KVCache
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
    """Shape of a stack of blocks. The defaults are Llama's; the flags cover its kin."""

    width: int
    depth: int
    heads: int
    kv_heads: int | None = None
    head_dim: int | None = None
    mlp_width: int
    norm: str = "rms"
    activation: str = "silu"
    gated: bool = True
    qk_norm: bool = False
    qkv_bias: bool = False
    experts: int = 0  # > 0: the feed-forward is a mixture of that many experts
    experts_per_token: int = 2
    remat: str = "none"  # a key of REMAT_POLICIES
    unroll: int = 1  # layers per turn of the scan; on a CPU, products inside a loop use fewer threads


class Block(nnx.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        norm = NORMS[config.norm]
        self.attention_norm, self.mlp_norm = norm(config.width), norm(config.width)
        self.attention = Attention(
            config.width,
            config.heads,
            kv_heads=config.kv_heads,
            head_dim=config.head_dim,
            qk_norm=config.qk_norm,
            qkv_bias=config.qkv_bias,
            rngs=rngs,
        )
        if config.experts:
            moe = MoEConfig(
                width=config.width, hidden=config.mlp_width, experts=config.experts, top_k=config.experts_per_token
            )
            self.mlp: MLP | MoE = MoE(moe, rngs=rngs)
        else:
            self.mlp = MLP(config.width, config.mlp_width, gated=config.gated, activation=config.activation, rngs=rngs)

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
        x = x + y
        if isinstance(self.mlp, MoE):
            y, aux = self.mlp(self.mlp_norm(x), valid)
            return x + y, cache, aux
        return x + self.mlp(self.mlp_norm(x)), cache, {}


class Transformer(nnx.Module):
    """`depth` blocks with stacked parameters and a closing norm. Compile time does not grow with depth."""

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        self.config = config
        self.blocks = _stack(config, rngs)
        self.norm = NORMS[config.norm](config.width)

    def __call__(
        self,
        x: Float[Array, "b q d"],
        mask: Bool[Array, " b #q n"],
        *,
        valid: Bool[Array, "b q"] | None = None,
        angle: Float[Array, "b q r"] | None = None,
        cache: KVCache | None = None,
        start: Int[Array, " b"] | None = None,
    ) -> tuple[Float[Array, "b q d"], KVCache | None, dict[str, Array]]:
        """Runs all layers. `valid` tells which tokens an expert layer routes; aux are means over the layers."""
        graphdef, params = nnx.split(self.blocks)
        valid = jnp.ones(x.shape[:2], bool) if valid is None else valid

        def layer(
            carry: Array, xs: tuple[Any, KVCache | None]
        ) -> tuple[Array, tuple[KVCache | None, dict[str, Array]]]:
            block = nnx.merge(graphdef, xs[0])
            y, new_cache, aux = block(carry, mask, valid, angle, xs[1], start)
            return y, (new_cache, aux)

        policy = REMAT_POLICIES[self.config.remat]
        if policy is not None:
            layer = jax.checkpoint(layer, policy=policy)
        x, (cache, aux) = jax.lax.scan(layer, x, (params, cache), unroll=self.config.unroll)
        return self.norm(x), cache, jax.tree.map(jnp.mean, aux)

    def empty_cache(self, batch: int, slots: int, dtype: Any = jnp.float32) -> KVCache:
        """Zeros for `slots` tokens in every layer."""
        attention = self.blocks.attention
        shape = (self.config.depth, batch, slots, attention.kv_heads, attention.head_dim)
        return KVCache(keys=jnp.zeros(shape, dtype), values=jnp.zeros(shape, dtype))


def _stack(config: TransformerConfig, rngs: nnx.Rngs) -> Block:
    @nnx.split_rngs(splits=config.depth)
    @nnx.vmap(in_axes=0, out_axes=0)
    @nnx.transform_metadata(in_axes=0, out_axes=0, partition="layers")
    def make(layer_rngs: nnx.Rngs) -> Block:
        return Block(config, rngs=layer_rngs)

    return make(rngs)
