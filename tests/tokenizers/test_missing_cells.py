"""One band missing at one pixel costs itself: tokens stay finite, other patches stay as they are, gradients are numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.processor.fitting import fit
from rsfm.pytree import replace
from rsfm.tokenizers import TOKENIZERS
from rsfm.types import Observation, StreamSpec
from tests.observations import make
from tests.tokenizers.test_tokenizers import build, observe


def holes(observation: Observation, band: int = 0) -> Observation:
    """Without one band in the upper left corner."""
    return replace(observation, values=observation.values.at[:, :, :5, :6, band].set(jnp.nan))


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_hole_stays_in_its_patch(name: str) -> None:
    tokenizer, observation = build(name), observe(name)
    whole, part = tokenizer(observation), tokenizer(holes(observation))
    assert np.isfinite(part.embeddings).all() and np.isfinite(tokenizer.pixels(holes(observation))).all()
    assert np.array_equal(part.mask, whole.mask), "the pixels have other bands"
    changed = np.abs(np.asarray(part.embeddings - whole.embeddings)).max((0, 2)).reshape(-1, 4, 4) > 1e-5
    assert changed[:, 0, 0].any() and not changed[:, 1:].any() and not changed[:, :, 1:].any()


@pytest.mark.parametrize("name", TOKENIZERS)
def test_gradients_pass_by_holes(name: str) -> None:
    tokenizer, observation = build(name), holes(observe(name))
    gradients = nnx.grad(lambda module: jnp.square(module(observation).embeddings).mean())(tokenizer)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))


@pytest.mark.parametrize("band", [0, 3, 11])
def test_the_other_bands_take_over(band: int) -> None:
    """Where all bands have one value, the responses of a pixel are the same without one of them."""
    tokenizer = build("spectral")
    observation = make(t=2)
    flat = replace(observation, values=jnp.broadcast_to(observation.values[..., :1], observation.values.shape))
    full, lacking = tokenizer.responses(flat)[0], tokenizer.responses(holes(flat, band))[0]
    seen = np.abs(np.asarray(full)) > 1e-3
    share = np.asarray(lacking)[seen] / np.asarray(full)[seen]
    assert np.median(share) == pytest.approx(1, abs=1e-3) and (share < 1.001).all()


def test_a_band_with_holes_everywhere_is_a_missing_band() -> None:
    tokenizer, observation = build("coded"), observe("coded")
    dropped = replace(observation, band_valid=observation.band_valid.at[..., 1].set(False))
    empty = replace(observation, values=observation.values.at[..., 1].set(jnp.nan))
    np.testing.assert_allclose(tokenizer(empty).embeddings, tokenizer(dropped).embeddings, atol=1e-6)


def test_shrinking_averages_what_each_band_has() -> None:
    observation = jax.tree.map(lambda leaf: np.asarray(leaf[0]), make(t=1, size=8))
    values = np.ones_like(observation.values)
    values[:, :, ::2, 0] = np.nan  # every other column of a band
    values[:, :4, :4, 1] = np.nan
    spec = StreamSpec(families=("optical",), size=2, bands=12, patch=1)
    small = fit(replace(observation, values=values), spec, "x")
    cells = np.asarray(small.cells)
    assert small.values[cells] == pytest.approx(1) and cells[..., 0].all() and not cells[0, 0, 0, 1]
    assert cells.sum() == cells.size - 1
