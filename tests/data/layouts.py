"""Writes a few small files in the layout of each published dataset, so that tests run without the data folder."""

import bz2
import csv
import functools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio.transform import Affine

from tests.data.layouts_places import PLACES
from tests.data.small_files import UTM, write_picture, write_raster


def write_layout(name: str, root: Path) -> Path:
    """Writes dataset `name` below the data folder `root` and returns `root`."""
    LAYOUTS[name](root, np.random.default_rng(0))
    return root


def aid_rsicd(root: Path, rng: np.random.Generator) -> None:
    folder, lines = root / "aid_rsicd", []
    for split, scene in [("train", "Airport"), ("train", "BareLand"), ("val", "Airport"), ("val", "StorageTanks")]:
        image = f"images/{scene}/{scene.lower()}_{len(lines)}.jpg"
        write_picture(folder / image, rng, 30, 30)
        lines.append(
            {"image": image, "scene": scene, "split": split, "captions": [f"sentence {k} ." for k in range(5)]}
        )
    (folder / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")


def terramesh(root: Path, rng: np.random.Generator) -> None:
    folder, tag = root / "terramesh5" / "examples", {"datetime": "2021-07-23T13:22:41.000000000"}
    for tile in ("282D_485L_3_3", "637U_59R_1_3", "38D_378R_2_3"):
        optical = rng.integers(1, 6000, (12, 16, 16)).astype(np.int16)
        optical[:, 0, 0] = 0  # nodata
        above = rng.integers(50, 6000, (13, 16, 16)).astype(np.int16) + (1000 if tile.startswith("282D") else 0)
        above[10] = 10 + (1000 if tile.startswith("282D") else 0)  # cirrus
        write_raster(folder / "S2L2A" / f"{tile}.tif", optical)
        write_raster(folder / "S2L1C" / f"{tile}.tif", above)
        write_raster(folder / "S2RGB" / f"{tile}.tif", rng.integers(0, 256, (3, 16, 16)).astype(np.uint8), tags=tag)
        write_raster(folder / "NDVI" / f"{tile}.tif", rng.uniform(-1, 1, (1, 16, 16)), tags=tag)
        write_raster(folder / "S1RTC" / f"{tile}.tif", rng.uniform(-30, 0, (2, 16, 16)), tags=tag)
        write_raster(folder / "DEM" / f"{tile}.tif", rng.integers(0, 900, (1, 16, 16)).astype(np.int16))
        write_raster(folder / "LULC" / f"{tile}.tif", rng.integers(0, 10, (1, 16, 16)).astype(np.uint8), tags=tag)


HLS_BANDS = (
    *("coastal", "blue", "green", "red", "nir", "swir1", "swir2", "fmask", "merit_dem", "cop_dem", "worldcover"),
    *("water_occurrence", "water_mask"),
)


def hls_worldcover306(root: Path, rng: np.random.Generator) -> None:
    """Two dates of one footprint in a place of train, of val and of test; one date in a place of the other folds."""
    folder, rows = root / "hls_worldcover306", []
    for place, dates in ((0, 2), (1, 1), (13, 2), (20, 2), (5, 1), (44, 1)):
        ground = rng.choice([10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100], (1, 16, 16))
        height = rng.integers(0, 900, (1, 16, 16))
        for _ in range(dates):
            spectrum, fmask = rng.integers(1, 6000, (7, 16, 16)), np.full((1, 16, 16), 64)
            fmask[0, :4, 0] = [255, 66, 72, 80]  # fill, cloud, cloud shadow, snow
            fmask[0, 8:] = 96  # water seen
            drawn = np.zeros((1, 16, 16), int)
            drawn[0, 4:12] = 1
            bands = np.concatenate([spectrum, fmask, height - 9999, height, ground, fmask * 0, drawn]).astype(np.int16)
            name = f"{len(rows):03d}.tif"
            write_raster(folder / name, bands)
            with rasterio.open(folder / name, "r+") as file:
                file.descriptions = HLS_BANDS
            shares = {str(code): round(float((ground == code).mean()), 3) for code in np.unique(ground)}
            row = {"file": name, "place": place, "water": 0.5, "cloud": 0.0, "dem_mean": round(float(height.mean()), 1)}
            rows.append(row | {"worldcover": shares})
    (folder / "index.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def satclip_s2_global(root: Path, rng: np.random.Generator) -> None:
    folder, rows = root / "satclip_s2_global", []
    for patch in ("patch_33188", "patch_57755", "patch_445"):
        bands = rng.integers(900 if patch == "patch_445" else 100, 5000, (12, 16, 16)).astype(np.uint16)
        bands[:, 0, 0] = 0  # nodata
        bands[2, 1], bands[10, 1] = 5000, 4000  # bright in the short-wave infrared: a cloud
        seen = np.stack([rng.integers(0, 8, (16, 16)), np.full((16, 16), 200)])
        seen[0, 1], seen[1, 2] = 8, 60
        write_raster(folder / f"{patch}.tif", bands)
        write_raster(folder / f"{patch}_dw.tif", seen.astype(np.uint8))
        rows.append({"file": f"{patch}.tif", "lat": 36.7, "lon": -111.5, "ndvi": 0.1, "dw": {"7": 1.0}})
    (folder / "index.json").write_text(json.dumps(rows))


def bigearthnet(root: Path, rng: np.random.Generator) -> None:
    folder = root / "bigearthnet"
    for split, place in (("train", "1_2"), ("val", "3_4"), ("test", "5_6")):
        patch, twin = f"S2A_MSIL2A_20170613T101031_{place}", f"S1A_IW_GRDH_1SDV_20170613T165043_33UUP_{place}"
        write_patch(folder / "BigEarthNet-S2-Example" / patch, rng)
        radar = folder / "BigEarthNet-S1-Example" / twin
        for name in ("VV", "VH"):
            write_raster(radar / f"{twin}_{name}.tif", rng.uniform(-35, 5, (1, 120, 120)).astype(np.float32))
        facts = {"corresponding_s2_patch": patch, "acquisition_time": "2017-06-13T16:50:43", "labels": ["Pastures"]}
        (radar / f"{twin}_labels_metadata.json").write_text(json.dumps(facts))
        (folder / f"{split}.csv.bz2").write_bytes(bz2.compress(f"{patch}\n".encode()))


def write_patch(folder: Path, rng: np.random.Generator) -> None:
    """One Sentinel-2 patch of BigEarthNet: 12 one-band files of 10, 20 and 60 m and the label file."""
    for name in ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"):
        size = {"B01": 20, "B09": 20, "B02": 120, "B03": 120, "B04": 120, "B08": 120}.get(name, 60)
        pixels = rng.integers(1, 5000, (1, size, size)).astype(np.uint16)
        transform = UTM * Affine.scale(120 / size)
        write_raster(folder / f"{folder.name}_{name}.tif", pixels, transform=transform)
    labels = ["Non-irrigated arable land", "Peatbogs", "Airports"]
    facts = {"labels": labels, "acquisition_date": "2017-06-13 10:10:31"}
    (folder / f"{folder.name}_labels_metadata.json").write_text(json.dumps(facts))


def indian_pines(root: Path, rng: np.random.Generator) -> None:
    folder = root / "indian_pines"
    folder.mkdir(parents=True)
    truth = rng.integers(0, 5, (96, 96)).astype(np.uint8)
    np.save(folder / "Indian_pines_corrected.npy", rng.integers(955, 9604, (96, 96, 200), np.uint16))
    np.save(folder / "Indian_pines_gt.npy", truth)


def eolearn(root: Path, rng: np.random.Generator) -> None:
    folder = root / "eolearn" / "example_data"
    patch = folder / "TestEOPatch"
    for part in ("data", "mask", "mask_timeless"):
        (patch / part).mkdir(parents=True)
    np.save(folder / "REFERENCE_SCENES.npy", rng.uniform(0, 0.5, (5, 20, 20, 13)).astype(np.float32))
    np.save(patch / "data" / "NDVI.npy", rng.uniform(-0.1, 0.9, (7, 20, 20, 1)).astype(np.float32))
    np.save(
        patch / "mask" / "CLM.npy",
        (np.arange(7) % 3 == 1).astype(np.uint8)[:, None, None, None] * np.ones((1, 20, 20, 1)),
    )
    cover = np.array([0, 1, 2, 3, 4, 8], np.uint16)[rng.integers(0, 6, (20, 20, 1))]
    np.save(patch / "mask_timeless" / "LULC.npy", cover)
    (patch / "timestamps.json").write_text(json.dumps([f"2017-{month:02d}-11T10:00:08" for month in range(1, 8)]))
    ring = [[465181, 5079244], [465181, 5079444], [465381, 5079444], [465381, 5079244], [465181, 5079244]]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
    (patch / "bbox.geojson").write_text(json.dumps({"crs": crs, "type": "Polygon", "coordinates": [ring]}))


def fuel_moisture(root: Path, rng: np.random.Generator) -> None:
    folder, n = root / "presto" / "data" / "fuel_moisture", 40
    (folder / "npy").mkdir(parents=True)
    site = np.array([f"Site {i // 2}" for i in range(n)])
    target = rng.uniform(40, 300, n).round(3)
    low = [-25, -30, *[100] * 11, 265, 0, 50, 0, 0]
    high = [-5, -10, *[6000] * 11, 303, 0.02, 3000, 30, 0.8]
    arrays = {
        "s1_s2_era5_srtm": rng.uniform(low, high, (n, 3, 18)),
        "target": target,
        "is_test": (np.arange(n) >= 30).astype(np.int64),
        "site": site,
        "month": np.tile([3, 4, 4], (n, 1)),
        "latlon": np.stack([rng.uniform(30, 48, n), rng.uniform(-123, -94, n)], 1),
    }
    for name, array in arrays.items():
        np.save(folder / "npy" / f"{name}.npy", array)
    rows = [{"site": "unused", "percent(t)": 1.0, "date": "2018-01-31T00:00:00"}]
    rows += [
        {"site": s, "percent(t)": float(y), "date": "2018-06-30T00:00:00"} for s, y in zip(site, target, strict=True)
    ]
    labels = {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": row} for row in rows]}
    (folder / "single_file_labels.geojson").write_text(json.dumps(labels))


def cawa(root: Path, rng: np.random.Generator) -> None:
    path = root / "cawa" / "cawa_joined_labels_ndvi.csv"
    path.parent.mkdir(parents=True)
    days = list(range(1, 366, 16))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["country", "region", "date", "year", "label_1", "label_2", "area", *[f"X{d}" for d in days]])
        for region in ("Fergana", "Kashkadarya", "Samarkand", "Dushanbe", "Khorezm"):
            for crop in ("cotton", "melons"):
                ndvi = ["NA", *rng.uniform(-0.1, 0.9, len(days) - 1).round(4)]
                writer.writerow(["Uzbekistan", region, "2016-06-14", "2016", crop, "summer", "1500.5", *ndvi])


def levir_cd(root: Path, rng: np.random.Generator) -> None:
    folder = root / "levir_cd_samples" / "samples"
    (folder / "label").mkdir(parents=True)
    for name in ("train_1_0000_0000.png", "train_2_0256_0000.png", "test_9_0000_0512.png"):
        write_picture(folder / "A" / name, rng, 32, 32)
        write_picture(folder / "B" / name, rng, 32, 32)
        Image.fromarray((rng.random((32, 32)) > 0.5).astype(np.uint8) * 255).save(folder / "label" / name)


def dota(root: Path, rng: np.random.Generator) -> None:
    folder = root / "dota_example" / "example"
    write_picture(folder / "images" / "P0001.png", rng, 300, 800)
    (folder / "labelTxt").mkdir()
    lines = ["imagesource:GoogleEarth", "gsd:0.25"]
    for x, y, category in [(100, 50, "ship"), (300, 280, "ship"), (700, 100, "harbor"), (250, 20, "ship")]:
        lines.append(f"{x - 9} {y} {x} {y - 9} {x + 9} {y} {x} {y + 9} {category} 0")
    (folder / "labelTxt" / "P0001.txt").write_text("\n".join(lines) + "\n")


def deepforest(root: Path, rng: np.random.Generator) -> None:
    folder = root / "deepforest"
    write_raster(folder / "OSBS_029.tif", rng.integers(0, 256, (3, 400, 400)).astype(np.uint8), nodata=255)
    write_picture(folder / "SOAP_061.png", rng, 400, 400)
    for table, image in (("OSBS_029.csv", "OSBS_029.tif"), ("testfile_multi.csv", "SOAP_061.png")):
        corners = rng.integers(0, 370, (12, 2))
        rows = [f"{image},{x},{y},{x + 25},{y + 20},Tree" for x, y in corners]
        (folder / table).write_text("\n".join(["image_path,xmin,ymin,xmax,ymax,label", *rows]) + "\n")


def gedi_chip(root: Path, rng: np.random.Generator) -> None:
    folder = root / "terratorch_gedi"
    bands = rng.integers(200, 4000, (10, 96, 96)).astype(np.float32)
    bands[:, :2, :3] = 0  # nodata
    bands[1, 5, 5] = -300  # overcorrected
    label = np.where(rng.random((1, 96, 96)) < 0.02, rng.uniform(1, 30, (1, 96, 96)), -1).astype(np.float32)
    label[0, :8, :8] = -1
    write_raster(folder / "regression_test_0_input.tif", bands, nodata=-9999)
    write_raster(folder / "regression_test_0_label.tif", label, nodata=-9999)


def geotiff_folder(root: Path, rng: np.random.Generator) -> None:
    folder = root / "geotiff_folder"
    for name in ("a", "b_may", "b_june"):
        write_raster(folder / f"{name}.tif", rng.integers(100, 5000, (12, 24, 20)).astype(np.uint16))
    write_raster(folder / "a_mask.tif", rng.integers(0, 4, (1, 24, 20)).astype(np.uint8), nodata=0)
    height = rng.uniform(0, 30, (1, 24, 20)).astype(np.float32)
    height[0, :6], height[0, 20] = -9999, np.nan
    write_raster(folder / "a_height.tif", height, nodata=-9999)
    (folder / "labels.csv").write_text(
        "image,sensor,date,split,scene,tags,caption,value:biomass[t/ha],value:boats,mask,legend,"
        "value_map:canopy height[m],edges,question,answer\n"
        "a.tif,sentinel2_l2a,2019-07-23,train,river,water;trees,a river; and trees,41.5,3,a_mask.tif,1=water;2=trees,"
        "a_height.tif,0;5;10;20;40,Is there water?,yes\n"
        "b_may.tif;b_june.tif,sentinel2_l2a,2019-05-03;2019-06-12,test,farmland,,,,,,,,,,\n"
    )


def series(root: Path, rng: np.random.Generator) -> None:
    folder = root / "series"
    folder.mkdir(parents=True)
    lines = ["id,date,ndvi,value:biomass[t/ha],scene"]
    for place in range(20):
        ndvi = rng.uniform(0.1, 0.9, 2)
        lines.append(f"{place},2021-05-03,{ndvi[0]:.4f},{200 * ndvi[0]:.1f},{'wheat' if place % 2 else 'maize'}")
        lines.append(f"{place},2021-06-12,{ndvi[1]:.4f},,")
    (folder / "series.csv").write_text("\n".join(lines) + "\n")


def karpathy(root: Path, rng: np.random.Generator, folder: str, table: str, pictures: str, suffix: str) -> None:
    images = []
    for i, split in enumerate(("train", "train", "val", "test")):
        name = f"airport_{i}.{suffix}"
        write_picture(root / folder / pictures / name, rng, 24, 24)
        raws = [f"sentence {k} of picture {i} ." for k in range(5)]
        sentences = [
            {"raw": raw, "tokens": raw.split()[:-1], "imgid": i, "sentid": 5 * i + k} for k, raw in enumerate(raws)
        ]
        images.append({"filename": name, "imgid": i, "split": split, "sentences": sentences, "sentids": list(range(5))})
    (root / folder / table).write_text(json.dumps({"images": images, "dataset": folder}))


def rsvqa(
    root: Path, rng: np.random.Generator, folder: str, prefix: str, pictures: str, splits: tuple[str, ...]
) -> None:
    questions, answers = [], []
    for i, split in enumerate(splits):
        write_picture(root / folder / pictures / f"{i}.tif", rng, 16, 16)
        asked = [("presence", "Is a road present?", "yes"), ("count", "What is the number of buildings?", "12")]
        gone = [{"id": 100, "active": False}]  # as the published files hold the entries of the other splits
        questions = gone + [
            {"id": 2 * i + k, "date_added": 1.5e9, "img_id": i, "people_id": 0, "type": kind, "question": question,
             "answers_ids": [2 * i + k], "active": True}
            for k, (kind, question, _) in enumerate(asked)
        ]  # fmt: skip
        answers = gone + [
            {
                "id": 2 * i + k,
                "date_added": 1.5e9,
                "question_id": 2 * i + k,
                "people_id": 0,
                "answer": answer,
                "active": True,
            }
            for k, (_, _, answer) in enumerate(asked)
        ]
        for kind, rows in (("questions", questions), ("answers", answers)):
            (root / folder / f"{prefix}_split_{split}_{kind}.json").write_text(json.dumps({kind: rows}))


def vrsbench(root: Path, rng: np.random.Generator) -> None:
    folder = root / "VRSBench"
    for split, name in (("train", "P0003_0002"), ("train", "00914_0001"), ("val", "P0005_0001")):
        write_picture(folder / f"Images_{split}" / f"{name}.png", rng, 64, 64)
        first = {"obj_id": 0, "obj_cls": "ship", "obj_position": "top-left", "is_unique": True, "obj_size": "large"}
        first |= {"obj_coord": [0.1, 0.2, 0.3, 0.25], "obj_corner": [0.1, 0.2, 0.3, 0.2, 0.3, 0.25, 0.1, 0.25]}
        first |= {"referring_sentence": "The large ship in the top-left.", "flag": True}
        second = first | {"obj_id": 1, "obj_corner": [0.5, 0.6, 0.7, 0.5, 0.8, 0.7, 0.6, 0.8], "referring_sentence": ""}
        row = {
            "image": f"{name}.png",
            "resolution": "high",
            "caption": "Two ships in a harbor.",
            "objects": [first, second],
        }
        row["qa_pairs"] = [
            {"ques_id": 1, "question": "How many ships are there?", "type": "object quantity", "answer": "2"},
            {"ques_id": 2, "question": "Is there a plane?", "type": "object existence", "answer": "No"},
        ]
        path = folder / f"Annotations_{split}" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(row))


def said(*texts: str) -> list[dict[str, str]]:
    """Turns of a conversation, human and gpt in turn."""
    return [{"from": ("human", "gpt")[i % 2], "value": text} for i, text in enumerate(texts)]


def geochat_instruct(root: Path, rng: np.random.Generator) -> None:
    folder = root / "GeoChat_Instruct"
    rows = [
        said("<image>\nClassify the image in one word.", "Airport"),
        said("<image>\n[refer] where is <p>the ship</p> ?", "{<16><55><24><63>|<11>}", "[identify] {<6><44><14><48>|<32>}",
             "<p>1 small car</p>"),
    ]  # fmt: skip
    for i, _ in enumerate(rows):
        write_picture(folder / "final_images_llava" / f"part/{i}.png", rng, 32, 32)
    listed = [{"id": f"{i}.png", "image": f"part/{i}.png", "conversations": turns} for i, turns in enumerate(rows)]
    (folder / "GeoChat_Instruct.json").write_text(json.dumps(listed))


def llava(root: Path, rng: np.random.Generator) -> None:
    folder = root / "llava"
    for name in ("a.png", "b.png", "c.png"):
        write_picture(folder / "images" / name, rng, 20, 30)
    train = [
        {"id": 1, "image": "a.png", "conversations": said("<image>\nWhat is it?", "A port.", "Is it large?", "Yes.")},
        {"id": 2, "conversations": said("Who are you?", "A model.")},
        {"id": 3, "image": ["a.png", "b.png"], "conversations": said("<image>\n<image>\nWhat changed?", "Nothing.")},
    ]
    (folder / "conversations.json").write_text(json.dumps(train))
    turns = [{"role": "user", "content": "<image>Where?"}, {"role": "assistant", "content": "Here."}]
    (folder / "conversations_test.jsonl").write_text(json.dumps({"image": "c.png", "conversations": turns}) + "\n")


LAYOUTS: dict[str, Callable[[Path, np.random.Generator], None]] = {
    "aid_rsicd": aid_rsicd,
    "terramesh": terramesh,
    "hls_worldcover306": hls_worldcover306,
    "satclip_s2_global": satclip_s2_global,
    "bigearthnet": bigearthnet,
    "indian_pines": indian_pines,
    "eolearn": eolearn,
    "fuel_moisture": fuel_moisture,
    "cawa": cawa,
    "levir_cd": levir_cd,
    "dota": dota,
    "deepforest": deepforest,
    "geotiff_folder": geotiff_folder,
    "series": series,
    "gedi_chip": gedi_chip,
    "rsicd": functools.partial(
        karpathy, folder="RSICD", table="dataset_rsicd.json", pictures="RSICD_images", suffix="jpg"
    ),
    "ucm_captions": functools.partial(
        karpathy, folder="UCM_captions", table="dataset.json", pictures="imgs", suffix="tif"
    ),
    "sydney_captions": functools.partial(
        karpathy, folder="Sydney_captions", table="dataset.json", pictures="imgs", suffix="tif"
    ),
    "rsvqa_lr": functools.partial(
        rsvqa, folder="RSVQA_LR", prefix="LR", pictures="Images_LR", splits=("train", "val", "test")
    ),
    "rsvqa_hr": functools.partial(
        rsvqa, folder="RSVQA_HR", prefix="USGS", pictures="Data", splits=("train", "val", "test", "test_phili")
    ),
    "vrsbench": vrsbench,
    "geochat_instruct": geochat_instruct,
    "llava": llava,
    **PLACES,
}
