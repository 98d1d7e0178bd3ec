"""The difference neck: what equal, swapped, masked and undated pictures must give, of one stream and of several."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.errors import UserError
from rsfm.models.necks import NECKS, NeckConfig
from rsfm.models.necks.timeline import Timeline, ends, steps, together
from rsfm.pytree import replace
from rsfm.types import Observation, Tokens

SIZE, PATCH, BANDS, WIDTH = 8, 4, 6, 10
SYMMETRIC = ("abs", "cosine")
KINDS = pytest.mark.parametrize(
    ("difference", "pairs"), [("abs", "ends"), ("abs", "steps"), ("cosine", "steps"), ("concat", "ends")]
)


def neck(difference="abs", pairs="ends"):
    config = NeckConfig(kind="difference", width=BANDS, hidden=4, depth=1, difference=difference, pairs=pairs)
    return NECKS["difference"](config, WIDTH, rngs=nnx.Rngs(0))


def observation(seed, days, size=SIZE):
    t = len(days)
    return Observation(
        values=jax.random.normal(jax.random.key(seed), (2, t, size, size, BANDS)),
        valid=jnp.ones((2, t, size, size), bool),
        band_valid=jnp.ones((2, t, BANDS), bool),
        wavelength_um=jnp.full((2, BANDS), 0.6),
        bandwidth_um=jnp.full((2, BANDS), 0.05),
        band_code=jnp.zeros((2, BANDS), int),
        time_days=jnp.broadcast_to(jnp.asarray(days, float), (2, t)),
        gsd_m=jnp.full((2,), 10.0),
    )


def tokens_of(each):
    """Tokens as an encoder without memory would have them: what their own patch shows, masked where it shows nothing."""
    b, t, h, w, c = each.values.shape
    r, q = h // PATCH, w // PATCH
    cells = jnp.where(each.valid[..., None], each.values, 0).reshape(b, t, r, PATCH, q, PATCH, c).mean((3, 5))
    mask = each.valid.reshape(b, t, r, PATCH, q, PATCH).any((3, 5))
    made = jnp.concatenate([cells, cells[..., : WIDTH - c] ** 2], -1).reshape(b, -1, WIDTH)
    return Tokens(embeddings=made, mask=mask.reshape(b, -1), position=jnp.zeros((b, t * r * q, 3)), grid=(t, r, q))


def pixels(name, each):
    """Features of a single date; like every tokenizer's, those of an invalid pixel are of no account."""
    return jnp.tanh(each.values[:, 0])


def differences(made, observations):
    """Embeddings of the tokens and features of the pixels, with where there is a difference."""
    grids, fine, valid = made.gathered({n: tokens_of(o) for n, o in observations.items()}, observations, pixels)
    (grid,) = grids
    return grid, fine, valid


def features(made, observations):
    """All that the U-Net is given, in one row."""
    grid, fine, valid = differences(made, observations)
    return jnp.concatenate([x.reshape(2, -1) for x in (grid.embeddings, grid.mask, fine, valid)], axis=-1)


def at_dates(each, order):
    index = jnp.asarray(order)
    return replace(
        each,
        values=each.values[:, index],
        valid=each.valid[:, index],
        band_valid=each.band_valid[:, index],
        time_days=each.time_days[:, index],
    )


NAN = float("nan")
UNDATED = observation(0, [NAN, NAN])


@pytest.mark.parametrize(("difference", "pairs"), [("abs", "ends"), ("cosine", "ends"), ("cosine", "steps")])
def test_equal_dates_have_no_difference(difference, pairs):
    same = at_dates(UNDATED, [0, 0, 0])
    grid, fine, valid = differences(neck(difference, pairs), {"optical": same})
    assert valid.all() and grid.mask.all() and grid.grid == (1, 2, 2)
    assert not fine.any() and not grid.embeddings.any()
    other = differences(neck(difference, pairs), {"optical": UNDATED})
    assert jnp.abs(other[1]).max() > 0.1 and jnp.abs(other[0].embeddings).max() > 0.01


@KINDS
def test_only_concat_knows_which_date_came_first(difference, pairs):
    made, swapped = neck(difference, pairs), at_dates(UNDATED, [1, 0])
    before, after = (features(made, {"optical": each}) for each in (UNDATED, swapped))
    if difference in SYMMETRIC:
        np.testing.assert_array_equal(before, after)
    else:
        assert jnp.abs(before - after).max() > 1e-2


@pytest.mark.parametrize("difference", ["abs", "concat"])
def test_dates_are_put_in_order_and_undated_pictures_stay_in_theirs(difference):
    made = neck(difference, "steps")
    dated = observation(1, [30.0, 10.0, 20.0])
    order = at_dates(dated, [1, 2, 0])
    np.testing.assert_array_equal(features(made, {"optical": dated}), features(made, {"optical": order}))
    hidden = replace(dated, time_days=jnp.full_like(dated.time_days, jnp.nan))
    assert jnp.abs(features(made, {"optical": hidden}) - features(made, {"optical": order})).max() > 1e-3


@KINDS
def test_what_is_masked_at_one_date_changes_nothing_and_gets_no_gradient(difference, pairs):
    made = neck(difference, pairs)
    holes = jax.random.bernoulli(jax.random.key(5), 0.7, (2, 3, SIZE, SIZE))
    seen = replace(observation(2, [1.0, 2.0, 3.0]), valid=holes)
    noisy = replace(seen, values=jnp.where(holes[..., None], seen.values, 1e3))
    np.testing.assert_array_equal(features(made, {"optical": seen}), features(made, {"optical": noisy}))
    slope = jax.grad(lambda x: (features(made, {"optical": replace(noisy, values=x)}) ** 2).sum())(noisy.values)
    assert jnp.isfinite(slope).all() and not slope[~holes].any()


