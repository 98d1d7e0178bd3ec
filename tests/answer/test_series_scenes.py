"""`rsfm predict` on a time series of GeoTIFFs: dates from names or from --date, a number and a map, and bad dates refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from rsfm import cli
from rsfm.sensors import SENSORS
from tests.small_checkpoint import make_checkpoint

AREA, MAP = "How many hectares of water are there?", "Map the land cover: water, trees."
SENSOR = ("--sensor", "sentinel2_l2a")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("checkpoints") / "small")


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four images of one place; their names tell the dates. The third of them has a cloud: nodata in a corner."""
    folder, paths = tmp_path_factory.mktemp("series"), []
    for i, date in enumerate(("20200603", "20200713", "20200801", "20200902")):
        data = np.random.default_rng(i).integers(300, 3000, size=(12, 40, 56)).astype(np.uint16)
        data[:, :20, :20] = 0 if i == 2 else data[:, :20, :20]
        profile = {"crs": "EPSG:32633", "transform": from_origin(404400, 5342400, 10, 10), "nodata": 0}
        paths.append(folder / f"S2_{date}.tif")
        with rasterio.open(
            paths[-1], "w", driver="GTiff", height=40, width=56, count=12, dtype="uint16", **profile
        ) as out:
            out.write(data)
    return paths


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = cli.main(["predict", *map(str, words)])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_a_series_is_answered_with_a_value_and_a_map(
    series: list[Path], checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def answers(name: str, *words: object) -> tuple[dict, np.ndarray]:
        asked = (*SENSOR, "--ask", AREA, "--ask", MAP, "--checkpoint", checkpoint, "--out", tmp_path / name, "--json")
        code, out, err = run(capsys, *words, *asked)
        assert code == 0, err
        with rasterio.open(tmp_path / name / "mask.tif") as mask:
            assert mask.shape == (40, 56) and mask.crs.to_epsg() == 32633
            return json.loads(out), mask.read(1)

    named, mask = answers("named", *series)
    value = named["answers"][0]["values"][0]
    assert value["unit"] == "ha" and 0 <= value["value"] <= 1.002 * 40 * 56 / 100  # a pixel of UTM is 10.003 m here
    assert value["low"] is None, "no interval where none was measured"
    assert set(named["answers"][1]["mask"]) == {"water", "trees"}
    assert not any("order" in note for note in named["answers"][0].get("notes", []))

    turned, turned_mask = answers("turned", *(series[i] for i in (2, 0, 3, 1)))
    assert any("dates out of order: sorted" in note for note in turned["answers"][0]["notes"])
    np.testing.assert_array_equal(turned_mask, mask)
    assert turned["answers"][0]["values"][0]["value"] == pytest.approx(value["value"], rel=1e-5)

    dated, dated_mask = answers("dated", *series, "--date", "2020-06-03", "2020-07-13", "2020-08-01", "2020-09-02")
    np.testing.assert_array_equal(dated_mask, mask)


def test_bands_that_a_date_lacks_are_left_out_at_that_date(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A band that is not in a date's file and one that holds nodata alone are the same; neither stands for zero."""
    names, nodata = [band.name for band in SENSORS["sentinel2_l2a"].bands], 65535

    def answers(folder: str, file_lacks: dict[int, str], empty: dict[int, str]) -> tuple[dict, np.ndarray]:
        paths = []
        for i, date in enumerate(("20200603", "20200713", "20200801")):
            data = np.random.default_rng(i).integers(300, 3000, size=(12, 40, 56)).astype(np.uint16)
            if i in empty:
                data[names.index(empty[i])] = nodata
            kept = [name for name in names if name != file_lacks.get(i)]
            profile = {"crs": "EPSG:32633", "transform": from_origin(404400, 5342400, 10, 10), "nodata": nodata}
            profile |= {"driver": "GTiff", "height": 40, "width": 56, "count": len(kept), "dtype": "uint16"}
            paths.append(tmp_path / folder / f"S2_{date}.tif")
            paths[-1].parent.mkdir(exist_ok=True)
            with rasterio.open(paths[-1], "w", **profile) as out:
                out.write(data[[names.index(name) for name in kept]])
                for k, name in enumerate(kept, start=1):
                    out.set_band_description(k, name)
        asked = (*SENSOR, "--ask", AREA, "--ask", MAP, "--checkpoint", checkpoint, "--probability")
        code, out, err = run(capsys, *paths, *asked, "--out", tmp_path / folder, "--json")
        assert code == 0, err
        with rasterio.open(tmp_path / folder / "mask.tif") as mask:
            return json.loads(out), mask.read(1)

    one, mask = answers("one", {1: "B05"}, {2: "B12"})
    other, other_mask = answers("other", {2: "B12"}, {1: "B05"})
    np.testing.assert_array_equal(mask, other_mask)
    assert one["answers"][0]["values"] == other["answers"][0]["values"]
    assert one["answers"][1]["mask"] == other["answers"][1]["mask"] and (mask != 255).all(), "no pixel is lost"
    notes = one["answers"][0]["notes"]
    assert any("S2_20200713.tif: without the bands B05, missing at that date" in note for note in notes)
    assert any("S2_20200801.tif: no valid pixel found in B12" in note for note in notes)
    answers("whole", {}, {})
    chances = [rasterio.open(tmp_path / folder / "probability.tif").read() for folder in ("one", "other", "whole")]
    np.testing.assert_array_equal(chances[0], chances[1])
    assert np.abs(chances[0] - chances[2]).max() > 1e-4, "the bands that are there matter"


@pytest.mark.parametrize(
    ("count", "words", "told"),
    [
        (
            2,
            ("--date", "2020-06-03", "yesterday", "--ask", MAP),
            "Date 'yesterday' cannot be read: expected YYYY-MM-DD",
        ),
        (2, ("--date", "2020-06-03", "2020-06-03", "--ask", MAP), "both dated 2020-06-03"),
        (2, ("--date", "2020-06-03", "--ask", MAP), "2 images but 1 date"),
        (1, ("--ask", "What will the NDVI be on 2020-12-01?"), "at least two known dates, found 1"),
        (1, ("--ask", "What has changed?"), "at least two dates, found 1"),
        (2, ("--ask", "What will the NDVI be on 2020-07-01?"), "2020-07-01 is not after the last image"),
    ],
)
def test_dates_that_do_not_carry_the_question(
    count: int,
    words: tuple[str, ...],
    told: str,
    series: list[Path],
    checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, err = run(capsys, *series[:count], *SENSOR, *words, "--checkpoint", checkpoint)
    assert code == 2 and out == "" and told in err and err.count("\n") == 1, err
