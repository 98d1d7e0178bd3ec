"""Every dataset, on small files in its published layout and on the data folder where it is there."""

import inspect
import io
import tarfile
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

import jax
import numpy as np
import pytest

from rsfm.data.datasets import DATASETS, Dataset, EmptySplit
from rsfm.data.datasets.bigearthnet import BigEarthNet, extract
from rsfm.data.datasets.corine import FROM_43, NAMES_19, to_19_classes
from rsfm.data.datasets.indian_pines import disjoint30
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import days_since_2000
from rsfm.tasks import TASKS
from rsfm.types import BAND_CODES, Record
from tests.data.layouts import LAYOUTS, write_layout, write_patch

RANGES = {
    "reflectance": (-0.2, 2.0),  # atmospheric correction takes too much off: LaSRC counts -0.2 to 1.6 as valid
    "display": (0.0, 1.0),
    "dB": (-60.0, 35.0),
    "K": (180.0, 340.0),
    "m": (-500.0, 9000.0),
    "degree": (0.0, 90.0),
    "radiance": (-1.0, 100.0),
    "1": (-1.0, 100.0),
}
PUBLISHED = {  # records a split in the data folder
    "aid_rsicd": {"train": 7946, "val": 1027},
    "terramesh": {"train": 2, "test": 1, "l1c_train": 2, "rgb_out38D_train": 2, "ndvi_out38D_test": 1},
    "hls_worldcover306": {
        "train": 192,
        "val": 23,
        "test": 15,
        "flood_fold0_test": 108,
        "series_train": 37,
        "series_val": 1,
    },
    "satclip_s2_global": {"train": 10, "val": 4, "test": 4},
    "bigearthnet": {"train": 3, "test": 1, "all": 4},
    "indian_pines": {"train": 1, "val": 1, "test": 1, "trainval": 1},
    "eolearn": {"train": 1, "test": 1},
    "fuel_moisture": {"trainval": 1578, "test": 735},
    "cawa": {"train": 7232, "val": 189, "test": 1014, "trainval": 7421},
    "levir_cd": {"train": 3, "test": 3},
    "dota": {"train": 15, "test": 10},
    "deepforest": {"train": 49, "test": 9},
    "gedi_chip": {"train": 1, "val": 1, "test": 1},
    "landsat_change": {"train": 1, "test": 1},
    "heterogeneous_change": {"train": 3, "val": 1, "test": 1},
    "fractional_cover_australia": {"train": 1791, "val": 794, "test": 402},
    "deafrica_cropland": {"train": 13839, "val": 3447, "test": 4444, "out_sahel_test": 6153},
    "brazil_time_series": {"train": 237, "cbers_val": 185, "modis_test": 51},
    "worldcereal_pixels500": {"train": 135, "val": 95, "test": 128},
    "karly_soil_moisture": {"train": 361, "val": 48, "test": 150},
}
APART = [("train", "val"), ("train", "test"), ("val", "test"), ("trainval", "test")]


