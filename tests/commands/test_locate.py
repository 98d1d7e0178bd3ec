"""`rsfm locate`: a picture file in, places out, through small CLIP and GeoCLIP weights of random numbers."""

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import rasterio
from flax import nnx
from PIL import Image
from rasterio.transform import from_origin
from safetensors.numpy import save_file
from transformers import CLIPImageProcessorPil

from rsfm import cli
from rsfm.metrics.geolocation import distance_km
from rsfm.models.hf.vision_load import load_towers
from rsfm.models.published.geoclip import GeoCLIP, LocationConfig
from rsfm.nn.weights import save_weights
from tests.models.towers_reference import read

SMALL = LocationConfig(frequencies=8, hidden=24, width=8, picture_width=12)
PLACES = np.random.default_rng(0).uniform((-180, -90), (180, 90), (50, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """CLIP as transformers saves it, and GeoCLIP as the conversion script writes it."""
    clip, geoclip = tmp_path_factory.mktemp("clip"), tmp_path_factory.mktemp("geoclip")
    config, tensors, _ = read("clip")
    (clip / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(tensors, clip / "model.safetensors")
    save_weights(geoclip / "model.safetensors", GeoCLIP(SMALL, rngs=nnx.Rngs(0)), dtype="float32")
    np.save(geoclip / "gallery.npy", PLACES)
    return clip, geoclip


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    values = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def run(folders: tuple[Path, Path], *words: str | Path) -> int:
    clip, geoclip = folders
    return cli.main(["locate", *map(str, words), "--tower", str(clip), "--weights", str(geoclip)])


def test_a_picture_gets_the_places_of_the_model(
    folders: tuple[Path, Path], photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folders, photo, "--top", "3", "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)["scenes"]
    assert len(told["places"]) == 3 and "error_km" not in told, "a picture without CRS has no true place"
    clip, geoclip = folders
    tower, _ = load_towers(clip)
    reader = CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    pixels = np.asarray(reader(Image.open(photo), return_tensors="np")["pixel_values"]).transpose(0, 2, 3, 1)
    features = nnx.jit(lambda m, x: m(x)[1])(tower.picture, pixels)
    logits = np.asarray(GeoCLIP(SMALL, rngs=nnx.Rngs(0))(features, jnp.asarray(PLACES)))[0]
    best = np.argsort(-logits)[:3]
    found = [(place["longitude"], place["latitude"]) for place in told["places"]]
    np.testing.assert_allclose(found, PLACES[best], atol=1e-5)
    share = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    np.testing.assert_allclose([place["share"] for place in told["places"]], share[best], rtol=1e-3)


def test_a_scene_on_a_map_is_scored(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = np.random.default_rng(0).integers(300, 3000, (12, 20, 20)).astype(np.uint16)
    options = {"crs": "EPSG:4326", "transform": from_origin(14.5, 46.0, 0.0001, 0.0001)}
    scenes = [tmp_path / "a.tif", tmp_path / "b.tif"]
    for scene in scenes:
        with rasterio.open(
            scene, "w", driver="GTiff", height=20, width=20, count=12, dtype="uint16", **options
        ) as dataset:
            dataset.write(data)
    out = tmp_path / "out"
    assert run(folders, *scenes, "--sensor", "sentinel2_l2a", "--out", out) == 0
    printed = capsys.readouterr().out
    told = json.loads((out / "places.json").read_text())
    first = told["scenes"][0]
    at = [first["true"]["longitude"], first["true"]["latitude"]]
    np.testing.assert_allclose(at, (14.501, 45.999), atol=1e-4)
    guess = np.array([first["places"][0]["longitude"], first["places"][0]["latitude"]])
    np.testing.assert_allclose(first["error_km"], distance_km(guess, np.array(at)))
    assert told["scores"]["n"] == 2 and told["scores"]["median_km"] == pytest.approx(first["error_km"])
    assert "within_2500_km" in printed and f"{first['error_km']:.1f} km" in printed
    points = json.loads((out / "places.geojson").read_text())["features"]
    assert len(points) == 10 and points[0]["properties"]["rank"] == 1


def test_what_is_missing_is_told(
    folders: tuple[Path, Path], photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*words: str | Path) -> str:
        assert run(folders, *words) == 2
        told = capsys.readouterr()
        assert told.out == "" and told.err.count("\n") == 1
        return told.err

    assert "expected 1 or more" in refused(photo, "--top", "0")
    assert cli.main(["locate", str(photo), "--weights", str(tmp_path)]) == 2
    assert "tokenizers/geoclip/convert.py" in capsys.readouterr().err
    config, tensors, _ = read("dinov2")
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(tensors, tmp_path / "model.safetensors")
    assert run((tmp_path, folders[1]), photo) == 2
    assert "GeoCLIP reads CLIP features 12 wide, found a tower without sentences" in capsys.readouterr().err
