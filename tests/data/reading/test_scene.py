"""Scenes: any kind of file opens lazily, windows are the slice of the whole, bad input says what to do."""

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from rsfm.data.reading.dates import date_in_name
from rsfm.data.reading.scene import Scene, open_scene
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import days_since_2000
from rsfm.types import Observation
from tests.data.rasters import UTM, sentinel2, write_tif

S2_BANDS = [band.name for band in SENSORS["sentinel2_l2a"].bands]


def seen(scene: Scene, window: tuple[int, int, int, int] | None = None) -> Observation:
    return scene.read(window).observations[scene.sensor.name]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_window_inside_or_out_is_the_slice_of_the_padded_whole(tmp_path: Path, data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 90)), data.draw(st.integers(1, 90))
    values = sentinel2(np.random.default_rng(data.draw(st.integers(0, 9))), height, width)
    values[data.draw(st.integers(0, height - 1)) :, : data.draw(st.integers(0, width - 1))] = 0
    scene = open_scene([write_tif(tmp_path / "x.tif", values, nodata=0)])
    row, column = data.draw(st.integers(-20, height + 5)), data.draw(st.integers(-20, width + 5))
    rows, columns = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 60))
    record = scene.read((row, column, rows, columns))
    observation = record.observations["sentinel2_l2a"]
    padded = np.pad(values, ((90, 150), (90, 150), (0, 0)))[
        row + 90 : row + 90 + rows, column + 90 : column + 90 + columns
    ]
    assert np.array_equal(observation.valid[0], (padded > 0).all(-1))
    assert observation.values[0] == pytest.approx(padded * 1e-4, abs=1e-6) and observation.band_valid.all()
    assert record.grid is not None and (record.grid.height, record.grid.width) == (rows, columns)
    assert record.grid.transform[2] == 404400 + 10 * column and record.grid.transform[5] == 5342400 - 10 * row


def test_what_a_scene_says(tmp_path: Path, rng: np.random.Generator) -> None:
    scene = open_scene([write_tif(tmp_path / "S2_20220613.tif", sentinel2(rng), tags={"BOA_ADD_OFFSET": "-1000"})])
    assert (scene.sensor.name, scene.height, scene.width) == ("sentinel2_l2a", 40, 50)
    assert scene.gsd_m == pytest.approx(10, rel=1e-3)
    assert scene.grid.crs == "EPSG:32633" and scene.bands == tuple(S2_BANDS)
    assert scene.time_days[0] == days_since_2000("2022-06-13")
    assert scene.location_deg == pytest.approx((13.716, 48.226), abs=0.01)
    assert any("offset of -0.1 applied" in note for note in scene.notes)


