"""Dynamic World made of our modules gives the published model's numbers, recorded from it with TensorFlow 2.21."""

import runpy
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from rsfm.data.root import REPOSITORY, data_root
from rsfm.errors import UserError
from rsfm.models.published.dynamic_world import (
    BANDS,
    LEGEND,
    NAMES,
    OTHERS,
    RED_EDGE,
    DynamicWorld,
    meanings,
    normalize,
    probabilities,
    readable,
)
from rsfm.nn.weights import read_tensors
from rsfm.pretrained import load
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.types import Record

RECORDED = Path(__file__).parents[2] / "fixtures" / "dynamic_world.npz"
CHECKPOINT = REPOSITORY / "rsfm/checkpoints/dynamic_world"


@pytest.fixture(scope="module")
def recorded() -> dict[str, np.ndarray]:
    with np.load(RECORDED, allow_pickle=False) as file:
        return dict(file)


@pytest.fixture(scope="module")
def model() -> DynamicWorld:
    return load("dynamic_world").model


def scene(values: np.ndarray, *, sensor: str = "sentinel2_l1c", bands: tuple[str, ...] = BANDS, **given) -> Record:
    options = {"gsd_m": 10.0, "time_days": [9000.0] * len(values)} | given
    return Record(id="scene", observations={sensor: observe(SENSORS[sensor], values, bands=bands, **options)})


@pytest.mark.parametrize("size", ["even", "odd", "tiny"])
def test_recorded_activations(model, recorded, size):
    np.testing.assert_allclose(
        normalize(jnp.asarray(recorded[f"{size}.reflectance"])), recorded[f"{size}.inputs"], atol=1e-6
    )
    np.testing.assert_allclose(model(jnp.asarray(recorded[f"{size}.inputs"])), recorded[f"{size}.logits"], atol=1e-4)


def test_a_record_gives_the_recorded_classes(model, recorded):
    logits = recorded["odd.logits"]
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    records = [scene(picture[None]) for picture in recorded["odd.reflectance"]]
    np.testing.assert_allclose(probabilities(model, records), expected, atol=1e-4)
    np.testing.assert_allclose(probabilities(model, records, batch_size=1), expected, atol=1e-4)


def test_bands_are_found_by_wavelength_in_any_order(model, recorded):
    values = recorded["even.reflectance"]
    every = tuple(band.name for band in SENSORS["sentinel2_l1c"].bands)[::-1]
    more = np.full((*values.shape[:-1], len(every)), 0.7, np.float32)  # B01, B8A, B09 and B10 are not read
    more[..., [every.index(name) for name in BANDS]] = values
    plain = probabilities(model, [scene(values)])
    np.testing.assert_array_equal(probabilities(model, [scene(more, bands=every)]), plain)
    turned = probabilities(model, [scene(values[..., ::-1], bands=BANDS[::-1])])
    np.testing.assert_array_equal(turned, plain)


def test_pixels_without_data_change_nothing_and_get_nothing(model, recorded):
    values = recorded["even.reflectance"]
    valid = np.ones(values.shape[:-1], bool)
    valid[:, :6, :9] = False
    dark, bright = (np.where(valid[..., None], values, level).astype(np.float32) for level in (0.0, 0.9))
    chance = probabilities(model, [scene(dark, valid=valid)])
    np.testing.assert_array_equal(chance, probabilities(model, [scene(bright, valid=valid)]))
    assert (chance[0, :6, :9] == 0).all() and np.allclose(chance.sum(-1), valid)


def test_a_band_missing_at_a_pixel_costs_that_pixel_alone(model, recorded):
    """The last row of a 20 m band may lie beyond the file: it must not spread over the window, as numbers that are none do."""
    values = recorded["even.reflectance"].copy()
    whole = probabilities(model, [scene(values)])[0]
    values[:, -1, :, BANDS.index("B11")] = np.nan
    part = probabilities(model, [scene(values)])[0]
    assert (part[-1] == 0).all() and np.isfinite(part).all()
    np.testing.assert_allclose(part[:-1].sum(-1), 1, atol=1e-5)
    assert (part[:-8].argmax(-1) == whole[:-8].argmax(-1)).mean() > 0.95


