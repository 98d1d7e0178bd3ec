"""Every layout of labels is told by its looks and gives records; one truth written in several ways is read as one."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.warp import Resampling, reproject

from rsfm.data.labels import LAYOUTS, LabelOptions, open_labels
from rsfm.data.labels.description import NAME, Description, Reading
from rsfm.data.labels.drawing import class_table, draw_split
from rsfm.data.labels.gather import gather
from rsfm.data.labels.places import LabelledPlaces
from rsfm.data.training.opening import open_records
from rsfm.errors import UserError
from rsfm.tasks import TASKS, converse
from tests.data.labels.own_files import FIELD, NAMES, fields, polygons, write_geojson, write_picture

BOXES = [("ship", (4.0, 6.0, 10.0, 8.0)), ("plane", (40.0, 30.0, 12.0, 20.0)), ("ship", (50.0, 2.0, 6.0, 6.0))]
CORNERS = np.array([[[x, y], [x + w, y], [x + w, y + h], [x, y + h]] for _, (x, y, w, h) in BOXES])
WIDTH, HEIGHT = 64, 56
AERIAL = Reading(sensor="aerial_rgb", gsd_m=0.3)


def write_rgb(path: Path, seed: int = 0, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)).save(path)
    return path


def write_boxes(kind: str, folder: Path, stem: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    names = ("plane", "ship")
    if kind == "coco":
        rows = [{"image_id": 5, "category_id": names.index(name), "bbox": list(box)} for name, box in BOXES]
        data = {"images": [{"id": 5, "file_name": f"{stem}.png"}], "annotations": rows}
        data["categories"] = [{"id": i, "name": name} for i, name in enumerate(names)]
        (folder / "boxes.json").write_text(json.dumps(data))
        return folder / "boxes.json"
    if kind == "dota":
        lines = [" ".join(map(str, c.reshape(-1))) + f" {name} 0" for (name, _), c in zip(BOXES, CORNERS, strict=True)]
        (folder / f"{stem}.txt").write_text("imagesource:GoogleEarth\ngsd:0.3\n" + "\n".join(lines))
        return folder
    lines = [
        f"{names.index(name)} {(x + w / 2) / WIDTH} {(y + h / 2) / HEIGHT} {w / WIDTH} {h / HEIGHT}"
        for name, (x, y, w, h) in BOXES
    ]
    (folder / f"{stem}.txt").write_text("\n".join(lines) + "\n")
    (folder / "data.yaml").write_text("path: .\nnc: 2\nnames:\n  0: plane\n  1: ship\n")
    return folder


def made(tmp_path: Path, *args, **options) -> tuple[Description, Path]:
    described = gather(*args, **{"edge": 32, "reading": Reading(sensor="sentinel2_l2a"), **options})
    described.save(tmp_path / NAME)
    return described, tmp_path / NAME


@pytest.mark.parametrize("kind", ["coco", "dota", "yolo"])
def test_boxes_are_the_same_in_every_layout(kind: str, tmp_path: Path) -> None:
    picture = write_rgb(tmp_path / "pictures" / "a.png")
    path = write_boxes(kind, tmp_path / "labels", "a")
    assert next(name for name, layout in LAYOUTS.items() if layout.matches(path)) == kind
    labels = open_labels(path, LabelOptions(), [picture])
    found = labels.boxes(picture)
    assert found.labels == tuple(name for name, _ in BOXES) and set(labels.legend) == {"ship", "plane"}
    np.testing.assert_allclose(found.corners, CORNERS, atol=1e-4)


@pytest.mark.parametrize("names", ["names: [plane, 'ship']\n", "names:\n- plane\n- ship\nnc: 2\n"])
def test_yolo_names_are_read_in_both_ways_of_writing_them(names: str, tmp_path: Path) -> None:
    picture, folder = write_rgb(tmp_path / "a.png"), write_boxes("yolo", tmp_path / "labels", "a")
    (folder / "data.yaml").write_text(names)
    assert open_labels(folder, LabelOptions(), [picture]).boxes(picture).labels == tuple(name for name, _ in BOXES)


def test_boxes_are_counted_in_the_window_of_their_centre(tmp_path: Path) -> None:
    pictures = [write_rgb(tmp_path / "pictures" / f"{stem}.png", i) for i, stem in enumerate("abcdef")]
    for picture in pictures:
        path = write_boxes("dota", tmp_path / "labels", picture.stem)
    described, file = made(tmp_path, [tmp_path / "pictures"], path, LabelOptions(), reading=AERIAL, block_m=0.3 * 32)
    records = open_records(str(file), "all")
    assert sum(len(record.boxes.labels) for record in records) == 6 * len(BOXES)
    assert all(((record.boxes.corners.mean(1) >= 0) & (record.boxes.corners.mean(1) < 32)).all() for record in records)
    assert {place.split for place in described.places} == {"train", "val", "test"}
    assert converse(("counting",), records[0], np.random.default_rng(0)) is not None


def test_class_folders_are_scenes_and_copies_stay_together(tmp_path: Path) -> None:
    for i in range(12):
        write_rgb(tmp_path / "photos" / ("bare_soil" if i % 2 else "forest") / f"{i}.jpg", i)
    for copy in ("x.jpg", "y.jpg"):
        write_rgb(tmp_path / "photos" / "forest" / copy, 0)
    described, file = made(tmp_path, [tmp_path / "photos"], None, LabelOptions(), reading=AERIAL)
    assert described.legend == ("bare soil", "forest") and described.name == "photos"
    records = open_records(str(file), "all")
    assert {records[i].scene for i in range(len(records))} == {"bare soil", "forest"} and records.info.tasks == (
        "scene",
    )
    blocks = [place.block for place in described.places]
    assert len(blocks) == 14 and len(set(blocks)) == 12


def test_a_folder_without_a_picture_of_its_class_is_refused(tmp_path: Path) -> None:
    write_rgb(tmp_path / "photos" / "forest" / "a.jpg")
    (tmp_path / "photos" / "bare soil").mkdir()
    with pytest.raises(UserError, match="no picture of the class 'bare soil'"):
        gather([tmp_path / "photos"], None, LabelOptions(), reading=AERIAL, edge=32)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    (tmp_path / "scenes").mkdir()
    return write_picture(tmp_path / "scenes" / "a.tif", fields(8))


def test_polygons_and_a_raster_of_them_on_another_grid_say_the_same(picture: Path, tmp_path: Path) -> None:
    shapes = write_geojson(tmp_path / "a.geojson", polygons(fields(8)))
    truth = np.kron(fields(8), np.ones((FIELD, FIELD), np.uint8)).astype(np.uint8)
    with rasterio.open(picture) as dataset:
        wide = np.full((200, 200), 255, np.uint8)
        place = rasterio.transform.from_bounds(*dataset.bounds, 190, 190)
        reproject(
            truth, wide, src_transform=dataset.transform, src_crs=dataset.crs, dst_transform=place, dst_crs=dataset.crs,
            resampling=Resampling.nearest, dst_nodata=255, src_nodata=255,
        )  # fmt: skip
        profile = {"crs": dataset.crs, "transform": place, "height": 200, "width": 200, "count": 1, "dtype": "uint8"}
    with rasterio.open(tmp_path / "truth.tif", "w", driver="GTiff", nodata=255, **profile) as out:
        out.write(wide, 1)
    (tmp_path / "one").mkdir(), (tmp_path / "two").mkdir()
    _, one = made(tmp_path / "one", [picture.parent], shapes, LabelOptions(column="crop"))
    names = ";".join(f"{i}={name}" for i, name in enumerate(NAMES))
    _, two = made(tmp_path / "two", [picture], tmp_path / "truth.tif", LabelOptions(classes=names))
    for first, second in zip(open_records(str(one), "all"), open_records(str(two), "all"), strict=True):
        table = np.array([second.mask.legend.index(name) for name in first.mask.legend] + [-1])
        alike = table[first.mask.class_index] == second.mask.class_index
        assert first.id.split("/")[1] == second.id.split("/")[1] and alike.mean() > 0.9
        np.testing.assert_array_equal(
            first.observations["sentinel2_l2a"].values, second.observations["sentinel2_l2a"].values
        )


def test_a_raster_says_itself_what_its_numbers_mean_or_each_is_a_class(picture: Path, tmp_path: Path) -> None:
    truth = np.kron(fields(8), np.ones((FIELD, FIELD), np.uint8)).astype(np.uint8)
    with rasterio.open(picture) as dataset:
        profile = dataset.profile | {"count": 1, "dtype": "uint8"}
    path = tmp_path / "truth.tif"
    with rasterio.open(path, "w", **profile) as out:
        out.write(truth, 1)
    assert open_labels(path, LabelOptions(), [picture]).legend == ("class 0", "class 1", "class 2")
    with rasterio.open(path, "r+") as out:
        out.update_tags(1, **{f"CLASS_{i}": name for i, name in enumerate(NAMES)})
    assert open_labels(path, LabelOptions(), [picture]).legend == NAMES


def test_records_are_windows_of_the_pictures_with_the_labels_of_their_own_block(picture: Path, tmp_path: Path) -> None:
    shapes = write_geojson(tmp_path / "a.geojson", polygons(fields(8)))
    described, file = made(tmp_path, [picture], shapes, LabelOptions(column="crop"), name="crops")
    assert Description.load(file) == described and described.digests.keys() == {str(picture), str(shapes)}
    truth = np.kron(fields(8), np.ones((FIELD, FIELD), int))
    splits = {split: LabelledPlaces(tmp_path, split) for split in ("train", "val", "test")}
    assert len({records.group(i) for records in splits.values() for i in range(len(records))}) == len(described.places)
    for records in splits.values():
        assert records.legends == {"crops": NAMES}
        for i, place in enumerate(records.places):
            row, column, height, width = place.window
            index = records[i].mask.class_index
            assert (index == truth[row : row + height, column : column + width]).all()
            for name, n in place.counts.items():
                assert n == (index == NAMES.index(name)).sum()
    dialogue = TASKS["segmentation"].dialogue(splits["train"][0], np.random.default_rng(0))
    assert dialogue is not None
    draw_split(described, tmp_path / "split.png")
    assert Image.open(tmp_path / "split.png").width > 300
    assert [row[0] for row in class_table(described)] == ["class", *NAMES]


def test_rare_classes_are_trained_on_more_often(picture: Path, tmp_path: Path) -> None:
    classes = np.zeros((8, 8), int)
    classes[:2, :2] = [[1, 2], [0, 0]]
    classes[6, 6:] = [1, 2]
    shapes = write_geojson(tmp_path / "a.geojson", polygons(classes))
    _, file = made(tmp_path, [picture], shapes, LabelOptions(column="crop"))
    even, train = open_records(str(file), "even"), open_records(str(file), "train")

    def share(records: LabelledPlaces) -> float:
        return sum("wheat" in place.counts for place in records.places) / len(records)

    assert share(even) > 1.5 * share(train) and {p.block for p in even.places} == {p.block for p in train.places}


def test_a_folder_of_labels_goes_with_the_pictures_by_name(picture: Path, tmp_path: Path) -> None:
    plain = write_picture(tmp_path / "b.tif", fields(8, 3), crs=None)
    (tmp_path / "labels").mkdir()
    truth = np.kron(fields(8, 3), np.ones((FIELD, FIELD), np.uint8)).astype(np.uint8)
    Image.fromarray(truth).save(tmp_path / "labels" / "b_mask.png")
    _, file = made(tmp_path, [plain], tmp_path / "labels", LabelOptions(classes="0=maize;1=water;2=wheat"))
    records = LabelledPlaces(file, "all")
    for i, place in enumerate(records.places):
        row, column, height, width = place.window
        assert (records[i].mask.class_index == truth[row : row + height, column : column + width]).all()
    with pytest.raises(UserError, match="no label of a.tif"):
        gather([picture], tmp_path / "labels", LabelOptions(), reading=Reading(sensor="sentinel2_l2a"), edge=32)


def test_what_is_no_label_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("fields")
    with pytest.raises(UserError, match="no labels of a known layout.*polygons, points or lines"):
        open_labels(tmp_path / "notes.md", LabelOptions(), [])
    with pytest.raises(UserError, match="no such file"):
        open_labels(tmp_path / "nothing.gpkg", LabelOptions(), [])
