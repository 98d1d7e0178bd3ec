"""Sums over parts of a batch, divided by the whole batch's counts, are the losses of the whole batch."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.errors import UserError
from rsfm.heads import VALUE_HEADS, ValueConfig
from rsfm.nn.losses.masked import gaussian_nll, huber, mask_cross_entropy, token_cross_entropy
from rsfm.pytree import replace
from rsfm.training.objective import VALUE_LOSSES, LossConfig, count_units, loss_sums, value_loss
from rsfm.types import Predictions, Sample
from tests.training.standin import TEXT, VOCABULARY, cut, make_sample


@pytest.fixture
def pair(rng: np.random.Generator) -> tuple[Predictions, Sample]:
    sample = make_sample(0)
    mask = rng.integers(0, 8, size=(8, 6, 6)).astype(np.int32)
    position = np.tile(np.array([2, 4, -1], np.int32), (8, 1))
    position[5] = -1  # asks for no mask
    sample = replace(sample, targets={**sample.targets, "mask": mask, "mask_position": position})
    predictions = Predictions(
        text_logits=rng.normal(size=(8, TEXT, VOCABULARY)).astype(np.float32),
        outputs={
            "value_mean": rng.normal(size=(8, 1)).astype(np.float32),
            "value_scale": rng.uniform(0.5, 2, (8, 1)).astype(np.float32),
            "mask_logits": rng.normal(size=(8, 3, 6, 6)).astype(np.float32),
        },
        aux={},
    )
    return jax.tree.map(jnp.asarray, predictions), jax.tree.map(jnp.asarray, sample)


def test_parts_add_up_to_the_whole(pair: tuple[Predictions, Sample]) -> None:
    sums = jax.jit(partial(loss_sums, LossConfig()))
    whole, units = sums(*pair), count_units(LossConfig(), pair[1])
    parts = [sums(*(cut(each, slice(i, i + 4)) for each in pair)) for i in (0, 4)]
    for name in whole:
        np.testing.assert_allclose(sum(part[name] for part in parts), whole[name], rtol=1e-5)
    asked = pair[1].targets["mask_position"] >= 0
    pixels = jnp.broadcast_to(asked.any(-1)[:, None, None], (8, 6, 6))
    logits, target = pair[0].outputs["mask_logits"], pair[1].targets["mask"]
    expected = mask_cross_entropy(logits, target, pixels, slot_valid=asked)
    np.testing.assert_allclose(whole["mask"] / units["mask"], expected, rtol=1e-5)


def test_means_are_those_of_the_losses(pair: tuple[Predictions, Sample]) -> None:
    predictions, sample = pair
    sums, units = loss_sums(LossConfig(), predictions, sample), count_units(LossConfig(), sample)
    text = token_cross_entropy(predictions.text_logits[:, :-1], sample.text_ids[:, 1:], sample.loss_mask[:, 1:])
    outputs, given = predictions.outputs, sample.targets["value_position"] >= 0
    mean, target = outputs["value_mean"], sample.targets["value"]
    value = gaussian_nll(mean, outputs["value_scale"], target, given) + huber(mean, target, given)
    np.testing.assert_allclose(sums["text"] / units["text"], text, rtol=1e-6)
    np.testing.assert_allclose(sums["value"] / units["value"], value, rtol=1e-6)


def test_heads_without_targets_are_left_out(pair: tuple[Predictions, Sample]) -> None:
    predictions, sample = pair
    sample = replace(sample, targets={})
    assert set(loss_sums(LossConfig(), predictions, sample)) == set(count_units(LossConfig(), sample)) == {"text"}


def outputs_of(kind: str, raw: jax.Array) -> dict[str, jax.Array]:
    """What a head of this kind reads out of raw outputs."""
    if kind == "plain":
        return {"value_mean": raw[..., 0]}
    config = ValueConfig(kind=kind, bins=8, components=2, levels=(0.05, 0.25, 0.5, 0.75, 0.95), width=8, depth=0)
    head = VALUE_HEADS[kind](config, 4, 4, rngs=nnx.Rngs(0))
    return head.read(raw[..., : head.outputs(config)])


@pytest.mark.parametrize("kind", VALUE_HEADS)
def test_every_loss_reads_every_head_and_ignores_masked_values(kind: str) -> None:
    raw = jax.random.normal(jax.random.key(0), (4, 2, 8))
    mask = jnp.array([[True, False]] * 4)
    target = jnp.where(mask, 0.7, jnp.nan)

    def losses(raw: jax.Array) -> jax.Array:  # all of them in one compilation
        outputs = outputs_of(kind, raw)
        return jnp.stack([value_loss(LossConfig(value=loss), outputs, target, mask) for loss in ("", *VALUE_LOSSES)])

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
        value_loss(LossConfig(value="crsp"), {"value_mean": jnp.zeros(1)}, jnp.zeros(1), jnp.ones(1, bool))
