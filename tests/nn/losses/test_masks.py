"""Each loss of maps against plain numpy in float64; partial labels, padded slots and masked pixels as promised."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsfm.nn.losses import masks as losses
from rsfm.nn.losses.masks import MASK_LOSSES, at_border

seeds = st.integers(0, 2**16)
ANY_LOSS = pytest.mark.parametrize("name", MASK_LOSSES)


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def close(got: jax.Array, wanted: float) -> None:
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def on_device(loss, *arrays: np.ndarray, slot_valid: np.ndarray, **options: float) -> jax.Array:
    return loss(*map(jnp.asarray, arrays), slot_valid=jnp.asarray(slot_valid), **options)


def mask_case(seed: int):
    """Random logits of 3 slots, the third padded in sample 1; sets of slots among the valid ones, some empty: unlabelled."""
    rng = np.random.default_rng(seed)
    logits, target = 3 * rng.normal(size=(2, 3, 5, 4)), rng.integers(0, 16, size=(2, 5, 4))
    slot_valid = np.array([[True, True, True], [True, True, False]])
    target[1] &= 0b111
    return logits.astype(np.float32), target, rng.random((2, 5, 4)) < 0.8, slot_valid


def slot_probability(logits: np.ndarray, slot_valid: np.ndarray) -> np.ndarray:
    scores = np.where(slot_valid[:, :, None, None], logits.astype(np.float64), -np.inf)
    return softmax(np.concatenate([np.zeros((2, 1, 5, 4)), scores], 1).transpose(0, 2, 3, 1))


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_mask_cross_entropy(seed):
    logits, target, mask, slot_valid = mask_case(seed)
    probability = slot_probability(logits, slot_valid)
    possible = (target[..., None] >> np.arange(4)) & 1
    each = -np.log((probability * possible).sum(-1), where=target > 0, out=np.zeros(target.shape))
    got = on_device(losses.mask_cross_entropy, logits, target, mask, slot_valid=slot_valid)
    close(got, each[mask & (target > 0)].mean())


def test_a_pixel_of_any_class_costs_nothing():
    """One that may be of every class asked for, or of none of them, says nothing; one of two classes leaves them level."""
    logits, _, mask, slot_valid = mask_case(0)
    everything = np.where(slot_valid[:, 2], 0b1111, 0b111)[:, None, None] * np.ones((2, 5, 4), int)
    value, slope = jax.value_and_grad(losses.mask_cross_entropy)(
        jnp.asarray(logits), jnp.asarray(everything), jnp.asarray(mask), slot_valid=jnp.asarray(slot_valid)
    )
    np.testing.assert_allclose(value, 0, atol=1e-6)
    np.testing.assert_allclose(slope, 0, atol=1e-6)
    level = jax.grad(losses.mask_cross_entropy)(
        jnp.zeros((1, 3, 1, 1)), jnp.full((1, 1, 1), 0b0110), jnp.ones((1, 1, 1), bool)
    )
    np.testing.assert_allclose(level[0, :, 0, 0], [-0.25, -0.25, 0.25], atol=1e-6)


def test_permuting_slots_with_their_targets_changes_nothing():
    logits, target, mask, slot_valid = mask_case(1)
    order = np.array([2, 0, 1])
    renamed = (target & 1) + sum((target >> (old + 1) & 1) << (new + 1) for new, old in enumerate(order))
    loss = losses.mask_cross_entropy
    a = on_device(loss, logits, target, mask, slot_valid=slot_valid)
    b = on_device(loss, logits[:, order], renamed, mask, slot_valid=slot_valid[:, order])
    np.testing.assert_allclose(a, b, rtol=1e-6)


@ANY_LOSS
def test_permuting_slots_changes_no_loss(name):
    logits, target, mask, slot_valid = mask_case(1)
    order = np.array([2, 0, 1])
    renamed = (target & 1) + sum((target >> (old + 1) & 1) << (new + 1) for new, old in enumerate(order))
    a = on_device(MASK_LOSSES[name], logits, target, mask, slot_valid=slot_valid)
    b = on_device(MASK_LOSSES[name], logits[:, order], renamed, mask, slot_valid=slot_valid[:, order])
    np.testing.assert_allclose(a, b, rtol=1e-5)


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_focal_is_cross_entropy_where_nothing_is_known(seed):
    logits, target, mask, slot_valid = mask_case(seed)
    possible = (target[..., None] >> np.arange(4)) & 1
    chance = (slot_probability(logits, slot_valid) * possible).sum(-1)
    each = -np.log(chance, where=target > 0, out=np.zeros(target.shape)) * (1 - chance) ** losses.FOCUS
    got = on_device(losses.mask_focal, logits, target, mask, slot_valid=slot_valid)
    close(got, each[mask & (target > 0)].mean())


def sure(target: np.ndarray, mask: np.ndarray, one: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels surely of a class, and those of which it is known whether they are."""
    has, alone = target >> one & 1 > 0, np.bitwise_count(target) == 1
    return mask & has & alone, mask & (target > 0) & (alone | ~has)


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_dice_and_lovasz(seed):
    """Lovasz against its definition: the errors sorted, each weighed by how much the IoU loss grows with its pixel."""
    logits, target, mask, slot_valid = mask_case(seed)
    chance, dice, lovasz = slot_probability(logits, slot_valid), [], []
    for b in range(2):
        for one in range(4):
            truth, told = sure(target[b], mask[b], one)
            if not truth.any():
                continue
            p = chance[b, ..., one]
            dice.append(1 - 2 * p[truth].sum() / max(truth.sum() + p[told].sum(), 1))
            error, inside = np.abs(truth - p)[told], truth[told]
            order = np.argsort(-error)
            loss = [1 - (~wrong & inside).sum() / (wrong | inside).sum() for wrong in _first(order)]
            lovasz.append((error[order] * np.diff(loss, prepend=0)).sum())
    for name, wanted in (("dice", dice), ("lovasz", lovasz)):
        got = on_device(MASK_LOSSES[name], logits, target, mask, slot_valid=slot_valid)
        np.testing.assert_allclose(got, np.mean(wanted) if wanted else 0.0, rtol=1e-4, atol=1e-5)


