"""The demonstration on the package's own patches, or on small stand-ins for them."""

import json
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from rsfm import cli
from rsfm.commands import demonstration
from rsfm.sensors import SENSORS
from tests.small_checkpoint import make_checkpoint
from tests.test_cli import refused

SIZES = {"B01": 20, "B09": 20, "B05": 60, "B06": 60, "B07": 60, "B8A": 60, "B11": 60, "B12": 60}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint with random weights."""
    return make_checkpoint(tmp_path_factory.mktemp("checkpoints") / "small")


def write_band(path: Path, size: int, dtype: str, low: float, high: float) -> None:
    data = np.random.default_rng(len(path.name)).uniform(low, high, (1, size, size)).astype(dtype)
    transform = from_origin(404400, 5342400, 1200 / size, 1200 / size)
    options = {
        "driver": "GTiff",
        "height": size,
        "width": size,
        "count": 1,
        "crs": "EPSG:32633",
        "transform": transform,
    }
    with rasterio.open(path, "w", dtype=dtype, **options) as dataset:
        dataset.write(data)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package folder with archives in the published layout, one patch each."""
    patch = demonstration.PATCHES["finland"]
    source, folder = tmp_path / "source", tmp_path / "site" / demonstration.PACKAGE
    folder.mkdir(parents=True)
    facts = {"labels": ["Non-irrigated arable land"], "acquisition_date": "2017-06-13 10:10:31"}
    radar_facts = {"labels": facts["labels"], "acquisition_time": "2017-06-13T16:50:43"}
    for kind, name, told in (("optical", patch.optical, facts), ("radar", patch.radar, radar_facts)):
        top = demonstration.ARCHIVES[kind].removesuffix(".tar.bz2")
        place = source / top / name
        place.mkdir(parents=True)
        (place / f"{name}_labels_metadata.json").write_text(json.dumps(told))
        if kind == "optical":
            for band in SENSORS["sentinel2_l2a"].bands:
                write_band(place / f"{name}_{band.name}.tif", SIZES.get(band.name, 120), "uint16", 300, 3000)
        else:
            for band in ("VV", "VH"):
                write_band(place / f"{name}_{band}.tif", 120, "float32", -20, -5)
        with tarfile.open(folder / demonstration.ARCHIVES[kind], "w:bz2") as archive:
            archive.add(source / top, arcname=top)
    (folder / "__init__.py").write_text("raise ImportError('the demo never imports this package')\n")
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.delitem(sys.modules, demonstration.PACKAGE, raising=False)
    return folder


def test_the_demo_leaves_answers_a_map_and_a_picture(
    package: Path,
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "demo"
    assert cli.main(["demo", "--out", str(out), "--checkpoint", str(checkpoint)]) == 0
    told = capsys.readouterr().out
    assert "What the patch's own labels say" in told and "Non-irrigated arable land" in told
    names = {path.name for path in out.iterdir()}
    assert {"answer.json", "mask.tif", "mask.geojson", "overlay.png"} <= names
    with rasterio.open(out / "mask.tif") as mask:
        assert mask.crs.to_epsg() == 32633 and mask.transform == from_origin(404400, 5342400, 10, 10)
        assert mask.shape == (120, 120) and mask.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG"
    kept = json.loads((out / "answer.json").read_text())
    assert len(kept["answers"]) == 6 and kept["labels"] == ["Non-irrigated arable land"]
    assert kept["sensors"] == ["sentinel2_l2a", "sentinel1_grd"]


def test_an_unknown_patch_is_told(
    package: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("demo", "--patch", "autria", "--checkpoint", checkpoint, "--out", tmp_path / "demo")
    assert "Did you mean 'austria'?" in refused(capsys, *words)
    assert not (tmp_path / "demo").exists()


def test_a_missing_package_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(demonstration.importlib.util, "find_spec", lambda name: None)
    told = refused(capsys, "demo", "--out", tmp_path / "demo")
    assert "pip install --no-deps bigearthnet-common" in told and not (tmp_path / "demo").exists()
