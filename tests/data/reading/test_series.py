"""Images are dates of one place where their grids show it or the user says so, never because they were named together."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rasterio.transform import Affine
from rasterio.warp import transform

from rsfm.data.reading.scene import open_scene
from rsfm.errors import UserError
from tests.data.rasters import write_tif


def picture(path: Path, rng: np.random.Generator) -> Path:
    Image.fromarray(rng.integers(0, 256, (12, 12, 3)).astype(np.uint8)).save(path)
    return path


def scene_at(
    path: Path, rng: np.random.Generator, *, east: float = 0, north: float = 0, crs: str | None = "EPSG:32633"
):
    values = rng.integers(400, 3000, (20, 20, 12)).astype(np.uint16)
    return write_tif(path, values, crs=crs, transform=Affine(10, 0, 400_000 + east, 0, -10, 5_000_000 + north))


def test_pictures_without_a_place_are_no_series_unless_the_user_says_so(rng, tmp_path: Path) -> None:
    paths = [picture(tmp_path / "a.png", rng), picture(tmp_path / "b.png", rng)]
    with pytest.raises(UserError, match=r"a.png and b.png: nothing shows .* --series or --date .*ask_many"):
        open_scene(paths)
    assert len(open_scene(paths, series=True).time_days) == 2
    assert len(open_scene(paths, dates=["2024-01-01", "2024-02-01"]).time_days) == 2


@pytest.mark.parametrize("named", ["S2_20240101.png", "x.png"])
def test_dates_in_names_do_not_make_one_place(named: str, rng, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing shows"):
        open_scene([picture(tmp_path / named, rng), picture(tmp_path / "S2_20240201.png", rng)])


@pytest.mark.parametrize(("east", "shows"), [(0, True), (50, True), (150, False)])
def test_grids_decide_by_the_ground_they_share(east: float, shows: bool, rng, tmp_path: Path) -> None:
    paths = [scene_at(tmp_path / "a.tif", rng), scene_at(tmp_path / "b.tif", rng, east=east)]
    how = {"sensor": "sentinel2_l2a", "unit": "dn_no_offset"}
    if shows:
        assert len(open_scene(paths, **how).time_days) == 2
        return
    with pytest.raises(UserError, match=r"a.tif and b.tif: have 2\d % of the smaller one's ground in common"):
        open_scene(paths, **how)
    assert len(open_scene(paths, series=True, **how).time_days) == 2


def test_places_apart_are_no_series_whatever_is_said(rng, tmp_path: Path) -> None:
    paths = [scene_at(tmp_path / "a.tif", rng), scene_at(tmp_path / "b.tif", rng, north=90_000)]
    with pytest.raises(UserError, match="show places apart from each other"):
        open_scene(paths, sensor="sentinel2_l2a", unit="dn_no_offset", series=True)


def test_another_zone_of_the_same_ground_is_one_place(rng, tmp_path: Path) -> None:
    first = write_tif(
        tmp_path / "a.tif",
        rng.integers(400, 3000, (20, 20, 12)).astype(np.uint16),
        crs="EPSG:32633",
        transform=Affine(10, 0, 260_000, 0, -10, 5_000_000),
    )
    xs, ys = transform("EPSG:32633", "EPSG:32632", [260_000], [5_000_000])
    other = write_tif(
        tmp_path / "b.tif",
        rng.integers(400, 3000, (20, 20, 12)).astype(np.uint16),
        crs="EPSG:32632",
        transform=Affine(10, 0, xs[0], 0, -10, ys[0]),
    )
    assert len(open_scene([first, other], sensor="sentinel2_l2a", unit="dn_no_offset").time_days) == 2
