"""A series in one file: long or wide, in any format, with gaps, gives the same records in physical units."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsfm.data.datasets.series import Series, is_series
from rsfm.data.training.opening import is_data, open_records
from rsfm.errors import UserError
from rsfm.sensors.observe import days_since_2000
from rsfm.types import BAND_CODES

DATES = ("2021-05-03", "2021-06-12", "2021-07-20")
LONG = (
    "id,date,sentinel2_l2a:B04 [reflectance],sentinel2_l2a:B08 [1e-4],VV [linear],temperature [degC],severity [1],split\n"
    "a,2021-06-12,0.05,3100,0.1,14.5,0.4,train\n"
    "a,2021-05-03 10:30:00,0.04,,0.01,,,train\n"
    "b,2021-05-03,,2500,,20,,val\n"
    "a,2021-07-20,nan,NA,-9999,,,train\n"
)


def write(folder: Path, text: str, name: str = "series.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


def same(a: Any, b: Any) -> None:
    assert list(a.observations) == list(b.observations) and a.values == b.values and a.id == b.id
    for x, y in zip(a.observations.values(), b.observations.values(), strict=True):
        for name in ("values", "valid", "band_valid", "wavelength_um", "band_code", "time_days"):
            np.testing.assert_allclose(getattr(x, name), getattr(y, name), rtol=1e-6, err_msg=name)


def test_rows_become_series_in_physical_units_and_gaps_are_gaps(tmp_path: Path) -> None:
    records = Series(write(tmp_path, LONG), "train", target=("severity [1]",))
    (record,) = records
    (seen,) = record.observations.values()
    assert list(record.observations) == ["pixel_series"] and record.id == "series/a"
    assert seen.values.shape == (2, 1, 1, 4), "the row without any measurement is none"
    np.testing.assert_allclose(seen.values[0, 0, 0], [0.04, 0, -20, 0], atol=1e-5)
    np.testing.assert_allclose(seen.values[1, 0, 0], [0.05, 0.31, -10, 287.65], rtol=1e-5)
    np.testing.assert_array_equal(seen.band_valid, [[True, False, True, False], [True] * 4])
    np.testing.assert_allclose(seen.time_days, [days_since_2000("2021-05-03T10:30:00"), days_since_2000(DATES[1])])
    np.testing.assert_allclose(seen.wavelength_um[:2], [0.665, 0.833], atol=0.01)
    assert seen.band_code.tolist() == [0, 0, BAND_CODES["VV"], BAND_CODES["temperature"]]
    assert [(v.name, v.unit, v.value) for v in record.values] == [("severity", "1", 0.4)]
    assert records.info.tasks == ("regression",) and records.label_values(0) == record.values
    (other,) = Series(tmp_path / "series.csv", "val", target=("severity",))
    assert other.values == () and other.observations["pixel_series"].valid.tolist() == [[[True]], [[False]]]


def test_a_wide_table_says_the_same(tmp_path: Path) -> None:
    long = "id,date,B04 [reflectance],B8A,elevation [m],severity [%]\n"
    rows = [("a", "0.05", "0.3", "0.06", ""), ("b", "", "0.2", "", "0.25")]
    for place, *cells in rows:
        long += "".join(f"{place},{date},{cells[2 * i]},{cells[2 * i + 1]},310,7\n" for i, date in enumerate(DATES[:2]))
    wide = "id,B04_2021-05-03 [reflectance],2021-05-03_B8A,B04 20210612 [reflectance],B8A@2021-06-12,elevation [m],severity [%]\n"
    wide += "".join(f"{','.join(row)},310,7\n" for row in rows)
    a = Series(write(tmp_path, long, "long.csv"), "all", target=("severity [%]",))
    b = Series(write(tmp_path, wide, "wide.csv"), "all", target=("severity",))
    for one, other in zip(a, b, strict=True):
        same(one, other)


def test_every_format_says_the_same(tmp_path: Path) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    h5py, zarr = pytest.importorskip("h5py"), pytest.importorskip("zarr")
    import scipy.io

    rng = np.random.default_rng(0)
    red, vv = rng.uniform(0, 0.5, (2, 3)), rng.uniform(-20, -5, (2, 3))
    red[0, 1] = np.nan
    days, biomass = np.array([7428.0, 7468.0, 7506.5]), np.array([3.5, 9.0])
    stamps = [np.datetime64("2000-01-01") + np.timedelta64(round(day * 86400), "s") for day in days]
    text = "id,date,red [reflectance],VV [dB],biomass [t/ha]\n"
    for i in range(2):
        text += "".join(f"{i + 1},{stamps[t]},{red[i, t]},{vv[i, t]},{biomass[i]}\n" for t in range(3))
    write(tmp_path, text)
    parquet.write_table(
        pa.table(
            {
                "id": np.repeat([1, 2], 3),
                "date": pa.array(np.array(stamps * 2, "datetime64[ns]")),
                "red [reflectance]": red.ravel(),
                "VV [dB]": vv.ravel(),
                "biomass [t/ha]": np.repeat(biomass, 3),
            }
        ),
        tmp_path / "series.parquet",
    )
    arrays = {
        "time": (("time",), days, "days since 2000-01-01"),
        "site": (("site",), np.array([1, 2]), ""),
        "red": (("site", "time"), red, "1"),
        "VV": (("time", "site"), vv.T, "dB"),
        "biomass": (("site",), biomass, "t/ha"),
    }
    with scipy.io.netcdf_file(tmp_path / "classic.nc", "w") as file:
        file.createDimension("time", 3)
        file.createDimension("site", 2)
        for name, (dims, values, unit) in arrays.items():
            variable = file.createVariable(
                name, values.dtype.newbyteorder("=").str[1:] if values.dtype.kind == "f" else "i4", dims
            )
            variable[:] = values
            if unit:
                variable.units = unit
    with h5py.File(tmp_path / "four.nc", "w") as file:
        for name, (dims, values, unit) in arrays.items():
            file[name] = values
            if unit:
                file[name].attrs["units"] = unit
            if dims == (name,):
                file[name].make_scale(name)
        for name, (dims, _, _) in arrays.items():
            for i, dim in enumerate(dims):
                if name != dim:
                    file[name].dims[i].attach_scale(file[dim])
    group = zarr.open_group(tmp_path / "series.zarr", mode="w", zarr_format=2)
    for name, (dims, values, unit) in arrays.items():
        group.create_array(name, data=values)
        group[name].attrs.update({"_ARRAY_DIMENSIONS": list(dims)} | ({"units": unit} if unit else {}))
    expected = Series(tmp_path / "series.csv", "all", target=("biomass [t/ha]",))
    for name in ("series.parquet", "classic.nc", "four.nc", "series.zarr"):
        for one, other in zip(Series(tmp_path / name, "all", target=("biomass [t/ha]",)), expected, strict=True):
            same(one, other)


def test_the_order_of_the_rows_does_not_matter(tmp_path: Path) -> None:
    head, *rows = LONG.strip().split("\n")
    a = Series(write(tmp_path, LONG), "train", target=("severity",))[0]
    same(a, Series(write(tmp_path, "\n".join([head, *rows[::-1]]), "other.csv"), "train", target=("severity",))[0])


def test_two_streams_of_one_sensor_stay_apart(tmp_path: Path) -> None:
    text = "id,date,sentinel1_rtc/ascending:VV,sentinel1_rtc/descending:VV\na,2021-05-03,-10,-14\n"
    (seen,) = Series(write(tmp_path, text), "all")[0].observations.values()
    assert seen.values[0, 0, 0].tolist() == [-10, -14] and len(set(seen.band_code.tolist())) == 1


def test_a_band_of_one_sensor_alone_tells_it(tmp_path: Path) -> None:
    for names, sensor in (
        ("B02,B8A,B11", "sentinel2_l2a"),
        ("B2,B3,B4,B8,B12", "sentinel2_l2a"),
        ("B2,B6,B7,B1", "landsat8_oli"),
    ):
        count = names.count(",") + 1
        text = f"id,date,{names}\na,2021-05-03,{','.join(['0.1'] * count)}\n"
        assert list(Series(write(tmp_path, text), "all")[0].observations) == [sensor]


def test_words_are_classes(tmp_path: Path) -> None:
    text = "id,date,ndvi,crop\n1,2021-05-03,0.3,wheat\n1.0,2021-06-03,0.5,\n2,2021-05-03,0.1,None\n"
    records = Series(write(tmp_path, text), "all", target=("crop",))
    assert [r.scene for r in records] == ["wheat", None] and records.info.tasks == ("scene",)


def test_places_are_parted_by_a_hash_and_groups_stay_together(tmp_path: Path) -> None:
    text = "id,group,date,ndvi\n" + "".join(f"{i},g{i // 4},2021-05-03,0.5\n" for i in range(80))
    splits = {name: Series(write(tmp_path, text), name) for name in ("train", "val", "test")}
    assert [len(split) for split in splits.values()] == [56, 12, 12]
    groups = [{split.group(i) for i in range(len(split))} for split in splits.values()]
    assert not (groups[0] & groups[1] or groups[0] & groups[2] or groups[1] & groups[2])


def test_what_no_instrument_measures_is_no_data_and_what_is_not_read_is_noted(tmp_path: Path) -> None:
    text = "id,date,ndvi,operator\n" + "".join(f"a,2021-05-{d + 1:02d},{0.5 if d else 8},Ada\n" for d in range(30))
    records = Series(write(tmp_path, text), "all")
    assert records[0].observations["pixel_series"].valid.sum() == 29
    assert records.notes == ("columns not read: operator",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("date,red\n2021-05-03,0.1\n", "expected a column 'id' that names the place"),
        ("id,red\na,0.1\n", "expected a column 'date', or dates in the columns' names"),
        ("id,date,crop\na,2021-05-03,wheat\n", "expected columns such as 'sentinel2_l2a:B04'"),
        ("id,date,red\na,03.05.2021,0.1\n", "column 'date', entry 1: expected YYYY-MM-DD, found '03.05.2021'"),
        ("id,date,red\n,2021-05-03,0.1\n", "entry 1: the id is missing"),
        ("id,date,red\na,2021-05-03,bright\n", "column 'red', entry 1: expected a number, found 'bright'"),
        (
            "id,date,red\na,2021-05-03,1342\n",
            r"column 'red': expected reflectance between .*, found 1342 to 1342.*'red \[unit\]'",
        ),
        ("id,date,VV\n" + "a,2021-05-03,0.1\n" * 5, r"column 'VV': expected dB .*one of dB, .*linear"),
        ("id,date,temperature\na,2021-05-03,14\n", r"column 'temperature': expected K .*degC"),
        ("id,date,red [furlong]\na,2021-05-03,1\n", r"Unknown unit of .*'red \[furlong\]':? 'furlong'"),
        ("id,date,sentinel2_l2a:B99\na,2021-05-03,1\n", "sentinel2_l2a has no band 'B99'. Its bands: B01"),
        ("id,date,sentinel3:B01\na,2021-05-03,1\n", "Did you mean 'sentinel"),
        ("id,date,B2,B3\na,2021-05-03,0.1,0.1\n", "the bands B2, B3 may be of .*Name each band's sensor"),
        ("id,date,B8A,B05,swir6\na,2021-05-03,0.1,0.1,0.1\n", "the bands .* are of no one sensor"),
        ("id,date,VV,sentinel1_rtc:VV,sentinel1_rtc:vv\na,2021-05-03,-9,-9,-9\n", "are the same band. Tell two"),
        ("id,date,red,split\na,2021-05-03,.1,train\na,2021-06-03,.1,test\n", "the place 'a' has train and test"),
        (
            "id,date,red,value:x[m]\na,2021-05-03,.1,1\na,2021-06-03,.1,2\n",
            "the place 'a' has 1 and 2. A place has one",
        ),
        ("id,date,red,lat,lon\na,2021-05-03,.1,5200000,1\n", "latitude and longitude are expected in degrees"),
    ],
)
def test_mistakes_are_told_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message) as caught:
        Series(write(tmp_path, text), "all")
    assert "\n" not in str(caught.value) and "series.csv" in str(caught.value)


def test_a_target_that_is_not_there(tmp_path: Path) -> None:
    path = write(tmp_path, LONG)
    with pytest.raises(UserError, match=r"Unknown target 'severty'. Did you mean 'severity \[1\]'"):
        Series(path, "train", target=("severty",))
    with pytest.raises(UserError, match="Unknown target"):
        Series(path, "train", target=("severity [%]",))


def test_a_path_is_opened_as_what_it_is(tmp_path: Path) -> None:
    path = write(tmp_path, LONG)
    images = write(tmp_path, "image,scene\na.tif,river\n", "images.csv")
    lines = write(tmp_path, json.dumps({"image": "a.tif"}), "images.jsonl")
    assert is_series(path) and not is_series(images) and is_data(images) and is_data(lines) and is_data(tmp_path)
    assert not is_data(tmp_path / "no.csv") and not is_data(write(tmp_path, "", "a.txt"))
    assert isinstance(open_records(str(tmp_path), "train"), Series)
    with pytest.raises(UserError, match="--target names columns of a series"):
        open_records(str(images), "all", target=("scene",))
    with pytest.raises(UserError, match="Unknown dataset 'serie'. Did you mean 'series'"):
        open_records("serie", "train")


@pytest.mark.parametrize("codec", [{"filters": [{"id": "pickle"}]}, {"compressor": {"id": "pickle", "protocol": 5}}])
def test_a_zarr_folder_that_would_run_code_is_refused(codec: dict[str, Any], tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(tmp_path / "series.zarr", mode="w", zarr_format=2)
    group.create_array("red", data=np.zeros(3))
    metadata = tmp_path / "series.zarr" / "red" / ".zarray"
    metadata.write_text(json.dumps(json.loads(metadata.read_text()) | codec))
    with pytest.raises(UserError, match="names the codec 'pickle'"):
        Series(tmp_path / "series.zarr", "all")


def test_a_link_in_a_zarr_folder_is_not_followed(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    zarr.open_group(tmp_path / "series.zarr", mode="w", zarr_format=2).create_array("red", data=np.zeros(3))
    (tmp_path / "series.zarr" / "other").symlink_to("/etc")
    with pytest.raises(UserError, match="a link, which is never followed"):
        Series(tmp_path / "series.zarr", "all")


@pytest.mark.parametrize("name", ["series.nc", "series.parquet", "series.zarr"])
def test_a_damaged_file_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"CDF\x01" + bytes(40) if name.endswith("nc") else b"PAR1" + bytes(40))
    with pytest.raises(UserError, match=name) as caught:
        Series(tmp_path / name, "all")
    assert "\n" not in str(caught.value)
