"""Every temporal encoder: masked dates and the order of dates change nothing, true dates do, long series run.  d width"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from rsfm.config import from_json, to_json
from rsfm.errors import UserError
from rsfm.models.temporal import TEMPORAL_ENCODERS, TemporalConfig
from rsfm.models.temporal.lightweight import LightweightTime
from rsfm.models.temporal.places import by_date
from rsfm.models.temporal.state_space import averages
from rsfm.pytree import replace
from rsfm.types import Tokens

WIDTH, PLACES, DATES = 16, 2, 6
POOLING = [kind for kind in TEMPORAL_ENCODERS if kind != "joint"]


def series(seed: int, dates: int = DATES, *, missing: float = 0.2, days: np.ndarray | None = None) -> Tokens:
    """Tokens of two places at irregular dates, some of them missing; each place keeps one."""
    rng = np.random.default_rng(seed)
    mask = rng.random((1, dates, PLACES)) >= missing
    mask[:, 0] = True
    day = rng.uniform(6000, 6700, dates) if days is None else days
    position = np.zeros((1, dates, PLACES, 3), np.float32)
    position[..., 0] = day[:, None]
    position[..., 1] = 10.0 * np.arange(PLACES)
    return Tokens(
        embeddings=jnp.asarray(rng.normal(size=(1, dates * PLACES, WIDTH)), jnp.float32),
        mask=jnp.asarray(mask.reshape(1, -1)),
        position=jnp.asarray(position.reshape(1, -1, 3)),
        grid=(dates, 1, PLACES),
    )


@pytest.fixture(scope="module", params=TEMPORAL_ENCODERS)
def encode(request):
    """The jitted encoder; what it gives is put in order of place and date, and masked tokens are zeroed."""
    config = TemporalConfig(kind=request.param, depth=2, heads=2, states=8)
    encoder = TEMPORAL_ENCODERS[request.param](config, WIDTH, rngs=nnx.Rngs(0))
    graphdef, params = nnx.split(encoder)
    run = jax.jit(lambda tokens: nnx.merge(graphdef, params)(tokens))

    def encoded(tokens: Tokens) -> np.ndarray:
        out = run(tokens)
        x, mask, position = (np.asarray(a)[0] for a in by_date(out))
        assert out.grid == (len(x), 1, PLACES) and np.isfinite(x[mask]).all()
        rows = []
        for place in range(PLACES):
            valid = np.flatnonzero(mask[:, place])
            order = valid[np.lexsort((x[valid, place, 0], position[valid, place, 0]))]
            rows.append(np.concatenate([x[order, place], position[order, place]], axis=-1))
        return np.concatenate(rows)

    encoded.kind = request.param
    return encoded


def dated(tokens: Tokens, picked: np.ndarray) -> Tokens:
    """The dates of the given numbers, with their stamps."""

    def pick(x):
        return x.reshape(1, -1, PLACES, *x.shape[2:])[:, picked].reshape(1, -1, *x.shape[2:])

    return Tokens(
        embeddings=pick(tokens.embeddings),
        mask=pick(tokens.mask),
        position=pick(tokens.position),
        grid=(len(picked), 1, PLACES),
    )


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 999), order=st.permutations(range(DATES)))
def test_shuffling_dates_with_their_stamps_changes_nothing(encode, seed, order):
    tokens = series(seed)
    np.testing.assert_allclose(encode(dated(tokens, np.array(order))), encode(tokens), atol=2e-4, rtol=1e-6)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 999), day=st.sampled_from([0.0, 6300.5, 9999.0]), garbage=st.sampled_from([0.0, 99.0]))
def test_adding_a_masked_date_changes_nothing(encode, seed, day, garbage):
    tokens = series(seed)
    more = dated(tokens, np.array([0, 1, 2, 2, 3, 4, 5]))
    where = np.zeros((1, DATES + 1, PLACES), bool)
    where[:, 2] = True
    where = jnp.asarray(where.reshape(1, -1))
    more = replace(
        more,
        embeddings=jnp.where(where[..., None], garbage, more.embeddings),
        mask=more.mask & ~where,
        position=jnp.where(where[..., None], day, more.position),
    )
    np.testing.assert_allclose(encode(more), encode(tokens), atol=2e-4, rtol=1e-6)


def test_dates_of_one_instant_have_no_order(encode):
    days = np.array([6000.0, 6010.0, 6010.0, 6010.0, 6030.0, 6100.0])
    tokens = series(3, missing=0.0, days=days)
    np.testing.assert_allclose(
        encode(dated(tokens, np.array([0, 3, 1, 2, 4, 5]))), encode(tokens), atol=2e-4, rtol=1e-6
    )


@pytest.mark.parametrize("dates", [10 * DATES, 1])
def test_any_number_of_dates(encode, dates):
    out = encode(series(0, dates))
    assert np.isfinite(out).all() and np.abs(out[:, :WIDTH]).max() < 50


def test_a_place_without_any_date_stays_masked_and_finite(encode):
    tokens = series(0)
    none = replace(tokens, mask=tokens.mask & jnp.asarray(np.arange(DATES * PLACES) % PLACES == 1)[None])
    alone = encode(none)
    np.testing.assert_allclose(alone, encode(tokens)[-len(alone) :], atol=2e-4, rtol=1e-6)


def test_true_dates_matter(encode):
    near = series(1, missing=0.0, days=np.arange(6.0) + 6000)
    far = series(1, missing=0.0, days=61.0 * np.arange(6.0) + 6000)
    a, b = (encode(tokens)[:, :WIDTH] for tokens in (near, far))
    learns_time = encode.kind not in ("joint", "mean")  # joint leaves it to the main encoder
    assert (np.abs(a - b).max() > 1e-3) == learns_time


@pytest.mark.parametrize("kind", POOLING)
def test_gradients_reach_every_parameter(kind):
    encoder = TEMPORAL_ENCODERS[kind](TemporalConfig(kind=kind, heads=2, states=4), WIDTH, rngs=nnx.Rngs(0))
    tokens = series(0, missing=0.5)
    gradient = nnx.jit(nnx.grad(lambda module: jnp.sin(module(tokens).embeddings).sum()))(encoder)
    for path, leaf in nnx.to_flat_state(gradient):
        assert np.isfinite(leaf[...]).all() and np.abs(leaf[...]).max() > 0, path


def test_lightweight_attention_looks_at_valid_dates_only():
    encoder = LightweightTime(TemporalConfig(heads=4), WIDTH, rngs=nnx.Rngs(0))
    x, mask, _ = by_date(series(0, missing=0.5))
    weight = np.asarray(encoder.attention(x, mask))
    assert weight.shape == (1, DATES, PLACES, 4) and not weight[~np.asarray(mask)].any()
    np.testing.assert_allclose(weight.sum(1), 1.0, atol=1e-6)


def test_lightweight_groups_divide_the_width():
    with pytest.raises(UserError, match="5 heads do not divide a width of 16"):
        LightweightTime(TemporalConfig(heads=5), WIDTH, rngs=nnx.Rngs(0))


def test_averages_are_the_weighted_means_they_say():
    rng = np.random.default_rng(0)
    day, each, seen = np.array([0.0, 3.0, 40.0, 41.0]), rng.normal(size=(4, 2)), np.array([True, True, False, True])
    rate = np.array([-0.1, -0.02 + 0.3j])
    weight = np.exp(rate * (41.0 - day)[:, None]) * seen[:, None]
    expected = (weight * each).sum(0) / np.abs(weight).sum(0)
    rows = (
        jnp.asarray((each * seen[:, None])[None], jnp.float32),
        jnp.asarray(seen)[None],
        jnp.asarray(day, jnp.float32)[None],
    )
    found = averages(jnp.asarray(rate, jnp.complex64), *rows)
    np.testing.assert_allclose(found[0, -1], expected, atol=1e-5)


@pytest.mark.parametrize("kind", TEMPORAL_ENCODERS)
def test_config_survives_json(kind):
    config = TemporalConfig(kind=kind, states=7)
    assert from_json(TemporalConfig, to_json(config)) == config
    assert from_json(TemporalConfig, {"kind": kind, "depth": 2, "heads": 4}).key_width == 8, (
        "older checkpoints name no more"
    )