def test_the_u_net_makes_pixels_of_the_differences():
    made = neck()
    whole = made({"optical": tokens_of(UNDATED)}, {"optical": UNDATED}, pixels)
    grid, fine, valid = differences(made, {"optical": UNDATED})
    np.testing.assert_array_equal(whole.features, made.joined([grid], fine, valid).features)
    assert whole.features.shape == (2, SIZE, SIZE, BANDS) and jnp.isfinite(whole.features).all()


def test_a_place_seen_once_has_no_difference():
    once = replace(UNDATED, valid=UNDATED.valid.at[:, 1, :, :4].set(False))
    grid, fine, valid = differences(neck(), {"optical": once})
    assert not valid[:, :, :4].any() and valid[:, :, 4:].all() and not fine[:, :, :4].any()
    np.testing.assert_array_equal(grid.mask.reshape(2, 2, 2)[0], [[False, True], [False, True]])


def test_dates_without_data_are_no_dates():
    """A batch pads dates: three of which one is empty are two, wherever the empty one stands."""
    two = features(neck(), {"optical": observation(3, [1.0, 2.0])})
    padded = at_dates(observation(3, [1.0, 2.0]), [0, 1, 1])
    padded = replace(padded, valid=padded.valid.at[:, 2].set(False), time_days=padded.time_days.at[:, 2].set(jnp.nan))
    for order in ([0, 1, 2], [2, 0, 1]):
        np.testing.assert_allclose(features(neck(), {"optical": at_dates(padded, order)}), two, atol=1e-6)


def test_two_instruments_of_a_stream_are_compared_with_each_other():
    first, second = at_dates(UNDATED, [0]), at_dates(UNDATED, [1])
    for difference in ("abs", "concat"):
        apart = differences(neck(difference), {"optical": first, "optical/2": second})
        joint = differences(neck(difference), {"optical": UNDATED})
        np.testing.assert_allclose(apart[1], joint[1], atol=1e-6)
        np.testing.assert_allclose(apart[0].embeddings, joint[0].embeddings, atol=1e-6)


def test_two_streams_are_compared_where_neither_was_seen_twice():
    """Radar before and a picture after; beside a pair of pictures the radar is compared with nothing."""
    radar, picture = at_dates(UNDATED, [0]), at_dates(UNDATED, [1])
    grid, fine, valid = differences(neck(), {"sar": radar, "optical": picture})
    joint = differences(neck(), {"optical": UNDATED})
    np.testing.assert_allclose(fine, joint[1], atol=1e-6)
    np.testing.assert_allclose(grid.embeddings, joint[0].embeddings, atol=1e-6)
    assert valid.all() and grid.mask.all()
    beside = differences(neck(), {"sar": radar, "optical": UNDATED})
    np.testing.assert_array_equal(beside[1], joint[1])
    np.testing.assert_allclose(beside[0].embeddings, joint[0].embeddings, atol=1e-6)


def test_streams_of_two_sizes_meet_at_the_finer():
    coarse = observation(4, [1.0], size=4)
    grids, fine, valid = neck().gathered(
        {"sar": tokens_of(coarse), "optical": tokens_of(at_dates(UNDATED, [0]))},
        {"sar": coarse, "optical": at_dates(UNDATED, [0])},
        pixels,
    )
    assert fine.shape == (2, SIZE, SIZE, BANDS) and valid.all() and jnp.abs(fine).max() > 0.1
    assert not any(grid.mask.any() for grid in grids), "tokens of two sizes are not compared"


def test_the_strongest_step_counts_however_many_dates_there_are():
    still = at_dates(UNDATED, [0] * 5 + [1] * 5)
    long, short = (differences(neck(pairs="steps"), {"optical": each})[1] for each in (still, UNDATED))
    np.testing.assert_array_equal(long, short)


def test_a_temporal_encoder_that_joins_the_dates_is_named():
    tokens = replace(tokens_of(at_dates(UNDATED, [0])))
    with pytest.raises(UserError, match="temporal encoder of stream optical joins its 2 into one.*joint or factorised"):
        neck()({"optical": tokens}, {"optical": UNDATED}, pixels)


@pytest.mark.parametrize("field", ["difference", "pairs"])
def test_an_unknown_comparison_says_which_are_known(field):
    with pytest.raises(UserError, match="Known: "):
        neck(**{field: "median"})


def test_pairs_of_a_timeline():
    seen = jnp.array([[True, False, True], [False, True, False]]).T[None]  # t n
    line = together([Timeline(features=jnp.arange(6.0).reshape(1, 3, 2, 1), seen=seen, days=jnp.zeros((1, 3)))])
    whole, stepwise = ends(line), steps(line)
    np.testing.assert_array_equal(whole.both[0], [[True, False]])
    assert (whole.earlier[0, 0, 0, 0], whole.later[0, 0, 0, 0]) == (0.0, 4.0)
    np.testing.assert_array_equal(stepwise.both[0], [[False, False], [True, False]])
    assert (stepwise.earlier[0, 1, 0, 0], stepwise.later[0, 1, 0, 0]) == (0.0, 4.0)