def _first(order: np.ndarray):
    """The sets of the first 1, 2, ... pixels in an order."""
    for count in range(1, len(order) + 1):
        yield np.isin(np.arange(len(order)), order[:count])


@ANY_LOSS
def test_the_right_map_costs_nothing_and_a_wrong_one_much(name):
    target = np.where(np.arange(16).reshape(1, 4, 4) % 3 == 0, 2, 4)
    right = np.moveaxis(np.stack([target == 2, target == 4], -1) * 40.0 - 20.0, -1, 1)
    mask = np.ones(target.shape, bool)
    assert MASK_LOSSES[name](jnp.asarray(right), jnp.asarray(target), jnp.asarray(mask)) < 1e-5
    assert MASK_LOSSES[name](jnp.asarray(-right), jnp.asarray(target), jnp.asarray(mask)) > 0.9


@ANY_LOSS
def test_masked_and_unlabelled_pixels_may_be_anything_and_get_no_gradient(name):
    logits, target, mask, slot_valid = mask_case(3)
    counts = mask & (target > 0)
    loss = lambda x: on_device(MASK_LOSSES[name], x, target, mask, slot_valid=slot_valid)  # noqa: E731
    value, slope = jax.value_and_grad(loss)(jnp.asarray(logits))
    noisy, noisy_slope = jax.value_and_grad(loss)(jnp.where(counts[:, None], logits, jnp.nan))
    assert value == noisy and jnp.isfinite(slope).all()
    np.testing.assert_array_equal(slope, noisy_slope)
    slope = np.moveaxis(np.asarray(slope), 1, -1)
    assert not slope[~counts].any() and slope[counts].any()
    nothing = MASK_LOSSES[name](jnp.asarray(logits), jnp.asarray(target), jnp.zeros_like(mask))
    assert nothing == 0


@ANY_LOSS
def test_half_precision_logits_are_read_in_float32(name):
    logits, target, mask, slot_valid = mask_case(0)
    half = jnp.asarray(logits, jnp.bfloat16)
    got = on_device(MASK_LOSSES[name], half, target, mask, slot_valid=slot_valid)
    whole = on_device(MASK_LOSSES[name], half.astype(jnp.float32), target, mask, slot_valid=slot_valid)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, whole, rtol=1e-6)


def test_balance_makes_the_classes_of_a_sample_weigh_alike():
    target = jnp.asarray(np.where(np.arange(100).reshape(1, 10, 10) < 90, 2, 4))
    mask = jnp.ones((1, 10, 10), bool).at[0, 0, 0].set(False)
    weight = losses.balancing_weight(target, mask, 3, 1.0)
    assert weight[0, 0, 0] == 0
    np.testing.assert_allclose(weight[target == 2].sum(), weight[target == 4].sum(), rtol=1e-5)
    np.testing.assert_allclose(losses.balancing_weight(target, mask, 3, 0.0), mask, rtol=1e-6)
    either = losses.balancing_weight(jnp.full((1, 2, 2), 6), jnp.ones((1, 2, 2), bool), 3, 1.0)
    np.testing.assert_allclose(either, 2.0, rtol=1e-6)  # shared evenly by two classes


def test_the_border_is_where_another_label_is_near() -> None:
    """Two classes side by side: the columns on both sides of the border and no other; what is unlabelled makes none."""
    target = jnp.full((1, 4, 6), 2, jnp.int32).at[:, :, 3:].set(4)
    np.testing.assert_array_equal(at_border(target)[0].any(0), [False, False, True, True, False, False])
    unlabelled = target.at[:, :, 3:].set(0)
    assert not at_border(unlabelled).any()


def test_only_mistakes_at_the_border_cost_the_boundary_loss() -> None:
    target = jnp.full((1, 4, 6), 2, jnp.int32).at[:, :, 3:].set(4)
    right = jnp.where(target[:, None] == jnp.asarray([2, 4])[None, :, None, None], 8.0, -8.0)
    mask = jnp.ones_like(target, bool)
    losses = [float(MASK_LOSSES["boundary"](right.at[:, :, :, column].multiply(-1), target, mask)) for column in (0, 2)]
    assert losses[0] < 0.01 < 1 < losses[1]
