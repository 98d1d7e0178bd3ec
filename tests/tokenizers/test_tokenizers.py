"""What holds for every tokenizer: band order, padding and masked pixels change nothing; tokens stand where the patches are."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.pytree import replace
from rsfm.tokenizers import TOKENIZERS
from rsfm.tokenizers.spectral import SpectralConfig, SpectralTokenizer, resize_kernel
from rsfm.types import Observation
from tests.observations import make, pad, permute_bands

OPTIONS = {
    "spectral": {"patch": 8, "groups": 2},
    "sar": {"patch": 8},
    "coded": {"patch": 8, "pool": 4, "hidden": 16},
}
CODES = {"spectral": (), "sar": ("VV", "VH"), "coded": ("elevation", "slope", "temperature")}


def build(name: str) -> nnx.Module:
    config, module = TOKENIZERS[name]
    return module(config(**OPTIONS[name]), 24, rngs=nnx.Rngs(0))


def observe(name: str, **kwargs) -> Observation:
    return make(t=2, codes=CODES[name], **kwargs)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_grid_and_positions(name):
    tokens = build(name)(observe(name, gsd_m=10.0))
    t, rows, columns = tokens.grid
    assert tokens.embeddings.shape == (2, t * rows * columns, 24) and (rows, columns) == (4, 4)
    place = np.asarray(tokens.position)[0].reshape(t, rows, columns, 3)
    np.testing.assert_allclose(place[0, :, 0, 1], [40, 120, 200, 280])  # patch centres in metres: 8 pixels of 10 m
    np.testing.assert_allclose(place[0, 0, :, 2], [40, 120, 200, 280])


@pytest.mark.parametrize("name", TOKENIZERS)
def test_band_order_does_not_matter(name):
    tokenizer, observation = build(name), observe(name)
    order = np.random.default_rng(1).permutation(observation.values.shape[-1])
    shuffled = permute_bands(observation, order)
    np.testing.assert_allclose(tokenizer(shuffled).embeddings, tokenizer(observation).embeddings, atol=1e-5)
    np.testing.assert_allclose(tokenizer.pixels(shuffled), tokenizer.pixels(observation), atol=1e-5)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_invalid_bands_and_dates_change_nothing(name):
    tokenizer, observation = build(name), observe(name)
    plain, padded = tokenizer(observation), tokenizer(pad(observation, bands=3, dates=2))
    n = plain.mask.shape[1]
    np.testing.assert_allclose(padded.embeddings[:, :n], plain.embeddings, atol=1e-5)
    assert not padded.mask[:, n:].any()
    np.testing.assert_allclose(tokenizer.pixels(pad(observation, bands=3)), tokenizer.pixels(observation), atol=1e-5)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_masked_pixels_change_nothing(name):
    tokenizer, observation = build(name), observe(name)
    valid = observation.valid.at[:, :, :11, 3:].set(False)
    hole = jnp.where(valid[..., None], observation.values, 1e4)
    a, b = (tokenizer(replace(observation, valid=valid, values=v)) for v in (observation.values, hole))
    np.testing.assert_allclose(a.embeddings, b.embeddings, atol=1e-5)
    assert np.isfinite(a.embeddings).all()


@pytest.mark.parametrize("name", TOKENIZERS)
def test_an_empty_observation_is_masked_and_finite(name):
    observation = observe(name)
    tokens = build(name)(replace(observation, valid=jnp.zeros_like(observation.valid)))
    assert not tokens.mask.any() and np.isfinite(tokens.embeddings).all()


def test_one_band_count_costs_what_another_does():
    tokenizer = SpectralTokenizer(SpectralConfig(patch=8), 24, rngs=nnx.Rngs(0))
    few = tokenizer(make(wavelength_um=(0.665, 0.56, 0.49)))
    many = tokenizer(make(wavelength_um=tuple(np.linspace(0.4, 2.4, 60))))
    assert few.embeddings.shape == many.embeddings.shape


def test_true_colour_is_the_visible_bands_in_order():
    tokenizer = SpectralTokenizer(SpectralConfig(patch=8), 24, rngs=nnx.Rngs(0))
    observation = make(wavelength_um=(0.49, 0.56, 0.665, 0.842))
    np.testing.assert_allclose(tokenizer.render(observation), observation.values[..., [2, 1, 0]], atol=0.02)


def test_a_scene_without_visible_bands_renders_black():
    tokenizer = SpectralTokenizer(SpectralConfig(patch=8), 24, rngs=nnx.Rngs(0))
    assert not np.asarray(tokenizer.render(make(wavelength_um=(1.61, 2.19)))).any()


def test_an_enlarged_smooth_picture_keeps_its_tokens():
    """FlexiViT: the kernel is resized so that an enlarged picture gives the tokens of the small one."""
    rng = np.random.default_rng(0)
    kernel = jnp.asarray(rng.normal(size=(1, 8, 8, 1, 5)), jnp.float32)
    small = rng.normal(size=(8, 8)).astype(np.float32)
    at = (np.arange(16) + 0.5) / 2 - 0.5
    enlarge = np.stack([np.interp(at, np.arange(8), unit) for unit in np.eye(8)], axis=1)
    large = enlarge @ small @ enlarge.T
    big = resize_kernel(kernel, 16)
    np.testing.assert_allclose(
        np.einsum("pq,pqd->d", large, big[0, :, :, 0]), np.einsum("pq,pqd->d", small, kernel[0, :, :, 0]), atol=1e-3
    )


def test_run_time_patch_size_changes_the_grid():
    tokenizer = SpectralTokenizer(SpectralConfig(patch=8), 24, rngs=nnx.Rngs(0))
    assert tokenizer(make(), patch=16).grid == (1, 2, 2)


def test_speckle_is_averaged_in_power():
    """Looks whose linear powers have one mean give one token, whatever their decibels' mean."""
    _, module = TOKENIZERS["sar"]
    tokenizer = build("sar")
    flat = observe("sar", b=1)
    ones = jnp.full_like(flat.values, 0.0)  # -15 dB everywhere
    power = 10 ** (-1.5)
    pair = 10 * np.log10(np.array([0.4, 1.6]) * power)  # mean power unchanged, mean decibel is not
    checker = np.indices((32, 32)).sum(0) % 2
    speckled = jnp.broadcast_to(jnp.asarray((pair[checker] + 15) / 10, jnp.float32)[None, None, ..., None], ones.shape)
    a, b = (tokenizer(replace(flat, values=v)).embeddings for v in (ones, speckled))
    np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_masked_date_changes_no_pixel_feature(name):
    tokenizer, observation = build(name), observe(name)
    plain, padded = (tokenizer.pixels(o) for o in (observation, pad(observation, dates=2)))
    np.testing.assert_allclose(padded, plain, atol=1e-5)