def check_record(record: Record, dataset: Dataset) -> None:
    sensors = dataset.info.sensors or tuple(SENSORS)
    assert record.observations and set(record.observations) <= set(sensors)
    for name, seen in record.observations.items():
        t, h, w, c = seen.values.shape
        assert seen.values.dtype == np.float32 and (np.isfinite(seen.values) | ~seen.cells).all()
        assert seen.valid.shape == (t, h, w) and seen.valid.dtype == bool and seen.valid.any()
        assert seen.time_days.shape == (t,) and float(seen.gsd_m) > 0
        table = {(np.float32(band.center_um), BAND_CODES[band.code]): band for band in SENSORS[name].bands}
        assert c <= len(table) and seen.wavelength_um.shape == seen.band_code.shape == (c,)
        for k, key in enumerate(zip(seen.wavelength_um, seen.band_code, strict=True)):
            band = table[key]
            low, high = (-1.0, 1.0) if band.code == "ndvi" else RANGES[band.unit]
            values = seen.values[..., k][np.asarray(seen.cells)[..., k]]
            assert not values.size or low <= values.min() and values.max() <= high, (
                record.id,
                name,
                band.name,
                values.min(),
                values.max(),
            )
    first = next(iter(record.observations.values())).values
    if record.mask is not None:
        assert record.mask.class_index.shape == first.shape[1:3]
        assert -1 <= record.mask.class_index.min() and record.mask.class_index.max() < len(record.mask.legend)
    if record.boxes is not None:
        assert len(record.boxes.labels) == len(record.boxes.corners)
        centre = record.boxes.corners.mean(1)
        assert (centre >= 0).all() and (centre < [first.shape[2], first.shape[1]]).all()
    if record.grid is not None:
        assert (record.grid.height, record.grid.width) == first.shape[1:3]
    if record.location_deg is not None:
        assert -180 <= record.location_deg[0] <= 180 and -90 <= record.location_deg[1] <= 90
    if record.value_map is not None:
        assert record.value_map.values.shape == first.shape[1:3] and np.isfinite(record.value_map.values).any()
    labels = (record.scene, record.mask, record.boxes, record.value_map)
    assert record.tags or record.captions or record.values or record.turns or any(label is not None for label in labels)


def open_splits(name: str, root: Path) -> dict[str, Dataset]:
    opened = {}
    for split in DATASETS[name].info.splits:
        try:
            opened[split] = DATASETS[name](root, split)
        except EmptySplit:
            assert name == "geotiff_folder" or (name == "bigearthnet" and split == "val")
        except UserError as error:
            assert name == "geotiff_folder" and "Unknown split" in str(error)
    return opened


def same(a: Record, b: Record) -> bool:
    maps = [(r.mask and r.mask.class_index, r.value_map and r.value_map.values) for r in (a, b)]
    leaves = [jax.tree.leaves((r.observations, each)) for r, each in zip((a, b), maps, strict=True)]
    equal = all(np.array_equal(x, y, equal_nan=True) for x, y in zip(*leaves, strict=True))
    words = [(r.id, r.scene, r.tags, r.captions, r.values, r.turns, r.grid, r.location_deg) for r in (a, b)]
    return equal and words[0] == words[1]