@pytest.mark.parametrize(
    "names", ["{}.tif", "S2A_MSIL2A_20170613T101031_87_48_{}.tif", "T33UUP_20170613T101031_{}_{}m.jp2"]
)
def test_a_folder_of_one_band_files(tmp_path: Path, rng: np.random.Generator, names: str) -> None:
    folder = tmp_path / "S2A_MSIL2A_20170613T101031_87_48"
    inner = folder / "GRANULE" / "IMG_DATA" if names.endswith("jp2") else folder
    means = {}
    for band in SENSORS["sentinel2_l2a"].bands:
        step = int(band.gsd_m // 10)
        means[band.name] = int(rng.integers(500, 3000))
        values = np.full((60 // step, 60 // step, 1), means[band.name], np.uint16)
        path = inner / names.format(band.name, int(band.gsd_m))
        if names.endswith("jp2"):
            write_tif(
                path, values, transform=UTM * Affine.scale(step), driver="JP2OpenJPEG", quality="100", reversible="yes"
            )
        else:
            write_tif(path, values, transform=UTM * Affine.scale(step))
    write_tif(inner / "true_colour_TCI.tif", np.zeros((60, 60, 3), np.uint8))
    scene = open_scene([folder])
    observation = seen(scene, (10, 10, 30, 30))
    assert scene.sensor.name == "sentinel2_l2a" and (scene.height, round(scene.gsd_m, 1)) == (60, 10.0)
    assert observation.valid.all() and scene.time_days[0] == pytest.approx(6373.424, abs=0.001)
    assert observation.values[0, 5, 5] == pytest.approx([means[name] * 1e-4 for name in S2_BANDS], abs=1e-4)


def test_bands_named_one_by_one_are_one_acquisition(tmp_path: Path) -> None:
    paths = [
        write_tif(tmp_path / f"S1A_IW_GRDH_20170613_{b}.tif", np.full((5, 5, 1), -12.5, "f4")) for b in ("VH", "VV")
    ]
    scene = open_scene(paths)
    assert scene.sensor.name == "sentinel1_grd" and scene.bands == ("VV", "VH") and len(scene.time_days) == 1


def test_a_scene_classification_becomes_valid(tmp_path: Path) -> None:
    for name in S2_BANDS:
        write_tif(tmp_path / f"T33_20220613T1_{name}_20m.tif", np.full((8, 8, 1), 900, np.uint16))
    layer = np.full((8, 8, 1), 4, np.uint8)
    layer[:4] = 9
    write_tif(tmp_path / "T33_20220613T1_SCL_20m.tif", layer)
    observation = seen(open_scene([tmp_path], sensor="sentinel2_l2a"))
    assert not observation.valid[0, :4].any() and observation.valid[0, 4:].all()


def test_dates_from_names_tags_and_the_user(tmp_path: Path, rng: np.random.Generator) -> None:
    first = write_tif(tmp_path / "a_20170613.tif", sentinel2(rng))
    second = write_tif(tmp_path / "b.tif", sentinel2(rng), tags={"datetime": "2021-07-23T12:00:00.000000000"})
    third = write_tif(tmp_path / "c.tif", sentinel2(rng))
    scene = open_scene([first, second, third])
    assert scene.time_days[:2].tolist() == [days_since_2000("2017-06-13"), days_since_2000("2021-07-23T12:00")]
    assert np.isnan(scene.time_days[2]) and "no date known for c.tif" in scene.notes
    assert seen(scene).values.shape == (3, 40, 50, 12)
    told = open_scene([first, third], dates=["2019-01-01", "20190202"])
    assert told.time_days.tolist() == [days_since_2000("2019-01-01"), days_since_2000("2019-02-02")]


def test_images_on_another_grid_are_warped_onto_the_first(tmp_path: Path) -> None:
    first = write_tif(tmp_path / "a.tif", np.full((20, 20, 4), 100, np.uint8))
    moved = write_tif(tmp_path / "b.tif", np.full((22, 20, 4), 100, np.uint8), transform=UTM * Affine.translation(5, 0))
    scene = open_scene([first, moved], sensor="naip")
    observation = seen(scene)
    assert any("warped onto the grid of a.tif: b.tif" in note for note in scene.notes)
    assert observation.valid[0].all() and not observation.valid[1, :, :5].any() and observation.valid[1, :, 5:].all()
    assert observation.values[1, :, 5:] == pytest.approx(100 / 255)


def test_pictures_and_cubes(tmp_path: Path, rng: np.random.Generator) -> None:
    Image.fromarray(rng.integers(0, 256, (30, 40, 3)).astype(np.uint8)).save(tmp_path / "x.jpg")
    picture = open_scene([tmp_path / "x.jpg"])
    assert picture.sensor.name == "aerial_rgb" and picture.grid.crs is None and picture.location_deg is None
    assert any("no georeference" in note for note in picture.notes) and picture.gsd_m == 0.5
    cube = rng.integers(1000, 6000, (9, 8, 200)).astype(np.uint16)
    np.save(tmp_path / "cube.npy", cube)
    scene = open_scene([tmp_path / "cube.npy"])
    assert seen(scene, (1, 2, 3, 4)).values[0] == pytest.approx(cube[1:4, 2:6] / 5000 - 0.2, abs=1e-5)


def test_ground_sampling_distance(tmp_path: Path, rng: np.random.Generator) -> None:
    degrees = Affine(1e-4, 0, 13.0, 0, -1e-4, 60.0)
    scene = open_scene([write_tif(tmp_path / "deg.tif", sentinel2(rng), crs="EPSG:4326", transform=degrees)])
    assert scene.gsd_m == pytest.approx(7.885, rel=1e-3)  # 111.4 x 55.8 km a degree at 60 N on the ellipsoid
    los_angeles = Affine(10, 0, 6.5e6, 0, -10, 1.85e6)  # in US survey feet
    feet = open_scene([write_tif(tmp_path / "ft.tif", sentinel2(rng), crs="EPSG:2229", transform=los_angeles)])
    assert feet.gsd_m == pytest.approx(3.048, rel=1e-3)
    bare = open_scene([write_tif(tmp_path / "no.tif", sentinel2(rng), crs=None)])
    assert bare.gsd_m == 10 and any("no georeference" in note for note in bare.notes)
    assert seen(bare).valid.all()


def test_a_band_of_nothing_is_missing(tmp_path: Path, rng: np.random.Generator) -> None:
    values = rng.uniform(0.01, 0.5, (20, 20, 12)).astype(np.float32)
    values[..., 3] = np.nan
    scene = open_scene([write_tif(tmp_path / "x.tif", values)], sensor="sentinel2_l2a")
    observation = seen(scene)
    assert observation.band_valid.tolist() == [[i != 3 for i in range(12)]] and observation.valid.all()
    assert any("no valid pixel found in B04" in note for note in scene.notes)


def test_a_date_may_lack_bands_of_the_others(tmp_path: Path) -> None:
    """The first date holds two bands, the second all but one, the third all with nothing in the last: of the sensor's order."""
    rng = np.random.default_rng(0)
    all_but = [name for name in S2_BANDS if name != "B05"]
    few, most, whole = (sentinel2(rng, bands=count) for count in (2, 11, 12))
    whole[..., 11], whole[:4, ..., 2] = 65535, 65535
    paths = [
        write_tif(tmp_path / "S2_20200801.tif", few, descriptions=["B08", "B02"], nodata=65535),
        write_tif(tmp_path / "S2_20200601.tif", most, descriptions=all_but, nodata=65535),
        write_tif(tmp_path / "S2_20200701.tif", whole, descriptions=S2_BANDS, nodata=65535),
    ]
    scene = open_scene(paths)
    assert scene.sensor.name == "sentinel2_l2a" and scene.bands == tuple(S2_BANDS)
    held = [set(all_but), {*S2_BANDS[:-1]}, {"B02", "B08"}]  # by date
    there = np.array([[name in names for name in S2_BANDS] for names in held])
    for observation in (seen(scene), seen(scene, (-3, 5, 20, 20)), scene.overview(20).observations["sentinel2_l2a"]):
        np.testing.assert_array_equal(observation.band_valid, there)
        assert not observation.values[~there[:, None, None] & np.ones_like(observation.values, bool)].any()
    observation = seen(scene)
    assert observation.valid.all() and not observation.cells[1, :4, :, 2].any(), "B03's hole costs B03"
    others = [i for i in range(11) if i != 2]
    assert observation.cells[1, 4:, :, :11].all() and observation.cells[1][..., others].all()
    expected = np.stack([most[..., 1], whole[..., 1], few[..., 1]]) * np.float32(1e-4)
    assert observation.values[..., 1][observation.valid] == pytest.approx(expected[observation.valid], abs=1e-6)
    notes = " | ".join(scene.notes)
    assert "S2_20200601.tif: without the bands B05, missing at that date" in notes
    assert "S2_20200701.tif: no valid pixel found in B12" in notes and "S2_20200801.tif: without the bands B01" in notes


def test_bands_in_another_order_and_a_subset(tmp_path: Path, rng: np.random.Generator) -> None:
    values = sentinel2(rng, bands=3)
    path = write_tif(tmp_path / "x.tif", values, descriptions=["B8A", "B02", "B11"])
    scene = open_scene([path], sensor="sentinel2_l2a")
    assert scene.bands == ("B02", "B8A", "B11") and any("without the bands B01" in note for note in scene.notes)
    assert seen(scene).values[0] == pytest.approx(values[..., [1, 0, 2]] * 1e-4, abs=1e-6)
    named = open_scene([path], sensor="sentinel2_l2a", bands=("B05", "B06", "B07"))
    assert seen(named).values[0] == pytest.approx(values * 1e-4, abs=1e-6) and named.bands == ("B05", "B06", "B07")


def test_an_overview_is_the_whole_scene_in_fewer_pixels(tmp_path: Path) -> None:
    values = np.full((100, 200, 12), 1000, np.uint16)
    scene = open_scene([write_tif(tmp_path / "x.tif", values)])
    record = scene.overview(50)
    observation = record.observations["sentinel2_l2a"]
    assert observation.values.shape == (1, 25, 50, 12) and observation.values == pytest.approx(0.1)
    assert (
        record.grid is not None
        and record.grid.transform[0] == 40
        and float(observation.gsd_m) == pytest.approx(40, rel=1e-3)
    )
    assert scene.overview(9999).observations["sentinel2_l2a"].values.shape == (1, 100, 200, 12)


@pytest.mark.parametrize(
    ("name", "date"),
    [
        ("S2A_MSIL2A_20170613T101031_87_48", "2017-06-13T10:10:31"),
        ("S2B_MSIL2A_20170924T93020_69_24", "2017-09-24T09:30:20"),
        ("m_4709963_se_14_1_20120731.tif", "2012-07-31"),
        ("LC08_L2SP_044034_20210508_20210517_02_T1", "2021-05-08"),
        ("HLS.S30.T10SEG.2021204T185919.v2.0", "2021-07-23"),
        ("field-2019-03-01.tif", "2019-03-01"),
        ("tile_123456789.tif", None),
        ("x_20171350.tif", None),
    ],
)
def test_dates_in_names(name: str, date: str | None) -> None:
    assert date_in_name(name) == (None if date is None else pytest.approx(days_since_2000(date)))


def bad_input(folder: Path, kind: str) -> tuple[list[Path], dict]:
    rng = np.random.default_rng(0)
    good = write_tif(folder / "good.tif", sentinel2(rng))
    bad = folder / "bad.tif"
    if kind == "missing":
        return [folder / "god.tif"], {}
    if kind == "text":
        bad.write_text("a letter")
    if kind == "empty":
        bad.touch()
    if kind == "cut":
        bad.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    if kind == "nodata":
        write_tif(bad, np.zeros((2000, 30, 12), np.uint16), nodata=0)
    if kind == "nan":
        write_tif(bad, np.full((9, 9, 12), np.nan, np.float32))
    if kind == "count":
        return [write_tif(bad, sentinel2(rng, bands=5))], {"sensor": "sentinel2_l2a"}
    if kind == "level":
        return [write_tif(bad, sentinel2(rng, bands=13))], {"sensor": "sentinel2_l2a"}
    if kind == "sensor":
        return [good], {"sensor": "sentinel2_l2b"}
    if kind == "untold":
        write_tif(bad, sentinel2(rng, bands=6))
    if kind == "raw":
        write_tif(bad, sentinel2(rng).astype(np.float32))
    if kind == "raw said":
        return [good], {"unit": "reflectance"}
    if kind == "few dates":
        return [good, good, good], {"dates": ["2020-01-01", "2020-02-01"]}
    if kind == "no date":
        return [good], {"dates": ["13/06/2017"]}
    if kind == "bare folder":
        (folder / "bad").mkdir()
        return [folder / "bad"], {}
    if kind == "size":
        np.save(folder / "a.npy", np.ones((5, 5, 3), np.uint8))
        np.save(folder / "b.npy", np.ones((6, 5, 3), np.uint8))
        return [folder / "a.npy", folder / "b.npy"], {"series": True}
    if kind == "bands untold":
        return [good, write_tif(bad, sentinel2(rng, bands=11))], {"sensor": "sentinel2_l2a"}
    if kind == "parts":
        one, other = (sentinel2(rng, bands=1) for _ in range(2))
        first = write_tif(folder / "red.tif", one, descriptions=["B04"])
        return [first, write_tif(bad, other, descriptions=["B08"])], {"sensor": "sentinel2_l2a"}
    if kind == "nothing":
        return [], {}
    return [bad], {}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", ["god.tif: no such file", "Did you mean 'good.tif'"]),
        ("text", ["bad.tif: not an image"]),
        ("empty", ["bad.tif: the file is empty"]),
        ("cut", ["bad.tif: damaged or cut short"]),
        ("nodata", ["bad.tif: no valid pixel", "nodata"]),
        ("nan", ["bad.tif: no valid pixel"]),
        ("count", ["sentinel2_l2a has 12 bands, the file has 5", "bands="]),
        ("level", ["sentinel2_l2a has 12 bands, the file has 13", "sentinel2_l1c"]),
        ("sensor", ["Unknown sensor 'sentinel2_l2b'", "Did you mean 'sentinel2_l2a'"]),
        ("untold", ["bad.tif", "6 bands of uint16", "landsat7_etm", "Name it with sensor"]),
        ("raw", ["cannot be reflectance", 'unit="dn"']),
        ("raw said", ["cannot be reflectance", 'unit="dn"']),
        ("few dates", ["3 images but 2 dates", "one for each"]),
        ("no date", ["Date '13/06/2017' cannot be read", "YYYY-MM-DD"]),
        ("bare folder", ["bad: the folder holds no raster"]),
        ("size", ["6 x 5 pixels", "no common georeference"]),
        ("bands untold", ["bad.tif: sentinel2_l2a has 12 bands, the file has 11", "bands=", "band descriptions"]),
        ("parts", ["bad.tif: has the bands B08, red.tif has B04", "one folder", "date of each image"]),
        ("nothing", ["No scene given"]),
    ],
)
def test_bad_input_is_told_in_one_line(tmp_path: Path, kind: str, words: list[str]) -> None:
    paths, options = bad_input(tmp_path, kind)
    with pytest.raises(UserError) as caught:
        open_scene(paths, **options)
    text = str(caught.value)
    assert "\n" not in text and all(word in text for word in words), text


PUBLISHED = [
    ("terramesh5/examples/S2L2A/282D_485L_3_3.tif", "sentinel2_l2a", 10.0),
    ("terramesh5/examples/S2L1C/282D_485L_3_3.tif", "sentinel2_l1c", 10.0),
    ("terramesh5/examples/S1RTC/282D_485L_3_3.tif", "sentinel1_rtc", 10.0),
    ("terramesh5/examples/DEM/282D_485L_3_3.tif", "elevation", 10.0),
    ("bigearthnet/BigEarthNet-S2-Example/S2A_MSIL2A_20170613T101031_87_48", "sentinel2_l2a", 10.0),
    ("bigearthnet/BigEarthNet-S1-Example/S1A_IW_GRDH_1SDV_20170613T165043_33UUP_87_48", "sentinel1_grd", 10.0),
    ("opengeos/naip/m_4709963_se_14_1_20120731.tif", "naip", 5.0),
    ("landsat7_stars/L7_ETMs.tif", "landsat7_etm", 28.5),
    ("rasterio_tests/tests/data/RGB.byte.tif", "aerial_rgb", 300.04),
    ("geochat_demo/demo_images/7292.JPG", "aerial_rgb", 0.5),
    ("indian_pines/Indian_pines_corrected.npy", "aviris_indian_pines", 20.0),
    ("eolearn/example_data/REFERENCE_SCENES.npy", "sentinel2_l1c", 10.0),
]


@pytest.mark.data
@pytest.mark.parametrize(("path", "sensor", "gsd_m"), PUBLISHED)
def test_published_files(published_data: Path, path: str, sensor: str, gsd_m: float) -> None:
    if not (published_data / path).exists():
        pytest.skip(f"{path} is not in the data folder")
    scene = open_scene([published_data / path])
    assert scene.sensor.name == sensor and scene.gsd_m == pytest.approx(gsd_m, rel=1e-3)
    window = (scene.height // 3, scene.width // 3, 64, 64)
    observation = seen(scene, window)
    assert observation.valid.mean() > 0.5 and np.isfinite(observation.values).all()
    if len(scene.time_days) == 1:
        whole = seen(scene)
        cut = np.s_[:, window[0] : window[0] + 64, window[1] : window[1] + 64]
        assert np.array_equal(
            whole.values[cut], observation.values[:, : whole.values[cut].shape[1], : whole.values[cut].shape[2]]
        )


@pytest.mark.data
def test_the_offset_of_terramesh_is_found_where_it_is(published_data: Path) -> None:
    folder = published_data / "terramesh5" / "examples"
    if not folder.is_dir():
        pytest.skip("terramesh5 is not in the data folder")
    raised = {
        f"{level}/{path.name}"
        for level in ("S2L1C", "S2L2A")
        for path in (folder / level).glob("*.tif")
        if any("offset of -0.1 applied" in note for note in open_scene([path]).notes)
    }
    assert raised == {"S2L1C/282D_485L_3_3.tif"}  # its cirrus band starts at 1004, those of the others at 8 and 54
