"""Data sets of many places: labels of the date, offsets judged by the numbers, places that share ground."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

from rsfm.data.datasets import DATASETS
from rsfm.data.datasets.hls_worldcover import (
    CLOUD,
    FOLDS,
    LEGEND,
    SNOW,
    TEST,
    VAL,
    WATER,
    WATER_SEEN,
    cover_at_date,
    ground,
    in_part,
)
from rsfm.data.datasets.satclip import added_offset
from rsfm.data.datasets.splits import crossed, parted
from rsfm.errors import UserError
from tests.data.layouts import write_layout


def test_split_names_are_read_back() -> None:
    kinds, parts = {"": "cover", "flood_": "water"}, {"train": "half", "fold0_train": "most"}
    for split in crossed(kinds, parts):
        kind, part = parted(split, kinds)
        assert kind + part == split and kind in kinds and part in parts
    assert parted("flood_fold0_train", kinds) == ("flood_", "fold0_train")


@pytest.mark.parametrize(
    ("cover", "fmask", "drawn", "expected"),
    [
        (3, 0, False, 3),  # a dry field
        (3, WATER_SEEN, True, WATER),  # a flooded one, seen by both
        (3, WATER_SEEN, False, -1),  # by one of them
        (3, 0, True, -1),
        (WATER, 0, False, -1),  # a lake that was dry that day, or a map error
        (WATER, WATER_SEEN, False, WATER),
        (WATER, 0, True, WATER),
        (3, SNOW, False, -1),
        (3, CLOUD, False, -1),
        (WATER, CLOUD | WATER_SEEN, True, -1),
        (-1, 0, False, -1),
    ],
)
def test_land_cover_is_that_of_the_date(cover: int, fmask: int, drawn: bool, expected: int) -> None:
    assert cover_at_date(np.array([[cover]]), np.array([[fmask]]), np.array([[drawn]])) == expected


def test_hls_kinds_of_label_and_clouds(tmp_path: Path) -> None:
    root = write_layout("hls_worldcover306", tmp_path)
    dated, mapped, flood = (
        DATASETS["hls_worldcover306"](root, f"{kind}train")[0] for kind in ("", "worldcover_", "flood_")
    )
    assert (mapped.mask.class_index >= 0).all() and mapped.mask.legend == LEGEND
    assert (dated.mask.class_index[8:12] == WATER).all() and not (dated.mask.class_index[4:8] == 3).any()
    assert (flood.mask.class_index[4:12] == 1).all() and (flood.mask.class_index[:4] == 0).all()
    seen = dated.observations["hls_l30"]
    assert not seen.valid[0, :3, 0].any() and seen.valid.sum() == seen.valid.size - 3, "fill, cloud, shadow; not snow"
    assert seen.wavelength_um[0] == np.float32(0.443) and seen.band_valid.all()
    series = DATASETS["hls_worldcover306"](root, "series_train")[0]
    assert (
        series.observations["hls_l30"].values.shape == (2, 16, 16, 7)
        and np.isnan(series.observations["hls_l30"].time_days).all()
    )
    np.testing.assert_array_equal(series.mask.class_index, mapped.mask.class_index)


def test_hls_bands_are_found_by_name(tmp_path: Path) -> None:
    root = write_layout("hls_worldcover306", tmp_path)
    plain = DATASETS["hls_worldcover306"](root, "train")[0]
    path = root / "hls_worldcover306" / "000.tif"
    with rasterio.open(path) as file:
        bands, names, profile = file.read()[::-1], file.descriptions[::-1], file.profile
    with rasterio.open(path, "w", **profile) as file:
        file.write(bands)
        file.descriptions = names
    turned = DATASETS["hls_worldcover306"](root, "train")[0]
    np.testing.assert_array_equal(turned.observations["hls_l30"].values, plain.observations["hls_l30"].values)
    np.testing.assert_array_equal(turned.mask.class_index, plain.mask.class_index)
    with rasterio.open(path, "r+") as file:
        file.descriptions = [None, *names[1:]]
    with pytest.raises(UserError, match=r"000\.tif has no band named water_mask"):
        DATASETS["hls_worldcover306"](root, "train")[0]


def test_every_place_is_in_one_part_and_one_fold() -> None:
    for place in [*(p for fold in FOLDS for p in fold), 62, 1000]:
        assert sum(in_part(place, part) for part in ("train", "val", "test")) == 1
        assert sum(in_part(place, f"fold{k}_test") for k in range(5)) == 1
        assert all(in_part(place, f"fold{k}_train") != in_part(place, f"fold{k}_test") for k in range(5))
    assert all(ground(place) == place for place in (*VAL, *TEST)) and not set(VAL) & set(TEST)
    assert in_part(1000, "test"), "a place nobody published is never trained on"


def test_hls_index_that_cannot_be_read_names_the_file(tmp_path: Path) -> None:
    root = write_layout("hls_worldcover306", tmp_path)
    (root / "hls_worldcover306" / "index.jsonl").write_text('{"file": "000.tif"}\n')
    with pytest.raises(UserError, match=r"hls_worldcover306: cannot read .*index\.jsonl"):
        DATASETS["hls_worldcover306"](root, "train")


def test_satclip_offset_is_judged_by_dark_pixels(tmp_path: Path) -> None:
    root = write_layout("satclip_s2_global", tmp_path)
    for split, offset in (("train", 0.0), ("test", 1000.0)):
        dataset = DATASETS["satclip_s2_global"](root, split)
        record = dataset[0]
        with rasterio.open(dataset.folder / f"{dataset.patches[0][0]}.tif") as file:
            stored = np.moveaxis(file.read().astype(np.float32), 0, -1)
        seen = record.observations["sentinel2_l2a"]
        valid = seen.valid[0]
        np.testing.assert_allclose(seen.values[0][valid], (stored[valid] - offset) * 1e-4, atol=1e-6)
        assert not valid[0, 0] and not valid[1].any(), "nodata, and cloud that the model took for snow"
        assert (record.mask.class_index[1:3] == -1).all() and (record.mask.class_index[3:] >= 0).all()
    assert added_offset(np.zeros((2, 2, 3)), np.zeros((2, 2), bool)) == 0.0


def test_satclip_of_the_data_folder_is_dark_where_it_must(published_data: Path) -> None:
    if not (published_data / "satclip_s2_global").is_dir():
        pytest.skip("no satclip_s2_global in the data folder")
    darkest = [
        np.percentile(record.observations["sentinel2_l2a"].values[0], 0.05, axis=(0, 1)).min()
        for split in ("train", "val", "test")
        for record in DATASETS["satclip_s2_global"](published_data, split)
    ]
    assert len(darkest) == 18 and -0.02 < min(darkest) and max(darkest) < 0.05


def test_terramesh_takes_the_offset_off_where_cirrus_shows_it(tmp_path: Path) -> None:
    root = write_layout("terramesh", tmp_path)
    for part in ("out282D_test", "out38D_test"):
        seen = DATASETS["terramesh"](root, f"l1c_{part}")[0].observations["sentinel2_l1c"]
        assert seen.values[..., 10] == pytest.approx(0.001, abs=1e-6) and seen.values.shape[-1] == 13
    picture = DATASETS["terramesh"](root, "rgb_test")[0].observations
    assert list(picture) == ["aerial_rgb"] and picture["aerial_rgb"].values.max() <= 1
    mapped = DATASETS["terramesh"](root, "ndvi_test")
    assert mapped[0].mask is None and mapped[0].value_map.name == "NDVI" and mapped.maps[0].name == "NDVI"


def test_terramesh_l1c_lies_on_l2a(published_data: Path) -> None:
    for tile in ("282D", "38D", "637U"):
        above, below = (
            DATASETS["terramesh"](published_data, f"{kind}out{tile}_test")[0].observations[sensor].values[0]
            for kind, sensor in (("l1c_", "sentinel2_l1c"), ("", "sentinel2_l2a"))
        )
        infrared = np.median(above[..., 8]) - np.median(below[..., 8])  # B8A: little atmosphere
        assert abs(infrared) < 0.02 and np.median(above[..., 0]) > np.median(below[..., 0]), "haze is in the blue"


def test_each_tile_is_left_out_in_turn(tmp_path: Path) -> None:
    root = write_layout("terramesh", tmp_path)
    held = [
        {d.group(i) for i in range(len(d))}
        for tile in ("282D", "38D", "637U")
        for d in [DATASETS["terramesh"](root, f"out{tile}_test")]
    ]
    assert all(len(one) == 1 for one in held) and len(set.union(*held)) == 3
    assert json.dumps(sorted(DATASETS["terramesh"](root, "out637U_train").tiles)) == json.dumps(
        sorted(DATASETS["terramesh"](root, "train").tiles)
    )
