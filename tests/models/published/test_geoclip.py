"""GeoCLIP's location tower: the package's own numbers, from weights made small and from the real ones where converted."""

import importlib.util
import os
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.errors import UserError
from rsfm.models.published.geoclip import Gallery, GeoCLIP, LocationConfig, LocationTower, equal_earth, load_geoclip
from rsfm.nn.weights import assign, save_weights

ROOT = Path(__file__).parents[3]
RECORDED = ROOT / "tests" / "fixtures" / "geoclip.npz"
SMALL = LocationConfig(frequencies=8, hidden=24, width=8, picture_width=12)
REAL = Path(os.environ.get("RSFM_GEOCLIP") or ROOT / "tokenizers" / "geoclip") / "model.safetensors"


@pytest.fixture(scope="module")
def recorded() -> dict[str, np.ndarray]:
    """Written by geoclip 1.3.0: its projection, its tower with the real weights, its classes with small random ones."""
    with np.load(RECORDED) as file:
        return dict(file)


@pytest.fixture(scope="module")
def small(recorded) -> GeoCLIP:
    spec = importlib.util.spec_from_file_location("convert", ROOT / "tokenizers" / "geoclip" / "convert.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    parts = {
        part: {name.removeprefix(f"{part}."): x for name, x in recorded.items() if name.startswith(f"{part}.")}
        for part in ("location", "picture")
    }
    model = GeoCLIP(SMALL, rngs=nnx.Rngs(0))
    assign(model, script.convert(parts["location"], parts["picture"], recorded["log_scale"]), where="geoclip")
    return model


def test_projection(recorded):
    np.testing.assert_allclose(equal_earth(jnp.asarray(recorded["places"])), recorded["plane"], atol=1e-6)


def test_small_tower_is_the_packages(small, recorded):
    ours = small.location(jnp.asarray(recorded["places"]))
    np.testing.assert_allclose(ours, recorded["small"], atol=1e-4)


def test_logits_are_the_packages(small, recorded):
    logits = small(jnp.asarray(recorded["features"]), jnp.asarray(recorded["places"]))
    np.testing.assert_allclose(logits, recorded["logits"], atol=1e-3)  # of a scale of 40


def test_the_likeliest_place_is_found(small, recorded):
    """Among a gallery embedded in parts."""
    gallery, features = recorded["places"].astype(np.float32), jnp.asarray(recorded["features"])
    places, share = Gallery(small, gallery, chunk=3).locate(features, count=3)
    best = recorded["logits"].argmax(1)
    np.testing.assert_array_equal(places[:, 0], gallery[best])
    assert (np.diff(share, axis=1) <= 0).all() and (share.sum(1) <= 1.00001).all()


def test_a_folder_holds_the_weights_and_the_gallery(small, recorded, tmp_path):
    with pytest.raises(UserError, match="no model.safetensors of GeoCLIP.*convert.py"):
        load_geoclip(tmp_path)
    save_weights(tmp_path / "model.safetensors", small, dtype="float32")
    with pytest.raises(UserError, match=r"gallery.npy: not a readable .npy"):
        load_geoclip(tmp_path)
    np.save(tmp_path / "gallery.npy", recorded["places"][:, ::-1] + 90)
    with pytest.raises(UserError, match=r"gallery.npy: expected \(places, 2\)"):
        load_geoclip(tmp_path)
    np.save(tmp_path / "gallery.npy", recorded["places"])
    model, gallery = load_geoclip(tmp_path)
    np.testing.assert_array_equal(gallery, recorded["places"].astype(np.float32))
    places = jnp.asarray(gallery)
    np.testing.assert_array_equal(model.location(places), small.location(places))


@pytest.mark.skipif(not REAL.is_file(), reason="run tokenizers/geoclip/convert.py, or set RSFM_GEOCLIP to its folder")
def test_real_weights(recorded):
    model, gallery = load_geoclip(REAL.parent)
    assert model.location.config.frequencies == 256 and gallery.shape == (100_000, 2)
    np.testing.assert_allclose(model.location(jnp.asarray(recorded["places"])), recorded["real"], atol=1e-4)


def test_random_frequencies_are_not_trained():
    tower = LocationTower(SMALL, rngs=nnx.Rngs(0))
    gradient = nnx.grad(lambda m: jnp.square(m(jnp.asarray([[14.5, 46.0]]))).sum())(tower)
    assert not np.any(gradient["capsules"][0]["frequency"][...])
    assert np.any(gradient["capsules"][0]["out"]["kernel"][...])
