"""`rsfm embed`: a map of vectors, a table of pictures, and one clear line for what it cannot do."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from rsfm import cli
from tests.data.labels.own_files import fields, write_picture
from tests.small_checkpoint import make_checkpoint


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("embed")
    small, picture = make_checkpoint(folder / "small"), write_picture(folder / "a.tif", fields())
    return ["embed", str(picture), "--sensor", "sentinel2_l2a", "--checkpoint", str(small)]


def test_a_map_and_its_picture_are_written(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*words, "--out", str(tmp_path / "emb.tif")]) == 0
    assert "4 x 4 places of 16 pixels, 32 features" in capsys.readouterr().out
    with rasterio.open(tmp_path / "emb.tif") as dataset:
        assert (dataset.count, dataset.height, dataset.width) == (32, 4, 4) and np.isfinite(dataset.read()).all()
    assert (tmp_path / "emb.png").is_file()


def test_a_table_has_the_footprint_of_each_picture(words: list[str], tmp_path: Path) -> None:
    geopandas = pytest.importorskip("geopandas")
    assert cli.main([*words, "--out", str(tmp_path / "emb.parquet")]) == 0
    table = geopandas.read_parquet(tmp_path / "emb.parquet")
    assert table.crs.to_epsg() == 4326 and len(table["embedding"][0]) == 32
    assert table.to_crs("EPSG:32633").area[0] == pytest.approx(640**2, rel=1e-3)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ([], "Expected one of --out emb.tif"),
        (["--out", "emb.csv"], "expected a name that ends in .tif (a map) or .parquet (a table)"),
        (["--text", "an airport"], "no contrastive head"),
        (["--out", "gs://bucket/emb.tif"], "is an address"),
    ],
)
def test_what_cannot_be_is_one_line(more, says, words, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main([*words, *more]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("rsfm: ") and says in line and not list(tmp_path.iterdir())