@pytest.fixture(params=sorted(DATASETS))
def tiny(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """A dataset's name and a data folder that holds a small one of its layout."""
    return request.param, write_layout(request.param, tmp_path / "data")


def test_every_dataset_has_a_layout_and_whole_info() -> None:
    assert set(LAYOUTS) == set(DATASETS)
    for name, dataset in DATASETS.items():
        info = dataset.info
        assert info.name == name and set(info.sensors) <= set(SENSORS) and set(info.tasks) <= set(TASKS)
        for text in (
            info.title,
            info.url,
            info.licence,
            info.citation,
            info.layout,
            info.folder,
            *info.splits.values(),
        ):
            assert text.strip()
        assert inspect.getdoc(dataset) and len(inspect.getdoc(dataset)) > 200


def test_records_are_whole_and_the_same_each_time(tiny: tuple[str, Path]) -> None:
    name, root = tiny
    opened = open_splits(name, root)
    assert set(opened) == set(DATASETS[name].info.splits) - ({"val"} if name == "geotiff_folder" else set())
    for split, dataset in opened.items():
        again = DATASETS[name](root, split)
        assert len(dataset) == len(again) > 0
        records = list(dataset)
        assert len(records) == len(dataset) and len({record.id for record in records}) == len(records)
        for i, record in enumerate(records):
            check_record(record, dataset)
            assert same(record, again[i])
        assert same(records[-1], dataset[-1])
        with pytest.raises(IndexError, match=str(len(dataset))):
            dataset[len(dataset)]


def pairs_apart(splits: Iterable[str]) -> list[tuple[str, str]]:
    """Splits that must share nothing: train, val and test of each kind, as in "series_train" and "series_test"."""
    known = set(splits)
    kinds = sorted(
        {split.removesuffix(end) for split in known for pair in APART for end in pair if split.endswith(end)}
    )
    pairs = [(kind + a, kind + b) for kind in kinds for a, b in APART]
    return [(a, b) for a, b in pairs if a in known and b in known]


def check_apart(opened: dict[str, Dataset]) -> None:
    for a, b in pairs_apart(opened):
        groups = [{opened[split].group(i) for i in range(len(opened[split]))} for split in (a, b)]
        assert not groups[0] & groups[1], (a, b)
        ids = [{opened[split][i].id for i in (0, len(opened[split]) - 1)} for split in (a, b)]
        assert not ids[0] & ids[1]


def test_splits_share_no_site(tiny: tuple[str, Path]) -> None:
    check_apart(open_splits(*tiny))


def test_the_datasets_own_folder_serves_as_root(tiny: tuple[str, Path]) -> None:
    name, root = tiny
    info = DATASETS[name].info
    split = next(iter(info.splits))
    assert same(DATASETS[name](root / info.folder, split)[0], DATASETS[name](root, split)[0])


def test_unknown_split_says_what_was_meant(tiny: tuple[str, Path]) -> None:
    name, root = tiny
    with pytest.raises(UserError, match="Did you mean 'train'.*Known: "):
        DATASETS[name](root, "trian")


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_a_missing_folder_says_where_to_get_it(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        DATASETS[name](tmp_path, "train")
    message, info = str(caught.value), DATASETS[name].info
    assert info.url in message and info.layout in message and "RSFM_DATA" in message and "\n" not in message


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_data(name: str, published_data: Path) -> None:
    if not (published_data / DATASETS[name].info.folder).is_dir():
        pytest.skip(f"no {DATASETS[name].info.folder} in the data folder")
    opened = open_splits(name, published_data)
    assert {split: len(opened[split]) for split in PUBLISHED[name]} == PUBLISHED[name]
    for dataset in opened.values():
        for i in {0, len(dataset) // 2, len(dataset) - 1}:
            check_record(dataset[i], dataset)
    check_apart(opened)


# --- what only one dataset has


def test_aid_class_names_are_words(tmp_path: Path) -> None:
    dataset = DATASETS["aid_rsicd"](write_layout("aid_rsicd", tmp_path), "train")
    assert [record.scene for record in dataset] == ["airport", "bare land"]
    assert len(dataset[0].captions) == 5 and dataset[0].observations["aerial_rgb"].values.shape == (1, 30, 30, 3)


def test_terramesh_counts_nodata_as_invalid(tmp_path: Path) -> None:
    record = DATASETS["terramesh"](write_layout("terramesh", tmp_path), "test")[0]
    assert not record.observations["sentinel2_l2a"].valid[0, 0, 0]
    assert record.observations["sentinel1_rtc"].valid.all()
    assert record.observations["sentinel2_l2a"].time_days[0] == pytest.approx(days_since_2000("2021-07-23T13:22:41"))


def test_terramesh_reflectance_gives_the_published_ndvi(published_data: Path) -> None:
    import rasterio

    record = DATASETS["terramesh"](published_data, "test")[0]
    optical = record.observations["sentinel2_l2a"].values[0]
    with rasterio.open(published_data / "terramesh5/examples/NDVI/637U_59R_1_3.tif") as file:
        ndvi = file.read(1)
    assert np.abs((optical[..., 7] - optical[..., 3]) / (optical[..., 7] + optical[..., 3]) - ndvi).max() < 1e-3


def test_indian_pines_hides_the_other_splits_and_keeps_blocks_whole(tmp_path: Path) -> None:
    root = write_layout("indian_pines", tmp_path)
    labelled = {
        s: DATASETS["indian_pines"](root, s)[0].mask.class_index >= 0 for s in ("train", "val", "test", "trainval")
    }
    for a, b in combinations(("train", "val", "test"), 2):
        assert not (labelled[a] & labelled[b]).any()
    assert ((labelled["train"] | labelled["val"]) == labelled["trainval"]).all()
    blocks = {s: {(r // 24, c // 24) for r, c in np.argwhere(labelled[s])} for s in ("train", "val", "test")}
    assert sum(map(len, blocks.values())) == len(set().union(*blocks.values())) == 16


def test_indian_pines_is_the_published_protocol(published_data: Path) -> None:
    truth = np.load(published_data / "indian_pines/Indian_pines_gt.npy").astype(np.int64)
    where, label = np.argwhere(truth > 0), truth[truth > 0]
    for seed in range(3):
        block = (where // 24) @ np.array([100, 1])
        ids = np.unique(block)
        np.random.default_rng(seed).shuffle(ids)
        share = np.cumsum([(block == b).sum() for b in ids])
        taken = ids[: int((share <= 0.3 * len(label)).sum()) + 1]
        assert (disjoint30(truth, seed)["trainval"][truth > 0] == np.isin(block, taken)).all()
    sizes = {name: int(chosen.sum()) for name, chosen in disjoint30(truth, 0).items()}
    assert sizes == {"train": 2388, "val": 740, "test": 7121, "trainval": 3128}


def test_eolearn_scenes_lie_on_the_patch(published_data: Path) -> None:
    dataset = DATASETS["eolearn"](published_data, "train")
    seen = dataset[0].observations["sentinel2_l1c"]
    scenes = np.load(published_data / "eolearn/example_data/REFERENCE_SCENES.npy")
    ndvi = (scenes[..., 7] - scenes[..., 3]) / (scenes[..., 7] + scenes[..., 3])
    for scene, date in zip(ndvi, (2, 1, 4, 3, 0), strict=True):
        np.testing.assert_array_equal(scene, dataset.ndvi[date])
    assert (np.diff(seen.time_days) > 0).all() and seen.valid.mean() == pytest.approx(0.6)


def test_fuel_moisture_dates_come_from_the_labels_or_else_from_the_months(tmp_path: Path) -> None:
    root = write_layout("fuel_moisture", tmp_path)
    end = days_since_2000("2018-06-30")
    dated = DATASETS["fuel_moisture"](root, "train")[0].observations["fuel_moisture_table"]
    np.testing.assert_allclose(dated.time_days, end - np.array([75, 45, 15]))
    (root / "presto/data/fuel_moisture/single_file_labels.geojson").unlink()
    assumed = DATASETS["fuel_moisture"](root, "train")[0].observations["fuel_moisture_table"]
    np.testing.assert_allclose(assumed.time_days, days_since_2000("2017-04-01") + 30.4 * np.array([0.5, 1.5, 2.5]))
    assert (dated.values[..., 2:13] < 1).all() and (dated.values[..., 13] > 200).all()


def test_fuel_moisture_split_is_the_published_one(published_data: Path) -> None:
    is_test = np.load(published_data / "presto/data/fuel_moisture/npy/is_test.npy").astype(bool)
    rows = {s: set(DATASETS["fuel_moisture"](published_data, s).rows) for s in ("train", "val", "test", "trainval")}
    assert rows["test"] == set(np.flatnonzero(is_test)) and rows["train"] | rows["val"] == rows["trainval"]
    assert rows["trainval"] == set(np.flatnonzero(~is_test))
    sites = {
        s: len({d.group(i) for i in range(len(d))})
        for s in rows
        for d in [DATASETS["fuel_moisture"](published_data, s)]
    }
    assert sites == {"train": 80, "val": 20, "test": 50, "trainval": 100}


def test_cawa_marks_missing_steps_and_rare_crops(tmp_path: Path) -> None:
    dataset = DATASETS["cawa"](write_layout("cawa", tmp_path), "test")
    seen = dataset[0].observations["ndvi_series"]
    assert not seen.valid[0] and seen.valid[1:].all()
    assert seen.time_days[1] - days_since_2000("2016-01-01") == 16
    assert [record.scene for record in dataset] == ["cotton", "other crop"]


def test_cawa_random_splits_share_no_field_and_follow_the_seed(tmp_path: Path) -> None:
    root = write_layout("cawa", tmp_path)
    parts = [DATASETS["cawa"](root, f"random_{part}") for part in ("train", "val", "test")]
    assert sorted(i for part in parts for i in part.numbers) == list(range(10)) and [len(part) for part in parts] == [
        6,
        2,
        2,
    ]
    other = type(parts[0])(root, "random_test", seed=1)
    assert other.numbers != parts[2].numbers
    table = root / "cawa" / "cawa_joined_labels_ndvi.csv"
    header, *lines = table.read_text().splitlines()
    table.write_text("\n".join([header, *(line for line in lines for _ in range(2))]) + "\n")  # every series twice
    seen = [set(DATASETS["cawa"](root, f"random_{part}").series) for part in ("train", "val", "test")]
    assert not seen[0] & seen[1] and not seen[0] & seen[2] and sum(map(len, seen)) == 10


def test_eolearn_forecasts_see_the_past_only(tmp_path: Path) -> None:
    root = write_layout("eolearn", tmp_path)
    june = days_since_2000("2017-06-01")
    for split in ("forecast_train", "forecast_test"):
        for record in DATASETS["eolearn"](root, split):
            seen = record.observations["ndvi_series"]
            assert seen.valid[-1] and seen.valid.sum() >= 2 and 1 <= len(record.values) <= 5
            for value in record.values:
                day = days_since_2000(value.name.removeprefix("NDVI on "))
                assert day > seen.time_days[-1] - 1 and (day < june) == (split == "forecast_train")
            assert TASKS["forecasting"].dialogue(record, np.random.default_rng(0)) is not None


def test_crowns_belong_to_the_crop_with_their_centre(published_data: Path) -> None:
    for split, number in (("train", 61), ("test", 37)):
        dataset = DATASETS["deepforest"](published_data, split)
        assert len(dataset.corners) == number
        found = set()
        for record, (row, column) in zip(dataset, dataset.starts, strict=True):
            assert record.values[0].value == len(record.boxes.labels)
            found |= {tuple(corner) for corner in (record.boxes.corners + [column, row])[:, 0]}
        assert len(found) == number  # each crown is in some crop


def test_dota_boxes_are_each_in_one_tile(tmp_path: Path) -> None:
    root = write_layout("dota", tmp_path)
    records = [record for split in ("train", "test") for record in DATASETS["dota"](root, split)]
    assert sum(len(record.boxes.labels) for record in records) == 4
    counts = {
        value.name: sum(v.value for r in records for v in r.values if v.name == value.name)
        for value in records[0].values
    }
    assert counts == {"ships": 3, "harbors": 1}
    assert all(record.observations["aerial_rgb"].gsd_m == 0.25 for record in records)


def test_levir_pairs_stay_in_order(tmp_path: Path) -> None:
    record = DATASETS["levir_cd"](write_layout("levir_cd", tmp_path), "train")[0]
    seen = record.observations["aerial_rgb"]
    assert seen.values.shape == (2, 32, 32, 3) and np.isnan(seen.time_days).all()
    assert record.mask.legend == ("no change", "building change")


# --- BigEarthNet's names and archives


def test_bigearthnet_joins_resolutions_and_radar(tmp_path: Path) -> None:
    root = write_layout("bigearthnet", tmp_path)
    record = BigEarthNet(root, "test")[0]
    assert record.observations["sentinel2_l2a"].values.shape == (1, 120, 120, 12)
    assert record.observations["sentinel1_grd"].values.shape == (1, 120, 120, 2)
    assert record.tags == ("Arable land", "Inland wetlands")
    assert BigEarthNet(root, "test", classes=43)[0].tags == ("Non-irrigated arable land", "Peatbogs", "Airports")
    with pytest.raises(UserError, match="19 or 43, found 20"):
        BigEarthNet(root, "test", classes=20)


def test_corine_names() -> None:
    assert (len(FROM_43), len(NAMES_19)) == (43, 19)
    assert to_19_classes(("Airports", "Olive groves", "Vineyards", "Arable land")) == ("Permanent crops", "Arable land")


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:bz2") as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def test_extract_unpacks_patches(tmp_path: Path, rng: np.random.Generator) -> None:
    patch = tmp_path / "BigEarthNet-S2-Example" / "S2A_MSIL2A_20170613T101031_87_48"
    write_patch(patch, rng)
    with tarfile.open(tmp_path / "example.tar.bz2", "w:bz2") as tar:
        tar.add(patch.parent, patch.parent.name)
    for _ in range(2):  # a second time replaces the first
        folder = extract(tmp_path / "example.tar.bz2", tmp_path / "out")
    assert folder == tmp_path / "out" / "BigEarthNet-S2-Example"
    record = BigEarthNet(tmp_path / "out", "test")[
        0
    ]  # the published split of the example patches is known without lists
    assert record.id.endswith("87_48") and set(record.observations) == {"sentinel2_l2a"}
    with pytest.raises(EmptySplit, match="'val'.*holds nothing"):
        BigEarthNet(tmp_path / "out", "val")


@pytest.mark.parametrize("name", ["../outside.txt", "/absolute.txt", "top/../../outside.txt"])
def test_extract_refuses_paths_that_lead_out(name: str, tmp_path: Path) -> None:
    bad = archive(tmp_path / "bad.tar.bz2", (tarfile.TarInfo("top/fine.txt"), b"1"), (tarfile.TarInfo(name), b"2"))
    with pytest.raises(UserError, match="refused"):
        extract(bad, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir()) and not (tmp_path / "outside.txt").exists()


def test_extract_refuses_links_and_broken_archives(tmp_path: Path) -> None:
    link = tarfile.TarInfo("top/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    with pytest.raises(UserError, match="top/link.*refused"):
        extract(archive(tmp_path / "link.tar.bz2", (link, b"")), tmp_path / "out")
    (tmp_path / "cut.tar.bz2").write_bytes(b"BZh91AY")
    with pytest.raises(UserError, match="cannot unpack"):
        extract(tmp_path / "cut.tar.bz2", tmp_path / "out")
    with pytest.raises(UserError, match="found nothing"):
        extract(tmp_path / "none.tar.bz2", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


# --- damaged files


@pytest.mark.parametrize(
    ("name", "file", "content", "message"),
    [
        ("aid_rsicd", "captions.jsonl", b"{not json\n", "line 1 is not a JSON object"),
        ("aid_rsicd", "captions.jsonl", b'{"image": "a.jpg", "split": "train"}\n', "line 1 lacks captions, scene"),
        ("aid_rsicd", "images/Airport/airport_0.jpg", b"\xff\xd8cut", "airport_0.jpg"),
        ("terramesh", "S2L2A/637U_59R_1_3.tif", b"II*\x00cut", "637U_59R_1_3.tif"),
        ("indian_pines", "Indian_pines_gt.npy", b"\x93NUMPYcut", "Indian_pines_gt.npy"),
        ("dota", "labelTxt/P0001.txt", b"1 2 3 ship 0\n", "line 1: expected eight numbers"),
        ("cawa", "cawa_joined_labels_ndvi.csv", b"region,year\n", "lacks the columns"),
    ],
)
def test_a_damaged_file_is_named(name: str, file: str, content: bytes, message: str, tmp_path: Path) -> None:
    root = write_layout(name, tmp_path)
    (root / DATASETS[name].info.folder / file).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        for split in DATASETS[name].info.splits:
            list(DATASETS[name](root, split))
    assert "\n" not in str(caught.value)


def test_pickles_are_refused(tmp_path: Path) -> None:
    root = write_layout("indian_pines", tmp_path)
    np.save(root / "indian_pines/Indian_pines_gt.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="Indian_pines_gt.npy"):
        DATASETS["indian_pines"](root, "train")
