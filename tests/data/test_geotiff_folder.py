"""A user's own table: what it may say, and what is said of each mistake in it."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

from rsfm.data.datasets.geotiff_folder import GeoTiffFolder
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import days_since_2000
from rsfm.tasks import TASKS
from rsfm.types import MapScale, Value
from tests.data.layouts import write_layout, write_raster
from tests.data.rasters import write_tif

HEAD = "image,sensor,date,split,value:biomass[t/ha],mask,legend,question,answer\n"
MAPS = "image,sensor,split,value_map:canopy height[m],value_map:cover,edges\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_layout("geotiff_folder", tmp_path) / "geotiff_folder"


def test_a_row_gives_all_its_labels(folder: Path) -> None:
    record = GeoTiffFolder(folder, "train")[0]
    assert (record.scene, record.tags, record.captions) == ("river", ("water", "trees"), ("a river; and trees",))
    assert record.values == (
        Value(name="biomass", value=41.5, unit="t/ha"),
        Value(name="boats", value=3.0, unit=""),
    )
    assert (record.turns[0].question, record.turns[0].answers) == ("Is there water?", ("yes",))
    assert record.mask.legend == ("water", "trees") and set(np.unique(record.mask.class_index)) == {-1, 0, 1}
    seen = record.observations["sentinel2_l2a"]
    assert seen.values.shape == (1, 24, 20, 12) and 0 < seen.values.max() <= 0.5
    assert record.grid.crs == "EPSG:32633" and record.location_deg[0] == pytest.approx(15.0, abs=0.1)


def test_dates_make_a_series_in_their_order(folder: Path) -> None:
    record = GeoTiffFolder(folder / "labels.csv", "test")[0]
    assert record.id == "geotiff_folder/b_may"
    seen = record.observations["sentinel2_l2a"]
    np.testing.assert_allclose(seen.time_days, [days_since_2000(date) for date in ("2019-05-03", "2019-06-12")])
    assert record.mask is None and record.values == () and record.value_map is None


def test_a_map_of_numbers_is_read_with_its_unlabelled_pixels(folder: Path) -> None:
    label = GeoTiffFolder(folder, "train")[0].value_map
    with rasterio.open(folder / "a_height.tif") as source:
        stored = source.read(1)
    assert (label.name, label.unit, label.edges) == ("canopy height", "m", (0.0, 5.0, 10.0, 20.0, 40.0))
    assert label.values.dtype == np.float32 and np.isnan(label.values[:6]).all() and np.isnan(label.values[20]).all()
    known = np.isfinite(label.values)
    assert known.sum() == 17 * 20
    np.testing.assert_array_equal(label.values[known], stored[known])


def test_a_map_of_pure_numbers_in_json_lines(folder: Path) -> None:
    write_raster(folder / "share.tif", np.linspace(0, 1, 480).reshape(1, 24, 20))  # float64, no nodata
    row = {"image": "a.tif", "sensor": "sentinel2_l2a", "value_map:cover": "share.tif", "edges": [0, 0.25, 1]}
    other = {"image": "b_may.tif", "sensor": "sentinel2_l2a", "value_map:cover": None}
    (folder / "maps.jsonl").write_text(json.dumps(other) + "\n" + json.dumps(row) + "\n")
    dataset = GeoTiffFolder(folder / "maps.jsonl", "all")
    second, first = dataset
    assert dataset.maps == (MapScale(name="cover", unit="1", edges=(0.0, 0.25, 1.0)),), "whichever row has it"
    assert (first.value_map.unit, first.value_map.edges) == ("1", (0.0, 0.25, 1.0))
    assert np.isfinite(first.value_map.values).all() and second.value_map is None
    question, answer = TASKS["value_map"].dialogue(first, np.random.default_rng(0)).turns[0]
    assert (question, answer) == ("Map the cover.", "cover: 0 to 0.25 <mask> 0.25 to 1 <mask>")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a.tif,naip,train,no.tif,,0;1;2\n", r"row 2, column 'value_map:canopy height\[m\]': .*no.tif: no such file"),
        ("a.tif,sentinel2_l2a,train,a_height.tif,,\n", r"row 2, column 'edges': the map a_height.tif needs edges such"),
        ("a.tif,sentinel2_l2a,train,a_height.tif,,0;5;low\n", r"row 2, column 'edges': expected 3 .*found '0;5;low'"),
        ("a.tif,sentinel2_l2a,train,a_height.tif,,0;9;5\n", r"row 2, column 'edges': expected 3 rising .*'0;9;5'"),
        ("a.tif,sentinel2_l2a,train,a_height.tif,,0;5;5\n", r"row 2, column 'edges': expected 3 rising .*'0;5;5'"),
        ("a.tif,sentinel2_l2a,train,a_height.tif,,0;40\n", r"row 2, column 'edges': expected 3 rising .*'0;40'"),
        ("a.tif,sentinel2_l2a,train,a_height.tif,,0;40;inf\n", r"row 2, column 'edges': expected 3 rising .*inf'"),
        ("a.tif,sentinel2_l2a,train,a_height.tif,,0;40;nan\n", r"row 2, column 'edges': expected 3 rising .*nan'"),
        (
            "a.tif,sentinel2_l2a,train,a_height.tif,a_mask.tif,0;5;10\n",
            r"row 2, column 'value_map:cover': expected one map .*'value_map:canopy height\[m\]'. Write a second row",
        ),
        (
            "a.tif,sentinel2_l2a,train,a_height.tif,,0;5;10\nb_may.tif,sentinel2_l2a,test,a_height.tif,,0;5;20\n",
            r"row 3, column 'edges': canopy height has '0;5;20' here and '0;5;10' in row 2. Give all rows",
        ),
        (
            "a.tif,sentinel2_l2a,train,small.tif,,0;5;10\n",
            r"row 2, column 'value_map:canopy height\[m\]': small.tif is 5 x 5 pixels, the image 24 x 20, .* Write",
        ),
        (
            "a.tif,sentinel2_l2a,train,b_may.tif,,0;5;10\n",
            r"row 2, column 'value_map:canopy height\[m\]': expected one band of numbers, found 12",
        ),
    ],
)
def test_mistakes_in_maps_are_named_by_row_and_column(rows: str, message: str, folder: Path) -> None:
    write_tif(folder / "small.tif", np.ones((5, 5, 1), np.float32), crs=None)
    (folder / "labels.csv").write_text(MAPS + rows)
    with pytest.raises(UserError, match=message) as caught:
        list(GeoTiffFolder(folder, "train"))
    assert "\n" not in str(caught.value) and "labels.csv" in str(caught.value)


def test_json_lines_say_the_same(folder: Path) -> None:
    row = {
        "images": ["a.tif"],
        "dates": ["2019-07-23"],
        "sensor": "sentinel2_l2a",
        "split": "train",
        "id": "mine",
        "tags": ["water", "trees"],
        "captions": ["one; half", "two"],
        "value:biomass[t/ha]": 41.5,
        "mask": "a_mask.tif",
        "legend": {"1": "water", "2": "trees"},
    }
    (folder / "rows.jsonl").write_text(json.dumps(row) + "\n\n")
    a, b = GeoTiffFolder(folder / "rows.jsonl", "train")[0], GeoTiffFolder(folder, "train")[0]
    assert a.id == "geotiff_folder/mine" and a.captions == ("one; half", "two")
    assert a.tags == b.tags and a.values == b.values[:1]
    np.testing.assert_array_equal(a.mask.class_index, b.mask.class_index)


def test_a_row_may_hold_several_sensors(folder: Path, rng: np.random.Generator) -> None:
    write_raster(folder / "radar.tif", rng.uniform(-25, -5, (2, 24, 20)).astype(np.float32))
    (folder / "two.csv").write_text(
        "image:sentinel2_l2a,date:sentinel2_l2a,image:sentinel1_rtc,date:sentinel1_rtc,scene\n"
        "a.tif,2019-07-23,radar.tif,2019-07-21,river\n"
    )
    record = GeoTiffFolder(folder / "two.csv", "all")[0]
    assert set(record.observations) == {"sentinel2_l2a", "sentinel1_rtc"}
    assert record.observations["sentinel1_rtc"].time_days[0] == days_since_2000("2019-07-21")


def test_all_holds_every_row_and_a_table_without_splits_only_that(folder: Path) -> None:
    assert len(GeoTiffFolder(folder, "all")) == 2
    (folder / "bare.csv").write_text("image,sensor,scene\na.tif,sentinel2_l2a,river\n")
    assert len(GeoTiffFolder(folder / "bare.csv", "all")) == 1
    with pytest.raises(UserError, match="Unknown split of .*bare.csv 'train'. Known: all."):
        GeoTiffFolder(folder / "bare.csv", "train")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("b.tif,sentinel2_l2a,2019-07-23,train,,,,,\n", r"row 2, column 'image': .*b.tif: no such file"),
        (
            "a.tif,sentinel2,2019-07-23,train,,,,,\n",
            r"row 2, column 'sensor': Unknown sensor 'sentinel2'. Did you mean",
        ),
        (
            "a.tif,sentinel2_l2a,23.07.2019,train,,,,,\n",
            r"row 2, column 'date': expected YYYY-MM-DD, found '23.07.2019'",
        ),
        ("a.tif,sentinel2_l2a,2019-07-23;2019-08-01,train,,,,,\n", r"row 2: 1 images in column 'image' but 2 dates"),
        (
            "a.tif,sentinel2_l2a,2019-07-23,train,many,,,,\n",
            r"row 2, column 'value:biomass\[t/ha\]': .*a number, found 'many'",
        ),
        ("a.tif,sentinel2_l2a,2019-07-23,train,,a_mask.tif,,,\n", r"row 2, column 'legend': the mask a_mask.tif needs"),
        (
            "a.tif,sentinel2_l2a,2019-07-23,train,,a_mask.tif,water,,\n",
            r"row 2, column 'legend': expected 1=water;2=trees",
        ),
        ("a.tif,sentinel2_l2a,2019-07-23,train,,no.tif,1=water,,\n", r"row 2, column 'mask': .*no.tif: no such file"),
        ("a.tif,sentinel2_l2a,2019-07-23,train,,,,Why?,\n", r"row 2, column 'answer': question and answer go together"),
        (",sentinel2_l2a,2019-07-23,train,,,,,\n", r"row 2, column 'image': expected the path of an image"),
        ("a.tif,sentinel2_l2a,2019-07-23,train,,,,,,x\n", r"row 2: 1 cells more than columns"),
        (
            "a.tif,sentinel2_l2a,2019-07-23,train,,,,,\na.tif,sentinel2_l2a,2019-07-23,test,,,,,\n",
            r"row 3, column 'split': a.tif is in 'test' here and in 'train' in row 2",
        ),
        ("a.tif,naip,2019-07-23,train,,,,,\n", r"row 2, column 'image': .*naip has 4 bands, the file has 12"),
        ("a.tif,sentinel2_l2a,2019-07-23,train,,small.tif,1=water,,\n", r"row 2, column 'mask': small.tif is 5 x 5"),
        ("", r"the table has no row"),
    ],
)
def test_mistakes_are_named_by_row_and_column(rows: str, message: str, folder: Path) -> None:
    write_tif(folder / "small.tif", np.ones((5, 5, 1), np.uint8), crs=None)
    (folder / "labels.csv").write_text(HEAD + rows)
    with pytest.raises(UserError, match=message) as caught:
        list(GeoTiffFolder(folder, "train"))
    assert "\n" not in str(caught.value) and "labels.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "imgae,scene\na.tif,river\n", "row 1: Unknown column 'imgae'. Did you mean 'image'"),
        ("t.csv", "image:sentinel3,scene\na.tif,river\n", "row 1, column 'image:sentinel3'.*Did you mean 'sentinel"),
        ("t.jsonl", '{"image": "a.tif"\n', "row 1: not JSON"),
        ("t.jsonl", '["a.tif"]\n', "row 1: expected an object"),
        ("t.jsonl", '{"image": "a.tif", "scene": {"a": 1}}\n', "row 1, column 'scene': expected text"),
        (
            "t.jsonl",
            '{"image": "a.tif", "value:x": "one"}\n',
            "row 1, column 'value:x': expected a number, found 'one'",
        ),
        (
            "t.csv",
            "image,value_mep:height[m]\na.tif,b.tif\n",
            "row 1: Unknown column 'value_mep.*Did you mean 'value_map:",
        ),
        ("t.csv", "image,edges\na.tif,0;1;2\n", "row 1, column 'edges': expected a column value_map:<name>"),
        ("t.jsonl", '{"image": "a.tif", "edges": [0, 1, 2]}\n', "row 1, column 'edges': expected a column value_map:"),
        (
            "t.jsonl",
            '{"image": "a.tif", "value_map:h": "a_height.tif", "edges": [0, true, 2]}\n',
            "row 1, column 'edges': expected 3 rising numbers or more such as 0;5;10;20;40, found '.0, True, 2.'",
        ),
        (
            "t.jsonl",
            '{"image": "a.tif", "value_map:Height[m]": "a_height.tif", "edges": [0, 1, 2]}\n'
            '{"image": "b_may.tif", "value_map:height[cm]": "a_height.tif", "edges": [0, 1, 2]}\n',
            r"row 2, column 'value_map:height\[cm\]': height has 'cm' here and 'm' in row 1. Give all rows",
        ),
        ("t.txt", "image\na.tif\n", "expected a table named .csv or .jsonl, found '.txt'"),
    ],
)
def test_a_table_that_cannot_be_read(name: str, text: str, message: str, folder: Path) -> None:
    (folder / name).write_text(text)
    with pytest.raises(UserError, match=message):
        GeoTiffFolder(folder / name, "all")


def test_a_table_in_another_encoding_says_so(folder: Path) -> None:
    (folder / "t.csv").write_bytes("image,scene\na.tif,Fl\xe4che\n".encode("latin-1"))
    with pytest.raises(UserError, match="not UTF-8 text"):
        GeoTiffFolder(folder / "t.csv", "all")


def test_a_sensor_of_ones_own_in_a_table(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rsfm.sensors.own.SENSORS", dict(SENSORS))
    bands = "".join(f"[[bands]]\nname = 'b{i}'\ncenter_nm = {450 + 50 * i}\nwidth_nm = 40\n" for i in range(3))
    (folder / "mine.toml").write_text(f"name = 'my_camera'\nscale = 1e-4\n{bands}")
    write_tif(folder / "mine.tif", np.full((5, 6, 3), 2000, np.uint16))
    (folder / "mine.csv").write_text("image,sensor,split,scene\nmine.tif,mine.toml,train,field\n")
    (record,) = GeoTiffFolder(folder / "mine.csv", "train")
    assert record.observations["my_camera"].values == pytest.approx(0.2)
    (folder / "mine.csv").write_text("image,sensor,split,scene\nmine.tif,other.toml,train,field\n")
    with pytest.raises(UserError, match="row 2, column 'sensor': .*other.toml: not a sensor that can be read"):
        GeoTiffFolder(folder / "mine.csv", "train")