def without(observation: Observation, band: int, date: int, value: float = 99.0) -> Observation:
    """The band missing at the date, and a number standing in its place."""
    return replace(
        observation,
        band_valid=observation.band_valid.at[:, date, band].set(False),
        values=observation.values.at[:, date, ..., band].set(value),
    )


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_band_missing_at_a_date_is_not_read_there_whatever_stands_for_it(name):
    tokenizer, observation = build(name), observe(name)
    whole, gap = tokenizer(observation), tokenizer(without(observation, 1, 1))
    for garbage in (-1e6, np.nan):
        noisy = without(observation, 1, 1, garbage)
        np.testing.assert_array_equal(tokenizer(noisy).embeddings, gap.embeddings)
        np.testing.assert_array_equal(tokenizer.pixels(noisy), tokenizer.pixels(without(observation, 1, 1)))
    np.testing.assert_array_equal(gap.mask, whole.mask)
    first = whole.mask.shape[1] // 2  # tokens are ordered by date
    np.testing.assert_allclose(gap.embeddings[:, :first], whole.embeddings[:, :first], atol=1e-6)
    assert np.abs(gap.embeddings[:, first:] - whole.embeddings[:, first:]).max() > 1e-3


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_date_without_a_band_is_read_as_a_scene_without_it(name):
    tokenizer, observation = build(name), observe(name)
    rest = np.delete(np.arange(observation.values.shape[-1]), 1)
    second = replace(
        observation,
        **{each: getattr(observation, each)[:, 1:] for each in ("values", "valid", "band_valid", "time_days")},
    )
    gap, alone = tokenizer(without(observation, 1, 1)), tokenizer(permute_bands(second, rest))
    first = gap.mask.shape[1] // 2
    np.testing.assert_allclose(gap.embeddings[:, first:], alone.embeddings, atol=1e-5)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_date_without_bands_has_no_tokens_and_no_part_in_the_pixels(name):
    tokenizer, observation = build(name), observe(name)
    bare = replace(observation, band_valid=observation.band_valid.at[:, 1].set(False))
    gone = replace(observation, valid=observation.valid.at[:, 1].set(False))
    np.testing.assert_array_equal(tokenizer(bare).mask, tokenizer(gone).mask)
    np.testing.assert_allclose(tokenizer.pixels(bare), tokenizer.pixels(gone), atol=1e-6)


@pytest.mark.parametrize("name", ["spectral", "sar"])
def test_a_missing_band_is_not_averaged_in_as_zero(name):
    """Two dates, all bands alike: what one date lacks, the other tells."""
    tokenizer, observation = build(name), make(t=2, codes=CODES[name], wavelength_um=(0.49, 0.665, 2.19))
    alike = replace(observation, values=jnp.broadcast_to(observation.values[:, :1, ..., :1], observation.values.shape))
    np.testing.assert_allclose(tokenizer.pixels(without(alike, 0, 1)), tokenizer.pixels(alike), atol=1e-5)


def test_a_group_without_a_band_near_it_has_no_token_at_that_date():
    tokenizer = build("spectral")  # two groups, from 0.443 to 0.74 and from 0.783 to 11 micrometres
    observation = make(t=2, wavelength_um=(0.665, 0.56, 1.61))
    mask = np.asarray(tokenizer(without(observation, 2, 1)).mask).reshape(2, 2, 2, -1)  # b, t, g, patches
    assert mask[:, 0].all() and mask[:, 1, 0].all() and not mask[:, 1, 1].any()
