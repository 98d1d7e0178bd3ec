"""Mixture of experts: a router decides, a dispatch carries tokens to experts and back; neither knows the other.

*b batch · n tokens · d width · f hidden · e experts · k experts chosen for a token
Shazeer et al. 2017, arXiv:1701.06538; Switch, arXiv:2101.03961; router z-loss: ST-MoE, arXiv:2202.08906;
dropless: MegaBlocks, arXiv:2211.15841
"""

import dataclasses
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from flax.core.spmd import get_logical_axis_rules
from jax.sharding import AxisType, PartitionSpec
from jaxtyping import Array, Bool, Float, Int

from rsfm.errors import lookup
from rsfm.nn.mlp import MLP
from rsfm.pytree import pytree_dataclass


@dataclasses.dataclass(frozen=True, kw_only=True)
class MoEConfig:
    """Attributes:
    width: of the tokens.
    hidden: of each expert.
    experts: how many.
    top_k: experts a token is sent to.
    gate: "chosen": the weights of a token's experts sum to one; "all": softmax over all experts, cut to the chosen.
    dispatch: a key of DISPATCH.
    shared_hidden: hidden width of an expert every token passes; 0 = none.
    """

    width: int
    hidden: int
    experts: int = 8
    top_k: int = 2
    gate: str = "chosen"
    dispatch: str = "ragged"
    shared_hidden: int = 0


@pytree_dataclass
class Routing:
    """Where each token goes. A masked token goes to expert `e`, which does not exist, with weight 0."""

    expert: Int[Array, "*b k"]
    weight: Float[Array, "*b k"]


class Router(nnx.Module):
    """Learned top-k routing in float32, with what is needed to keep the load even."""

    def __init__(self, config: MoEConfig, *, rngs: nnx.Rngs):
        assert 1 <= config.top_k <= config.experts, f"top_k {config.top_k} of {config.experts} experts"
        init = jax.nn.initializers.variance_scaling(1.0, "fan_in", "truncated_normal")
        self.kernel = nnx.Param(init(rngs.params(), (config.width, config.experts)), out_sharding=("embed", None))
        self.config = config

    def __call__(self, x: Float[Array, "*b d"], mask: Bool[Array, "*b"]) -> tuple[Routing, dict[str, Array]]:
        """Chooses experts; the dictionary holds "balance", "z_loss", "busiest", "idle" (see `load_statistics`)."""
        x = jnp.where(mask[..., None], x, 0).astype(jnp.float32)
        logits = jnp.matmul(x, self.kernel[...].astype(jnp.float32), precision=jax.lax.Precision.HIGHEST)
        probability = jax.nn.softmax(logits)
        top, expert = jax.lax.top_k(logits, self.config.top_k)
        chosen = (
            jax.nn.softmax(top) if self.config.gate == "chosen" else jnp.take_along_axis(probability, expert, axis=-1)
        )
        routing = Routing(
            expert=jnp.where(mask[..., None], expert, self.config.experts), weight=jnp.where(mask[..., None], chosen, 0)
        )
        return routing, load_statistics(logits, probability, routing, mask)


def load_statistics(
    logits: Float[Array, "*b e"], probability: Float[Array, "*b e"], routing: Routing, mask: Bool[Array, "*b"]
) -> dict[str, Array]:
    """Scalars over the unmasked tokens, unweighted.

    Returns:
        balance: e * sum_i load_i * probability_i (Switch eq. 4, load over all k choices);
            1 when even, e when one expert takes all.
        z_loss: mean of logsumexp(logits)^2; keeps the logits small (ST-MoE eq. 5).
        busiest: load of the busiest expert relative to an even one, 1..e.
        idle: share of the experts that got no token.
    """
    experts, every = logits.shape[-1], tuple(range(mask.ndim))
    count = jnp.maximum(mask.sum(), 1)
    sent = jax.nn.one_hot(routing.expert, experts).sum((*every, -2))  # one_hot of the missing expert e is all zero
    load = sent / (count * routing.expert.shape[-1])
    mean_probability = jnp.where(mask[..., None], probability, 0).sum(every) / count
    z = jax.nn.logsumexp(logits, axis=-1)
    return {
        "balance": experts * (load * mean_probability).sum(),
        "z_loss": jnp.where(mask, z**2, 0).sum() / count,
        "busiest": experts * load.max(),
        "idle": (sent == 0).mean(),
    }


class MoE(nnx.Module):
    """Routed SwiGLU experts, used like an MLP: `y, aux = moe(x, mask)`. Masked tokens give zeros and change nothing."""

    def __init__(self, config: MoEConfig, *, rngs: nnx.Rngs):
        self.config = config
        self.router = Router(config, rngs=rngs)
        init = jax.nn.initializers.variance_scaling(1.0, "fan_in", "truncated_normal", batch_axis=0)
        enter, leave = (config.experts, config.width, config.hidden), (config.experts, config.hidden, config.width)
        self.gate = nnx.Param(init(rngs.params(), enter), out_sharding=("expert", "embed", "mlp"))
        self.up = nnx.Param(init(rngs.params(), enter), out_sharding=("expert", "embed", "mlp"))
        self.down = nnx.Param(init(rngs.params(), leave), out_sharding=("expert", "mlp", "embed"))
        self.shared = MLP(config.width, config.shared_hidden, rngs=rngs) if config.shared_hidden else None

    def __call__(
        self, x: Float[Array, "*b n d"], mask: Bool[Array, "*b n"] | None = None
    ) -> tuple[Float[Array, "*b n d"], dict[str, Array]]:
        """Weighted sum of the chosen experts (and the shared one), and the router's scalars."""
        mask = jnp.ones(x.shape[:-1], bool) if mask is None else mask
        routing, aux = self.router(x, mask)
        x = jnp.where(mask[..., None], x, 0)
        dispatch = lookup(DISPATCH, "dispatch", self.config.dispatch)
        weights = (self.gate[...].astype(x.dtype), self.up[...].astype(x.dtype), self.down[...].astype(x.dtype))
        y = dispatch(x, routing, *weights)
        return y if self.shared is None else y + self.shared(x), aux


