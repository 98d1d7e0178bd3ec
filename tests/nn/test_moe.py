"""Mixture of experts against its dense reference: values, gradients, masks, load, and experts on a mesh."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from rsfm.errors import UserError
from rsfm.nn.moe import MoE, MoEConfig, Router

CONFIG = MoEConfig(width=16, hidden=24, experts=4, top_k=2, shared_hidden=8)
RULES = (("batch", ("data", "fsdp")), ("embed", "fsdp"), ("mlp", "tensor"), ("expert", "expert"))
AXES = ("data", "fsdp", "tensor", "expert")

on_eight_devices = pytest.mark.skipif(
    jax.device_count() < 8, reason="needs 8 devices: XLA_FLAGS=--xla_force_host_platform_device_count=8"
)


def replaced(config: MoEConfig, **changes: object) -> MoEConfig:
    return MoEConfig(**{**vars(config), **changes})


def inputs(*shape: int) -> tuple[jax.Array, jax.Array]:
    x = jax.random.normal(jax.random.key(1), (*shape, CONFIG.width))
    return x, jax.random.bernoulli(jax.random.key(2), 0.7, shape)


def by_hand(moe: MoE, x: np.ndarray) -> np.ndarray:
    """One token after another, one expert after another, in float64."""
    silu = lambda a: a / (1 + np.exp(-a))  # noqa: E731
    kernel, gate, up, down = (np.asarray(p[...], np.float64) for p in (moe.router.kernel, moe.gate, moe.up, moe.down))
    shared = moe.shared
    out = np.zeros_like(x, dtype=np.float64)
    for i, token in enumerate(x.astype(np.float64)):
        logits = token @ kernel
        best = np.argsort(-logits, kind="stable")[: moe.config.top_k]
        weight = np.exp(logits[best]) / np.exp(logits[best if moe.config.gate == "chosen" else slice(None)]).sum()
        for w, e in zip(weight, best, strict=True):
            out[i] += w * ((silu(token @ gate[e]) * (token @ up[e])) @ down[e])
        if shared is not None:
            g, u, d = (np.asarray(layer.kernel[...], np.float64) for layer in (shared.gate, shared.up, shared.down))
            out[i] += (silu(token @ g) * (token @ u)) @ d
    return out


@pytest.mark.parametrize("dispatch", ["ragged", "dense"])
@pytest.mark.parametrize("changes", [{}, {"gate": "all"}, {"top_k": 1}, {"top_k": 4}, {"shared_hidden": 0}])
def test_agrees_with_a_loop_over_tokens_and_experts(dispatch, changes):
    moe = MoE(replaced(CONFIG, dispatch=dispatch, **changes), rngs=nnx.Rngs(0))
    x, _ = inputs(20)
    y, _ = jax.jit(lambda x: moe(x))(x)
    np.testing.assert_allclose(y, by_hand(moe, np.asarray(x)), atol=1e-5)


def gradients(dispatch: str, x: jax.Array, mask: jax.Array, mesh: jax.sharding.Mesh | None = None):
    """Loss and its gradients by parameters and input; with parameters laid out by their logical names, on a mesh."""
    graphdef, params = nnx.split(MoE(replaced(CONFIG, dispatch=dispatch), rngs=nnx.Rngs(0)))
    if mesh is not None:
        params = jax.device_put(params, nnx.get_named_sharding(params, mesh))

    def loss(params, x):
        y, aux = nnx.merge(graphdef, params)(x, mask)
        return (jnp.sin(y) * jnp.arange(y.size).reshape(y.shape) / y.size).sum() + aux["balance"] + aux["z_loss"]

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))(params, x)


def test_ragged_and_dense_have_the_same_gradients():
    for got, wanted in zip(
        *(jax.tree.leaves(gradients(name, *inputs(3, 7))) for name in ("ragged", "dense")), strict=True
    ):
        np.testing.assert_allclose(got, wanted, atol=1e-5)


@pytest.mark.parametrize("dispatch", ["ragged", "dense"])
def test_masked_tokens_change_nothing(dispatch):
    moe = MoE(replaced(CONFIG, dispatch=dispatch), rngs=nnx.Rngs(0))
    x, mask = inputs(2, 9)
    y, aux = moe(x, mask)
    z, aux_noise = moe(jnp.where(mask[..., None], x, jnp.nan), mask)
    np.testing.assert_array_equal(y, z)
    assert not y[~mask].any()
    jax.tree.map(np.testing.assert_array_equal, aux, aux_noise)
    alone, aux_alone = moe(x[mask])  # the masked tokens cut out
    np.testing.assert_allclose(y[mask], alone, atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), aux, aux_alone)
    for leaf in jax.tree.leaves(gradients(dispatch, jnp.where(mask[..., None], x, jnp.nan), mask)):
        assert np.isfinite(leaf).all()


def test_all_masked_gives_zeros():
    y, aux = MoE(CONFIG, rngs=nnx.Rngs(0))(inputs(2, 3)[0], jnp.zeros((2, 3), bool))
    assert not y.any() and aux["balance"] == 0 and aux["idle"] == 1


def test_order_of_tokens_does_not_matter():
    moe = MoE(CONFIG, rngs=nnx.Rngs(0))
    x, mask = inputs(1, 30)
    order = jax.random.permutation(jax.random.key(3), 30)
    np.testing.assert_allclose(moe(x[:, order], mask[:, order])[0], moe(x, mask)[0][:, order], atol=1e-6)


def test_balance_is_one_when_even_and_e_when_collapsed():
    config = MoEConfig(width=4, hidden=4, experts=4, top_k=1)
    router = Router(config, rngs=nnx.Rngs(0))
    router.kernel[...] = 50.0 * jnp.eye(4)
    even, collapsed = jnp.eye(4), jnp.tile(jnp.eye(4)[:1], (4, 1))
    _, aux = router(even, jnp.ones(4, bool))
    assert aux["balance"] == pytest.approx(1) and aux["busiest"] == 1 and aux["idle"] == 0
    _, aux = router(collapsed, jnp.ones(4, bool))
    assert aux["balance"] == pytest.approx(4) and aux["busiest"] == 4 and aux["idle"] == 0.75
    assert aux["z_loss"] == pytest.approx(2500, rel=1e-3)


def test_the_balance_loss_spreads_the_load():
    router = Router(MoEConfig(width=16, hidden=1, experts=4, top_k=1), rngs=nnx.Rngs(0))
    x = inputs(64)[0] + 2.0  # a common direction: most tokens want the same expert
    graphdef, params = nnx.split(router)
    loss = jax.jit(jax.value_and_grad(lambda p: nnx.merge(graphdef, p)(x, jnp.ones(64, bool))[1]["balance"]))
    first = loss(params)[0]
    for _ in range(60):
        params = jax.tree.map(lambda p, g: p - 0.1 * g, params, loss(params)[1])
    assert loss(params)[0] < 1.1 < first


def test_half_precision_stays_half_and_routes_in_float32():
    moe = MoE(CONFIG, rngs=nnx.Rngs(0))
    x, mask = inputs(2, 9)
    y, aux = moe(x.astype(jnp.bfloat16), mask)
    assert y.dtype == jnp.bfloat16 and aux["balance"].dtype == jnp.float32


def test_an_unknown_dispatch_is_told():
    with pytest.raises(UserError, match="Unknown dispatch 'ragge'. Did you mean 'ragged'"):
        MoE(replaced(CONFIG, dispatch="ragge"), rngs=nnx.Rngs(0))(*inputs(2, 3))


@on_eight_devices
@pytest.mark.parametrize("shape", [(2, 1, 1, 4), (1, 2, 2, 2), (4, 1, 2, 1), (1, 1, 2, 4)], ids=str)
@pytest.mark.parametrize("dispatch", ["ragged", "dense"])
def test_experts_on_a_mesh_give_the_same_as_on_one_device(shape, dispatch):
    x, mask = inputs(4, 7)
    wanted = gradients(dispatch, x, mask)
    mesh = jax.make_mesh(shape, AXES, axis_types=(AxisType.Auto,) * 4)
    with jax.set_mesh(mesh), nnx.logical_axis_rules(RULES):
        rows = NamedSharding(mesh, PartitionSpec(("data", "fsdp")))
        got = gradients(dispatch, jax.device_put(x, rows), jax.device_put(mask, rows), mesh)
        moe = MoE(CONFIG, rngs=nnx.Rngs(0))
        y, _ = jax.jit(lambda x, mask: moe(x, mask))(x[:3], mask[:3])  # rows that the data axes do not divide
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    np.testing.assert_allclose(y, MoE(CONFIG, rngs=nnx.Rngs(0))(x[:3], mask[:3])[0], atol=1e-5)


@on_eight_devices
def test_no_device_ever_holds_all_experts():
    mesh = jax.make_mesh((1, 1, 1, 8), AXES, axis_types=(AxisType.Auto,) * 4)
    with jax.set_mesh(mesh), nnx.logical_axis_rules(RULES):
        graphdef, params = nnx.split(MoE(replaced(CONFIG, experts=8, shared_hidden=0), rngs=nnx.Rngs(0)))
        params = jax.device_put(params, nnx.get_named_sharding(params, mesh))
        forward = jax.jit(lambda params, x: nnx.merge(graphdef, params)(x)[0])
        program = forward.lower(params, inputs(4, 7)[0]).compile().as_text()
    gathered = [line for line in program.splitlines() if "= " in line and " all-gather(" in line]
    assert not [line for line in gathered if "8,16,24" in line or "8,24,16" in line]
    assert sum(" all-reduce(" in line for line in program.splitlines()) == 1  # of the outputs, once
