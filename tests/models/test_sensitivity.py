"""What must matter: every fact of an observation moves the encoded tokens. Beside the invariances of test_foundation.py.

Each fact is held by itself, so that a model which reads it from the wrong place, or not at all, is caught (tests/mutants.py).
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.models.encoder import Encoder
from rsfm.models.foundation import FoundationModel
from rsfm.models.temporal import TEMPORAL_ENCODERS, TemporalConfig
from rsfm.nn.rope import ground_angles
from rsfm.nn.transformer import TransformerConfig
from rsfm.pytree import replace
from rsfm.tokenizers.positions import calendar_features, location_features, patch_positions
from rsfm.types import BAND_CODES, Observation, Tokens
from tests.models.conftest import small_config
from tests.observations import make

C_BAND_UM, L_BAND_UM = 55465.8, 236057.0  # carriers of Sentinel-1 and of PALSAR-2


@pytest.fixture(scope="module")
def encode() -> Callable[..., jax.Array]:
    """Encoded tokens of all streams in a row."""
    graphdef, params = nnx.split(FoundationModel(small_config(), rngs=nnx.Rngs(0)))

    @jax.jit
    def run(observations: dict[str, Observation], location_deg: jax.Array) -> jax.Array:
        tokens, _ = nnx.merge(graphdef, params).encode(observations, location_deg)
        return jnp.concatenate([part.embeddings for part in tokens.values()], axis=1)

    return lambda observations, place=(14.5, 45.9): run(observations, jnp.asarray([place] * 2, jnp.float32))


def moved(a: jax.Array, b: jax.Array) -> float:
    return float(np.abs(np.asarray(a) - np.asarray(b)).max())


def radar(carrier_um: float, codes: tuple[str, ...] = ("VV", "VH")) -> Observation:
    seen = make(size=32, wavelength_um=(carrier_um,) * len(codes))
    return replace(seen, band_code=jnp.asarray([[BAND_CODES[code] for code in codes]] * 2))


CHANGES: dict[str, Callable[[Observation], Observation]] = {
    "the season": lambda o: replace(o, time_days=o.time_days + 182.0),
    "days between two dates": lambda o: replace(o, time_days=o.time_days + jnp.asarray([0.0, 90.0])),
    "the pixel size": lambda o: replace(o, gsd_m=o.gsd_m * 3),
    "the wavelength": lambda o: replace(o, wavelength_um=o.wavelength_um * 1.15),
    "the bandwidth": lambda o: replace(o, bandwidth_um=o.bandwidth_um * 8),
    "a missing band": lambda o: replace(o, band_valid=o.band_valid.at[:, :, 3].set(False)),
    "a cloud": lambda o: replace(o, valid=o.valid.at[:, 0, :16, :16].set(False)),
    "one pixel": lambda o: replace(o, values=o.values.at[:, 0, 3, 5].add(2.0)),
    "rows and columns swapped": lambda o: replace(o, values=jnp.swapaxes(o.values, 2, 3)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_fact_of_a_picture_matters(encode: Callable[..., jax.Array], change: str) -> None:
    seen = make(size=32, t=2)
    assert moved(encode({"optical": seen}), encode({"optical": CHANGES[change](seen)})) > 1e-4


def test_carrier_and_polarization_of_a_radar_matter(encode: Callable[..., jax.Array]) -> None:
    first = encode({"sar": radar(C_BAND_UM)})
    assert moved(first, encode({"sar": radar(L_BAND_UM)})) > 1e-4
    assert moved(first, encode({"sar": radar(C_BAND_UM, ("HH", "HV"))})) > 1e-4


@pytest.mark.parametrize("place", [(14.5, -45.9), (-165.5, 45.9), (14.5, 20.0)], ids=["south", "east", "tropics"])
def test_the_place_matters(encode: Callable[..., jax.Array], place: tuple[float, float]) -> None:
    seen = {"optical": make(size=32)}
    assert moved(encode(seen), encode(seen, place)) > 1e-4
    assert moved(location_features(jnp.asarray([14.5, 45.9])), location_features(jnp.asarray(place))) > 0.1


def test_two_instruments_of_one_stream_are_both_read(encode: Callable[..., jax.Array]) -> None:
    one, two = make(size=32), make(size=32, seed=1)
    both = encode({"optical": one, "optical/2": two})
    assert both.shape[1] > encode({"optical": one}).shape[1]
    assert moved(both, encode({"optical": one, "optical/2": replace(two, values=two.values + 1)})) > 1e-4


def test_positions_are_days_and_metres_south_and_east() -> None:
    seen = make(size=32, t=2)
    seen = replace(seen, gsd_m=jnp.asarray([10.0, 20.0]), time_days=jnp.asarray([[9000.0, jnp.nan]] * 2))
    position = np.asarray(patch_positions(seen, 4, 4, 8))
    np.testing.assert_allclose(position[0, 0, 1, 3], [9000.0, 120.0, 280.0])
    np.testing.assert_allclose(position[1, 0, 1, 3], [9000.0, 240.0, 560.0])
    assert np.isnan(position[:, 1, ..., 0]).all() and not np.isnan(position[..., 1:]).any()


@pytest.mark.parametrize("axis", [0, 1, 2], ids=["day", "south", "east"])
def test_each_axis_turns_pairs_of_its_own(axis: int) -> None:
    at = np.zeros((1, 1, 3), np.float32)
    at[..., axis] = 40.0
    turned = np.asarray(ground_angles(jnp.asarray(at), 32))[0, 0] != 0
    others = [np.roll(np.eye(3, dtype=np.float32)[axis] * 40.0, n)[None, None] for n in (1, 2)]
    assert turned.any()
    assert not any((turned & (np.asarray(ground_angles(jnp.asarray(o), 32))[0, 0] != 0)).any() for o in others)


def tokens(day: tuple[float, ...]) -> Tokens:
    rng = np.random.default_rng(0)
    position = np.zeros((1, len(day), 3), np.float32)
    position[0, :, 0] = day
    return Tokens(
        embeddings=jnp.asarray(rng.normal(size=(1, len(day), 16)), jnp.float32),
        mask=jnp.ones((1, len(day)), bool),
        position=jnp.asarray(position),
        grid=(len(day), 1, 1),
    )


def test_a_token_without_a_date_turns_no_other() -> None:
    """A place, an elevation: the others stand as they would if it stood on the first of their days."""
    encoder = Encoder(TransformerConfig(width=16, depth=1, heads=2, mlp_width=32), budget=0, rngs=nnx.Rngs(0))
    days = (9000.0, 9040.0)
    undated, _ = encoder(tokens((*days, float("nan"))))
    beside, _ = encoder(tokens((*days, 9000.0)))
    np.testing.assert_allclose(undated.embeddings, beside.embeddings, atol=1e-6)
    ancient, _ = encoder(tokens((*days, 0.0)))
    assert moved(undated.embeddings, ancient.embeddings) > 1e-4
    later, _ = encoder(tokens((9001.0, 9041.0, float("nan"))))
    np.testing.assert_allclose(undated.embeddings, later.embeddings, atol=1e-5)


def test_the_season_turns_with_the_year() -> None:
    spring, autumn, next_spring = np.asarray(
        calendar_features(jnp.asarray([9000.0, 9000.0 + 182.625, 9000.0 + 365.25]))
    )
    np.testing.assert_allclose(spring[:4], next_spring[:4], atol=1e-3)
    np.testing.assert_allclose(spring[:2], -autumn[:2], atol=1e-3)
    assert np.hypot(*spring[:2]) == pytest.approx(1.0, abs=1e-4) and spring[4] != next_spring[4]


@pytest.mark.parametrize("kind", sorted(set(TEMPORAL_ENCODERS) - {"mean"}))
def test_the_order_of_undated_pictures_matters(kind: str) -> None:
    """By the calendar's features in every encoder; by days too where the encoder has rotary or decaying time."""
    config = TemporalConfig(kind=kind, depth=1, heads=2, key_width=4, states=4)
    encoder = TEMPORAL_ENCODERS[kind](config, 16, rngs=nnx.Rngs(0))
    undated = jnp.full((1, 3), jnp.nan)
    index = np.asarray(calendar_features(undated))
    assert (np.diff(index[0, :, 4]) > 0).all() and not index[..., 5].any() and not index[..., :4].any()
    seen = tokens((float("nan"),) * 3)
    calendar = jnp.asarray(np.random.default_rng(1).normal(size=(6, 16)), jnp.float32)
    one = replace(seen, embeddings=seen.embeddings + index @ calendar)
    turned = replace(seen, embeddings=seen.embeddings[:, ::-1] + index @ calendar)
    assert moved(encoder(one).embeddings.sum(1), encoder(turned).embeddings.sum(1)) > 1e-5 or kind == "joint"
    assert np.isfinite(np.asarray(encoder(one).embeddings)).all()


def test_a_budget_is_shared_by_the_streams() -> None:
    """Where more tokens are valid than are kept, every stream loses about the same share, and none its last one."""
    config = TransformerConfig(width=16, depth=1, heads=2, mlp_width=32)
    encoder = Encoder(config, budget=20, rngs=nnx.Rngs(0))
    many = tokens((9000.0,) * 61)
    mask = np.ones((1, 61), bool)
    mask[0, 10:20] = False
    encoded, aux = encoder(dataclasses.replace(many, mask=jnp.asarray(mask)), (40, 20, 1))
    kept = np.asarray(encoded.mask)[0]
    assert kept.sum() == 20 and not kept[10:20].any()
    assert 10 <= kept[:40].sum() <= 13 and 6 <= kept[40:60].sum() <= 9 and kept[60], "thirty, twenty and one were valid"
    assert np.diff(np.flatnonzero(kept[40:60])).max() <= 5, "spread evenly"
    assert float(aux["budget_dropped"]) == pytest.approx(1 - 20 / 51)