def test_dates_are_averaged_where_they_have_data(model, recorded):
    first, second = recorded["odd.reflectance"]
    valid = np.ones((2, *first.shape[:-1]), bool)
    valid[1, 10:] = False
    both = probabilities(model, [scene(np.stack([first, second]), valid=valid, time_days=[9000.0, 9010.0])])[0]
    one = probabilities(model, [scene(first[None])])[0]
    other = probabilities(model, [scene(second[None], valid=valid[1:])])[0]
    np.testing.assert_allclose(both[:10], (one[:10] + other[:10]) / 2, atol=1e-6)
    np.testing.assert_allclose(both[10:], one[10:], atol=1e-6)


def test_what_it_was_not_trained_on_is_noted_or_refused(recorded):
    values = recorded["even.reflectance"]
    assert readable(scene(values))[1] == ()
    assert "trained on sentinel2_l1c" in readable(scene(values, sensor="sentinel2_l2a"))[1][0]
    assert "10 m; these pixels are 30 m" in readable(scene(values, gsd_m=30.0))[1][0]
    with pytest.raises(
        UserError, match=r"sentinel2_l1c lacks B05, B12\. Give a scene with these bands; B05, B06, B07 may"
    ):
        readable(without(values, "B05", "B12"))
    picture = scene(values[..., :3], sensor="aerial_rgb", bands=None)
    with pytest.raises(UserError, match="aerial_rgb lacks reflectance"):
        readable(picture)


def without(values: np.ndarray, *names: str) -> Record:
    kept = [i for i, name in enumerate(BANDS) if name not in names]
    return scene(values[..., kept], bands=tuple(BANDS[i] for i in kept))


def test_landsat_gets_a_red_edge(model, recorded):
    """Where Sentinel-2's own red edge is what the table says, Landsat's six bands give the same classes."""
    values = recorded["even.reflectance"].copy()
    for name, shares in RED_EDGE.items():
        values[..., BANDS.index(name)] = values[..., OTHERS] @ np.array(shares, np.float32)
    names = {"B02": "B2", "B03": "B3", "B04": "B4", "B08": "B5", "B11": "B6", "B12": "B7"}
    landsat = scene(values[..., OTHERS], sensor="landsat8_oli", bands=tuple(names.values()))
    assert "landsat8_oli has no B05, B06, B07: estimated" in readable(landsat)[1][0]
    np.testing.assert_allclose(probabilities(model, [landsat]), probabilities(model, [scene(values)]), atol=1e-5)
    both = Record(
        id="both", observations={**landsat.observations, **scene(values, sensor="sentinel2_l2a").observations}
    )
    assert list(readable(both)[0].observations) == ["sentinel2_l2a"], "the one with all bands"


def test_names_of_other_legends():
    found, unknown = meanings(("rangeland", "grass", "clouds", "forest"))
    assert unknown == ("clouds",) and found["clouds"] == ()
    assert found["grass"] == (LEGEND.index("grass"),) and found["forest"] == (LEGEND.index("trees"),)
    assert found["rangeland"] == (LEGEND.index("shrub and scrub"),), "grass was asked for by itself"
    assert {name for names in NAMES.values() for name in names} == set(LEGEND)


@pytest.mark.data
def test_the_checkpoint_is_the_published_one():
    source = data_root() / "weights/dynamic_world/forward/variables/variables"
    if not source.with_name("variables.index").is_file():
        pytest.skip("weights/dynamic_world is not in the data folder")
    room = REPOSITORY / "tokenizers/dynamic_world"
    variables = runpy.run_path(str(room / "tensor_bundle.py"))["read_bundle"](source)
    assert sum(value.size for value in variables.values()) == 231_209
    made = runpy.run_path(str(room / "convert.py"))["convert"](
        {int(name.split("/")[1]): value for name, value in variables.items()}
    )
    shipped = read_tensors(CHECKPOINT / "model.safetensors")
    assert made.keys() == shipped.keys()
    for name, value in made.items():
        np.testing.assert_array_equal(value, shipped[name], err_msg=name)
