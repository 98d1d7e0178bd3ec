"""The whole forward pass: what must not change it, and what must not recompile it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.models.connector import CONNECTORS, ConnectorConfig
from rsfm.models.foundation import FoundationModel, StreamConfig
from rsfm.models.necks.gather import mean_grid
from rsfm.models.sizes import SIZES
from rsfm.models.temporal import TEMPORAL_ENCODERS, TemporalConfig
from rsfm.pytree import replace
from rsfm.types import Predictions, Sample
from tests.models.conftest import sample_of, small_config
from tests.observations import make, pad, permute_bands

LANDSAT_UM = (0.443, 0.482, 0.561, 0.655, 0.865, 1.609, 2.201)
RGB_UM = (0.665, 0.56, 0.49)


def same(a: Predictions, b: Predictions, atol: float = 1e-5) -> None:
    np.testing.assert_allclose(a.text_logits, b.text_logits, atol=atol)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=atol), a.outputs, b.outputs)


def read_by_decoder_and_masks(model: FoundationModel, sample: Sample) -> tuple[jax.Array, jax.Array]:
    """All that the observations say beyond the encoder, without what comes after: the prefix, and the grid of the masks."""
    memory, _ = model.encode(sample.observations, sample.location_deg)
    return model.prefix(memory).embeddings, mean_grid([memory["optical"]]).embeddings


def read_alike(model: FoundationModel, other: FoundationModel, a: Sample, b: Sample) -> None:
    run = nnx.jit(read_by_decoder_and_masks)
    for x, y in zip(run(model, a), run(other, b), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-5)


def test_sensors_share_one_compilation(forward, optical_sample):
    def padded(wavelengths):
        observation = make(size=32, wavelength_um=wavelengths)
        return replace(optical_sample, observations={"optical": pad(observation, bands=16 - len(wavelengths))})

    forward(padded(LANDSAT_UM))
    compiled = forward._cache_size()
    for wavelengths in (RGB_UM, tuple(np.linspace(0.44, 2.2, 12)), LANDSAT_UM[:5]):
        forward(padded(wavelengths))
    assert forward._cache_size() == compiled


def test_a_cube_of_two_hundred_bands_shares_its_own(forward):
    def cube(count):
        observation = make(size=32, wavelength_um=tuple(np.linspace(0.4, 2.5, count)))
        return sample_of({"hsi": pad(observation, bands=200 - count)})

    forward(cube(200))
    compiled = forward._cache_size()
    predictions = forward(cube(183))
    assert forward._cache_size() == compiled and np.isfinite(predictions.text_logits).all()


def test_band_order_changes_nothing(forward, optical_sample):
    observation = optical_sample.observations["optical"]
    order = np.random.default_rng(0).permutation(12)
    same(
        forward(optical_sample),
        forward(replace(optical_sample, observations={"optical": permute_bands(observation, order)})),
    )


def test_invalid_dates_and_bands_change_nothing(forward, optical_sample):
    observation = optical_sample.observations["optical"]
    more = replace(optical_sample, observations={"optical": pad(observation, bands=4, dates=2)})
    same(forward(optical_sample), forward(more))


def test_date_order_changes_nothing(forward, optical_sample):
    observation = make(size=32, t=3)
    order = np.array([2, 0, 1])
    turned = replace(
        observation,
        values=observation.values[:, order],
        valid=observation.valid[:, order],
        band_valid=observation.band_valid[:, order],
        time_days=observation.time_days[:, order],
    )
    a, b = (forward(replace(optical_sample, observations={"optical": o})) for o in (observation, turned))
    same(a, b)


def test_a_band_missing_at_one_date_is_not_read_there(forward, optical_sample):
    observation = make(size=32, t=3)
    held = observation.band_valid.at[:, 1, 4].set(False)

    def answers(garbage, **changes):
        values = observation.values.at[:, 1, ..., 4].set(garbage)
        gap = replace(observation, **{"values": values, "band_valid": held, **changes})
        return forward(replace(optical_sample, observations={"optical": gap}))

    gap = answers(0.0)
    same(gap, answers(1e6), atol=0.0)
    same(gap, answers(np.nan), atol=0.0)
    everywhere, clouded = observation.band_valid.at[:, :, 4].set(False), observation.valid.at[:, 1].set(False)
    for changes in ({"valid": clouded}, {"band_valid": everywhere}, {"band_valid": observation.band_valid}):
        other = answers(0.0, **changes)
        assert np.abs(np.asarray(gap.text_logits) - np.asarray(other.text_logits)).max() > 1e-4, changes
        assert (
            np.abs(np.asarray(gap.outputs["mask"]["logits"]) - np.asarray(other.outputs["mask"]["logits"])).max() > 1e-4
        )
    bare = answers(0.0, band_valid=observation.band_valid.at[:, 1].set(False))
    same(bare, answers(0.0, valid=clouded))


def test_true_dates_matter(forward, optical_sample):
    observation = make(size=32, t=2)
    later = replace(observation, time_days=observation.time_days + jnp.asarray([0.0, 90.0]))
    a, b = (forward(replace(optical_sample, observations={"optical": o})) for o in (observation, later))
    assert np.abs(np.asarray(a.text_logits) - np.asarray(b.text_logits)).max() > 1e-4


def test_text_is_causal_and_padding_inert(forward, optical_sample):
    ids = optical_sample.text_ids
    changed = forward(replace(optical_sample, text_ids=ids.at[:, 8:].set(11)))
    np.testing.assert_allclose(changed.text_logits[:, :8], forward(optical_sample).text_logits[:, :8], atol=1e-5)
    short = replace(optical_sample, text_valid=optical_sample.text_valid.at[:, 9:].set(False))
    garbage = replace(short, text_ids=ids.at[:, 9:].set(50))
    np.testing.assert_allclose(forward(short).text_logits[:, :9], forward(garbage).text_logits[:, :9], atol=1e-5)


def test_masks_have_the_grid_of_the_pixels(forward, optical_sample):
    outputs = forward(optical_sample).outputs
    assert outputs["mask"]["logits"].shape == (2, 3, 32, 32) and outputs["value"]["mean"].shape == (2, 2)


def test_streams_join(forward):
    both = {"optical": make(size=32), "sar": make(size=32, codes=("VV", "VH"))}
    assert np.isfinite(forward(sample_of(both)).outputs["mask"]["logits"]).all()


def test_a_token_budget_that_fits_changes_nothing(optical_sample):
    observation = pad(optical_sample.observations["optical"], dates=3)
    wide = FoundationModel(small_config(), rngs=nnx.Rngs(0))
    tight = FoundationModel(small_config(token_budget=17), rngs=nnx.Rngs(0))  # 16 valid patches and the location
    sample = replace(optical_sample, observations={"optical": observation})
    read_alike(wide, tight, sample, sample)


@pytest.mark.parametrize("kind", TEMPORAL_ENCODERS)
def test_temporal_encoders_ignore_missing_dates(kind, optical_sample):
    config = small_config()
    stream = config.streams["optical"]
    stream = StreamConfig(spec=stream.spec, tokenizer="spectral", temporal=TemporalConfig(kind=kind, heads=2))
    model = FoundationModel(small_config(streams={"optical": stream}), rngs=nnx.Rngs(0))
    observation = make(size=32, t=3)
    a, b = (replace(optical_sample, observations={"optical": o}) for o in (observation, pad(observation, dates=2)))
    read_alike(model, model, a, b)


@pytest.mark.parametrize("kind", CONNECTORS)
def test_connectors_ignore_masked_tokens(kind, optical_sample):
    model = FoundationModel(small_config(connector=ConnectorConfig(kind=kind, queries=4, heads=2)), rngs=nnx.Rngs(0))
    observation = optical_sample.observations["optical"]
    read_alike(
        model, model, optical_sample, replace(optical_sample, observations={"optical": pad(observation, bands=2)})
    )


def test_gradients_are_finite_and_reach_every_parameter(model, optical_sample):
    everything = sample_of(
        {
            "optical": make(size=32, t=2),
            "sar": make(size=32, codes=("VV", "VH")),
            "hsi": make(size=32),
            "series": make(size=1, t=4),
        },
        box={"position": jnp.asarray([[9, -1]] * 2)},
    )

    @nnx.jit
    def gradient(m):
        def loss(m):
            p = m(everything)
            return jnp.square(p.text_logits).mean() + sum(jnp.square(x).mean() for x in jax.tree.leaves(p.outputs))

        return nnx.grad(loss)(m)

    found = nnx.to_flat_state(gradient(model))
    for path, leaf in found:
        assert np.isfinite(leaf[...]).all(), path
    dead = [
        ".".join(map(str, path))
        for path, leaf in found
        if not np.abs(leaf[...]).max() > 0 and "series.pixel_local" not in ".".join(map(str, path))
    ]
    assert not dead


@pytest.mark.parametrize("size", SIZES)
def test_full_sizes_by_shape(size):
    config = SIZES[size]
    window, bands = config.streams["optical"].spec.size, config.streams["optical"].spec.bands
    model = nnx.eval_shape(lambda: FoundationModel(config, rngs=nnx.Rngs(0)))
    sample = sample_of({"optical": make(b=1, size=window, wavelength_um=tuple(np.linspace(0.4, 2.2, bands)))}, b=1)
    graphdef, params = nnx.split(model)
    predictions = jax.eval_shape(lambda p, s: nnx.merge(graphdef, p)(s), params, sample)
    assert predictions.text_logits.shape == (1, 12, config.decoder.vocabulary)
    assert predictions.outputs["mask"]["logits"].shape == (1, 3, window, window)
