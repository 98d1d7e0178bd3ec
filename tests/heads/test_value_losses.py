"""Losses of the value head: each reads every kind of head, ignores what is masked, and falls against its gradient."""

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from rsfm.errors import UserError
from rsfm.heads import VALUE_HEADS, ValueConfig, ValueHead, Widths
from rsfm.heads.value import VALUE_LOSSES

WIDTHS = Widths(text=4, token=4, pixel=4)


def value_loss(loss: str, outputs: dict[str, jax.Array], target: jax.Array, mask: jax.Array) -> jax.Array:
    head = ValueHead(ValueConfig(loss=loss, width=4, depth=0), WIDTHS, rngs=nnx.Rngs(0))
    total, units = head.loss(outputs, {"value": target, "position": jnp.where(mask, 1, -1)})[""]
    return total / units


def outputs_of(kind: str, raw: jax.Array) -> dict[str, jax.Array]:
    """What a head of this kind reads out of raw outputs."""
    if kind == "plain":
        return {"mean": raw[..., 0]}
    config = ValueConfig(kind=kind, bins=8, components=2, levels=(0.05, 0.25, 0.5, 0.75, 0.95), width=8, depth=0)
    head = VALUE_HEADS[kind](config, WIDTHS, rngs=nnx.Rngs(0))
    return head.read(raw[..., : head.outputs(config)])


@pytest.mark.parametrize("kind", VALUE_HEADS)
def test_every_loss_reads_every_head_and_ignores_masked_values(kind: str) -> None:
    raw = jax.random.normal(jax.random.key(0), (4, 2, 8))
    mask = jnp.array([[True, False]] * 4)
    target = jnp.where(mask, 0.7, jnp.nan)

    def losses(raw: jax.Array) -> jax.Array:  # all of them in one compilation
        outputs = outputs_of(kind, raw)
        return jnp.stack([value_loss(loss, outputs, target, mask) for loss in ("", *VALUE_LOSSES)])

    @jax.jit
    def downhill(raw: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        slopes = jax.jacrev(losses)(raw)
        return losses(raw), slopes, jax.vmap(losses)(raw - 0.01 * slopes).diagonal()

    here, slopes, lower = downhill(raw)
    assert jnp.isfinite(here).all() and jnp.isfinite(slopes).all()
    assert not slopes[:, :, 1].any() and slopes[:, :, 0].any((1, 2)).all()
    plain = [i for i, loss in enumerate(VALUE_LOSSES, start=1) if loss != "gaussian"]  # whose weights are held fixed
    assert (lower < here)[jnp.array(plain)].all(), "against its gradient a loss falls"


def test_an_unknown_loss_is_named() -> None:
    with pytest.raises(UserError, match="Unknown value loss 'crsp'. Did you mean 'crps'"):
        value_loss("crsp", {"mean": jnp.zeros(1)}, jnp.zeros(1), jnp.ones(1, bool))
