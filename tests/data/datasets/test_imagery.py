"""Unlabelled images are read by windows, never whole; places stay apart; what is broken is told once and left out."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.windows import Window

from rsfm.data.datasets.base import EmptySplit
from rsfm.data.datasets.imagery import MOST_WINDOWS, Imagery
from rsfm.data.datasets.plots import find_plots
from rsfm.data.reading.geotiff import GeoRaster
from rsfm.data.reading.listing import acquisitions
from rsfm.errors import UserError
from tests.data.rasters import UTM, sentinel2, write_tif


def optical(folder: Path, name: str, rng: np.random.Generator, *, east_px: float = 0, size: int = 40, **more) -> Path:
    """A Sentinel-2 image so many pixels further east."""
    return write_tif(
        folder / f"{name}.tif", sentinel2(rng, size, size), transform=UTM @ UTM.translation(east_px, 0), **more
    )


def radar(folder: Path, name: str, rng: np.random.Generator, *, east_px: float = 0, size: int = 40) -> Path:
    values = rng.uniform(-20, -5, (size, size, 2)).astype(np.float32)
    where = {"transform": UTM @ UTM.translation(east_px, 0), "descriptions": ("VV", "VH")}
    return write_tif(folder / f"{name}.tif", values, **where)


def test_one_grid_is_one_record_of_dates_and_streams(tmp_path: Path, rng: np.random.Generator) -> None:
    for day in ("20210503", "20210612", "20210722"):
        optical(tmp_path, f"S2A_MSIL2A_{day}T101031", rng)
    radar(tmp_path, "S1A_IW_GRDH_20210504", rng)
    optical(tmp_path, "S2A_MSIL2A_20210503T101099", rng, east_px=900)
    first, second = Imagery(tmp_path), find_plots(tmp_path).plots
    assert [set(plot.sensors) for plot in second] == [{"sentinel1_grd", "sentinel2_l2a"}, {"sentinel2_l2a"}]
    record = first.window(0, np.random.default_rng(0), 16)
    assert record.observations["sentinel2_l2a"].values.shape == (3, 16, 16, 12)
    assert record.observations["sentinel1_grd"].values.shape == (1, 16, 16, 2)
    assert record.location_deg is not None and record.grid is not None and record.mask is None


def test_windows_are_new_for_new_numbers_and_the_same_for_the_same(tmp_path: Path, rng: np.random.Generator) -> None:
    optical(tmp_path, "S2A_MSIL2A_20210503T101031", rng, size=120)
    records = Imagery(tmp_path)
    one, same, other = (records.window(0, np.random.default_rng(seed), 32) for seed in (1, 1, 2))
    values = [each.observations["sentinel2_l2a"].values for each in (one, same, other)]
    np.testing.assert_array_equal(values[0], values[1])
    assert one.id == same.id != other.id and not np.array_equal(values[0], values[2])
    with rasterio.open(tmp_path / "S2A_MSIL2A_20210503T101031.tif") as file:
        row, column = map(int, one.id.partition("@")[2].split(","))
        stored = file.read(window=Window(column, row, 32, 32))
    np.testing.assert_allclose(values[0][0], np.moveaxis(stored, 0, -1) / 10_000, atol=1e-6)


def test_what_overlaps_is_one_place_and_in_one_split(tmp_path: Path, rng: np.random.Generator) -> None:
    for i in range(6):
        optical(tmp_path, f"S2A_MSIL2A_20210503T10{i:02d}31", rng, east_px=400 * i)
        radar(tmp_path, f"S1A_IW_GRDH_202105{i + 1:02d}", rng, east_px=400 * i + 15)  # half of it on the same ground
        optical(tmp_path, f"S2B_MSIL2A_20210612T10{i:02d}31", rng, east_px=400 * i + 40)  # beside it
    assert len({plot.place for plot in find_plots(tmp_path).plots}) == 6
    train, val = Imagery(tmp_path, "train"), Imagery(tmp_path, "val")
    places = [{each.group(i) for i in range(len(each))} for each in (train, val)]
    assert len(places[0]) == 5 and len(places[1]) == 1 and not places[0] & places[1]
    assert len(train) + len(val) == len(Imagery(tmp_path, "all"))


def test_neighbours_on_a_map_are_two_places(tmp_path: Path, rng: np.random.Generator) -> None:
    optical(tmp_path, "S2A_MSIL2A_20210503T101031", rng)
    optical(tmp_path, "S2B_MSIL2A_20210612T101031", rng, east_px=40)
    assert {plot.place for plot in find_plots(tmp_path).plots} == {0, 1}


def test_a_single_scene_keeps_a_strip_for_validation(tmp_path: Path, rng: np.random.Generator) -> None:
    optical(tmp_path, "S2A_MSIL2A_20210503T101031", rng, size=400)
    rows: dict[str, list[int]] = {"train": [], "val": []}
    for split, seen in rows.items():
        records = Imagery(tmp_path, split)
        for seed in range(30):
            record = records.window(0, np.random.default_rng(seed), 48)
            start = int(record.id.partition("@")[2].split(",")[0])
            seen += [start, start + record.observations["sentinel2_l2a"].values.shape[1] - 1]
    assert max(rows["train"]) < 360 <= min(rows["val"])


def test_one_small_scene_has_no_validation_split(tmp_path: Path, rng: np.random.Generator) -> None:
    optical(tmp_path, "S2A_MSIL2A_20210503T101031", rng)
    with pytest.raises(EmptySplit, match="the split 'val' of its images holds nothing"):
        Imagery(tmp_path, "val")


def test_what_is_broken_or_hostile_is_one_line_each(tmp_path: Path, rng: np.random.Generator) -> None:
    optical(tmp_path, "S2A_MSIL2A_20210503T101031", rng)
    (tmp_path / "cut.tif").write_bytes(b"II*\0 no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    np.save(tmp_path / "pickled.npy", np.array([{"run": "this"}], dtype=object), allow_pickle=True)
    (tmp_path / "elsewhere.vrt").write_text("<VRTDataset rasterXSize='9' rasterYSize='9'><SRS>x</SRS></VRTDataset>")
    (tmp_path / "readme.txt").write_text("words")
    (tmp_path / "loop").symlink_to(tmp_path)
    records = Imagery(tmp_path)
    assert len(records.plots) == 1 and len(records.notes) == 4
    for name in ("cut.tif", "empty.png", "pickled.npy", "elsewhere.vrt"):
        (line,) = [note for note in records.notes if name in note]
        assert "\n" not in line and "Traceback" not in line


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected a folder of images, found nothing"):
        Imagery(tmp_path / "absent")
    with pytest.raises(UserError, match="expected images .* found none in it"):
        Imagery(tmp_path)
    (tmp_path / "cut.tif").write_bytes(b"II*\0 no picture")
    with pytest.raises(UserError, match=r"none of 1 images can be read. The first: .*cut\.tif"):
        Imagery(tmp_path)
    with pytest.raises(UserError, match="Did you mean 'val'"):
        Imagery(tmp_path, "vall")


def test_pixels_that_turn_out_damaged_are_told_once_and_another_image_is_read(
    tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for i, day in enumerate(("20210503", "20210612")):
        optical(tmp_path, f"S2A_MSIL2A_{day}T101031", rng, east_px=500 * i)
    records = Imagery(tmp_path)
    read = GeoRaster.read

    def damaged(self: GeoRaster, *args: object) -> object:
        if "20210503" in self.header.path.name:
            raise UserError(f"{self.header.path}: damaged or cut short (a block). Fetch or write the file again.")
        return read(self, *args)

    opened = [records._open(plot) for plot in records.plots]
    assert len(opened) == 2
    monkeypatch.setattr(GeoRaster, "read", damaged)
    drawn = [records.window(0, np.random.default_rng(seed), 16) for seed in range(3)]
    assert all(record.id.startswith("S2A_MSIL2A_20210612") for record in drawn)
    assert capsys.readouterr().err.count("skipped: ") == 1


def test_bands_in_files_are_one_product_and_numbered_tiles_are_not(tmp_path: Path, rng: np.random.Generator) -> None:
    for band in ("B02", "B03", "B04", "SCL"):
        write_tif(tmp_path / "product" / f"S2A_MSIL2A_20210503_T33UWP_{band}.tif", sentinel2(rng, bands=1))
    for number in (1, 2, 3):
        write_tif(tmp_path / "tiles" / f"tile_{number}.tif", sentinel2(rng))
    Image.new("RGB", (8, 8)).save(tmp_path / "tiles" / "tile_1.png")
    found = [[path.name.rpartition("_")[2] for path in paths] for paths in acquisitions(tmp_path)]
    assert found == [["B02.tif", "B03.tif", "B04.tif"], ["1.tif"], ["2.tif"], ["3.tif"]]


def test_a_large_sparse_scene_costs_windows_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """12,000 x 12,000 pixels of twelve bands are 3.5 GB; two blocks of them hold a measurement."""
    path, edge = tmp_path / "S2A_MSIL2A_20210503T101031.tif", 12_000
    profile = {"driver": "GTiff", "height": edge, "width": edge, "count": 12, "dtype": "uint16", "crs": "EPSG:32633"}
    tiles = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate", "BIGTIFF": "YES"}
    with rasterio.open(path, "w", transform=UTM, nodata=0, SPARSE_OK=True, **tiles, **profile) as file:
        for row, column in ((0, 0), (10_240, 5_120)):
            numbers = np.random.default_rng(0).integers(200, 4000, (12, 512, 512)).astype(np.uint16)
            file.write(numbers, window=Window(column, row, 512, 512))
    sizes: list[int] = []
    read = GeoRaster.read

    def watched(self: GeoRaster, window: tuple[int, int, int, int], *args: object) -> object:
        sizes.append(window[2] * window[3])
        return read(self, window, *args)

    monkeypatch.setattr(GeoRaster, "read", watched)
    tracemalloc.start()
    records = Imagery(tmp_path)
    drawn = [records.window(0, np.random.default_rng(seed), 128) for seed in range(4)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(records) == MOST_WINDOWS
    assert max(sizes) <= 1024**2 and peak < 400e6
    assert all(record.observations["sentinel2_l2a"].valid.any() for record in drawn)