def dense_dispatch(
    x: Float[Array, "*b n d"],
    routing: Routing,
    gate: Float[Array, "e d f"],
    up: Float[Array, "e d f"],
    down: Float[Array, "e f d"],
) -> Float[Array, "*b n d"]:
    """Every expert sees every token: e / k times the work, nothing to sort. The reference for tests."""
    hidden = jax.nn.silu(jnp.einsum("...d,edf->...ef", x, gate)) * jnp.einsum("...d,edf->...ef", x, up)
    share = (jax.nn.one_hot(routing.expert, gate.shape[0]) * routing.weight[..., None]).sum(-2)
    return jnp.einsum("...ef,efd,...e->...d", hidden, down, share.astype(x.dtype))


def ragged_dispatch(
    x: Float[Array, "*b n d"],
    routing: Routing,
    gate: Float[Array, "e d f"],
    up: Float[Array, "e d f"],
    down: Float[Array, "e f d"],
) -> Float[Array, "*b n d"]:
    """Dropless: tokens sorted by expert, one ragged product a layer, and back to their places.

    On a mesh each device sorts its own tokens for its own experts, and one sum over the expert and tensor axes puts the
    outputs together. Left to the partitioner alone, every ragged product ends in a sum over devices, and the sort is
    global.
    """
    rows = x.reshape(-1, *x.shape[-2:])
    expert, weight = (part.reshape(*rows.shape[:2], -1) for part in (routing.expert, routing.weight))
    batch, experts, mlp = (
        mesh_axes("batch", len(rows)),
        mesh_axes("expert", len(gate)),
        mesh_axes("mlp", gate.shape[-1]),
    )
    parts = experts + mlp  # the axes over which an output is scattered
    if not batch + parts:
        return _to_experts(rows, expert, weight, gate, up, down, first=0).reshape(x.shape)

    def local(rows: Array, expert: Array, weight: Array, gate: Array, up: Array, down: Array) -> Array:
        first = jax.lax.axis_index(experts) * gate.shape[0] if experts else 0
        if parts:  # Left implicit, the gradient of the gather by expert misses its sum over devices (jax 0.10 to 0.12).
            rows, expert, weight = jax.lax.pcast((rows, expert, weight), parts, to="varying")
        y = _to_experts(rows, expert, weight, gate, up, down, first=first)
        return jax.lax.psum(y, parts) if parts else y

    here = PartitionSpec(batch or None)
    enter, leave = PartitionSpec(experts or None, None, mlp or None), PartitionSpec(experts or None, mlp or None)
    mapped = jax.shard_map(local, in_specs=(here, here, here, enter, enter, leave), out_specs=here)
    return mapped(rows, expert, weight, gate, up, down).reshape(x.shape)


DISPATCH: dict[str, Callable[..., Array]] = {"ragged": ragged_dispatch, "dense": dense_dispatch}


def _to_experts(
    x: Float[Array, "b n d"],
    expert: Int[Array, "b n k"],
    weight: Float[Array, "b n k"],
    gate: Array,
    up: Array,
    down: Array,
    *,
    first: Int[Array, ""] | int,
) -> Float[Array, "b n d"]:
    """The part of the output that the experts first .. first + len(gate) - 1 give."""
    choices, count = expert.shape[-1], gate.shape[0]
    local = expert.reshape(-1) - first
    mine = (local >= 0) & (local < count)
    group = jnp.where(mine, local, count)  # the others are sorted to the end, where no group reaches
    order = jnp.argsort(group)
    sizes = jnp.bincount(group, length=count + 1)[:count].astype(jnp.int32)
    # What a ragged product leaves in rows beyond its groups is up to the backend: cut off on the way in and out.
    inside = mine[order][:, None]
    rows = jnp.where(inside, x.reshape(-1, x.shape[-1])[order // choices], 0)
    hidden = jax.nn.silu(jax.lax.ragged_dot(rows, gate, sizes)) * jax.lax.ragged_dot(rows, up, sizes)
    given = jnp.where(inside, jax.lax.ragged_dot(hidden, down, sizes), 0)
    back = given[jnp.argsort(order)].reshape(*expert.shape, -1)
    return jnp.einsum("bnkd,bnk->bnd", back, weight.astype(x.dtype))


def mesh_axes(name: str, size: int) -> tuple[str, ...]:
    """Mesh axes a logical axis is laid on, by the mesh and Flax rules in scope; none if they do not divide `size`."""
    mesh = jax.sharding.get_abstract_mesh()
    named = dict(get_logical_axis_rules()).get(name, name)
    wanted = (named,) if isinstance(named, str) else tuple(named or ())
    automatic = {axis for axis, kind in zip(mesh.axis_names, mesh.axis_types, strict=True) if kind == AxisType.Auto}
    axes = tuple(axis for axis in wanted if axis in automatic and mesh.shape[axis] > 1)
    return axes if size % math.prod(mesh.shape[axis] for axis in axes) == 0 else ()
