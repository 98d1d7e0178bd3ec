"""A drone picture and polygons drawn on it: split by place, trained, scored on the held-out ground, mapped, without Python."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from PIL import Image
from rasterio.transform import from_origin

from rsfm import cli
from tests.data.labels.own_files import in_degrees
from tests.small_checkpoint import make_checkpoint

WEST, NORTH, PIXEL, SIDE, EDGE = 404_400.0, 5_342_400.0, 0.1, 12, 16
COLOURS = {"grass": (70, 130, 60), "roof": (180, 80, 70), "gravel": (190, 185, 175)}


def write_drone(folder: Path) -> tuple[Path, Path]:
    """A picture of squares of three grounds, and polygons of most of them."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 3, (SIDE, SIDE))
    index = np.kron(kinds, np.ones((EDGE, EDGE), int))
    pixels = np.array(list(COLOURS.values()))[index] + rng.normal(0, 12, (*index.shape, 3))
    (folder / "drone").mkdir()
    size = {"count": 3, "height": len(index), "width": len(index), "dtype": "uint8", "photometric": "RGB"}
    place = {"crs": "EPSG:32633", "transform": from_origin(WEST, NORTH, PIXEL, PIXEL)}
    with rasterio.open(folder / "drone" / "ortho.tif", "w", driver="GTiff", **size, **place) as dataset:
        dataset.write(np.moveaxis(pixels.clip(0, 255).astype("uint8"), -1, 0))
    edge, features = EDGE * PIXEL, []
    for row, column in np.ndindex(*kinds.shape):
        left, top = WEST + column * edge + 0.1, NORTH - row * edge - 0.1
        square = in_degrees(shapely.box(left, top - edge + 0.2, left + edge - 0.2, top))
        kind = list(COLOURS)[kinds[row, column]]
        features.append({"type": "Feature", "properties": {"kind": kind}, "geometry": shapely.geometry.mapping(square)})
    (folder / "kinds.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return folder / "drone", folder / "kinds.geojson"


@pytest.mark.slow
def test_from_polygons_to_a_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images, labels = write_drone(tmp_path)
    small, run = make_checkpoint(tmp_path / "small"), tmp_path / "run"
    words = ["finetune", small, "--images", images, "--labels", labels, "--label-column", "kind", "--name", "ground"]
    words += ["--sensor", "aerial_rgb", "--steps", 60, "--batch-size", 8, "--learning-rate", "2e-3", "--out", run]
    assert cli.main([str(word) for word in words]) == 0
    told = capsys.readouterr().out
    assert "1 pictures" in told and all(name in told for name in COLOURS)
    assert Image.open(run / "data" / "split.png").width > 300
    data = run / "data" / "labels.json"
    words = ["evaluate", run / "model", "--dataset", data, "--split", "test", "--json"]
    assert cli.main([str(word) for word in words]) == 0
    rows = {row["metric"]: row["value"] for row in json.loads(capsys.readouterr().out)["rows"]}
    assert rows["overall_accuracy"] > 0.7  # a third by chance: colour alone tells the kinds
    words = ["predict", images / "ortho.tif", "--sensor", "aerial_rgb", "--checkpoint", run / "model"]
    assert cli.main([*map(str, words), "--ask", "Map the ground.", "--out", str(tmp_path / "map")]) == 0
    with rasterio.open(tmp_path / "map" / "mask.tif") as mask, rasterio.open(images / "ortho.tif") as picture:
        assert mask.crs == picture.crs and mask.transform == picture.transform and mask.shape == picture.shape
        assert set(json.loads(mask.tags()["classes"])) == set(COLOURS)
