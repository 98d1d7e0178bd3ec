"""Small files in the layout of the data sets of tables, change pairs and chips: see layouts.py."""

import csv
import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image

from rsfm.data.datasets.brazil import TABLES as BRAZIL
from rsfm.data.datasets.deafrica import REGIONS, SPECTRUM
from rsfm.data.datasets.karly import WAVELENGTHS
from rsfm.data.datasets.worldcereal import MONTHS, OPTICAL, RADAR, WEATHER
from tests.data.small_files import write_picture, write_raster


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A CSV file, packed where its name ends in .gz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (gzip.open if path.suffix == ".gz" else open)(path, "wt", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def landsat_change(root: Path, rng: np.random.Generator) -> None:
    bands = rng.integers(20, 200, (13, 20, 20)).astype(np.uint8)
    bands[12] = np.array([0, 1, 255])[rng.integers(0, 3, (20, 20))]
    write_raster(root / "landsat_change" / "taizhou.tif", bands)


def heterogeneous_change(root: Path, rng: np.random.Generator) -> None:
    folder = root / "heterogeneous_change"
    for pair, ending in (
        ("yellow_A", "png"),
        ("yellow_B", "png"),
        ("yellow_D", "png"),
        ("Italy", "png"),
        ("beijing_A", "jpg"),
    ):
        for k in (1, 2):
            write_picture(folder / f"{pair}_{k}.{ending}", rng, 20, 30)
        Image.fromarray((rng.random((20, 30)) > 0.5).astype(np.uint8) * 255).save(folder / f"{pair}_gt.png")


def fractional_cover_australia(root: Path, rng: np.random.Generator) -> None:
    header = ["row", "pv", "npv", "bare", "crypto", "b2", "b3", "b4", "b5", "b7", "ndvi"]
    rows = []
    for number in range(0, 1000, 25):
        cover = rng.dirichlet((1, 1, 1)).round(4)
        rows.append([number, *cover, 0, *rng.uniform(0.02, 0.5, 5).round(5), 0.2])
    write_table(root / "fractional_cover_australia" / "sites.csv", header, rows)


def deafrica_cropland(root: Path, rng: np.random.Generator) -> None:
    for region in REGIONS:
        placed = ["x_6933", "y_6933"] if region in ("eastern", "northern") else []
        columns = [f"{name}_{half}" for half in ("S1", "S2") for name in (*SPECTRUM, "bcdev", "NDVI", "LAI", "rain")]
        rows = [
            [*([3_137_450, -395_865] if placed else []), i % 2, *rng.uniform(0.02, 0.7, len(columns)).round(5), 3.5]
            for i in range(4)
        ]
        write_table(root / "deafrica_cropland" / f"{region}.csv.gz", [*placed, "crop", *columns, "slope"], rows)


def brazil_time_series(root: Path, rng: np.random.Generator) -> None:
    for table in BRAZIL.values():
        columns = [f"{band}_{t}" for band in (*table.bands.values(), "NDVI") for t in range(table.dates)]
        rows = [
            [
                -60 + i,
                -10,
                "2018-08-12",
                "2019-07-28",
                list(table.words)[i % 2],
                *rng.uniform(0, 0.6, len(columns)).round(4),
            ]
            for i in range(24)
        ]
        header = ["lon", "lat", "start", "end", "label", *columns]
        write_table(root / "brazil_time_series" / table.file, header, rows)


def worldcereal_pixels500(root: Path, rng: np.random.Generator) -> None:
    spans = {**dict.fromkeys(OPTICAL, (200, 6000)), **dict.fromkeys(RADAR, (500, 6000))}
    spans |= dict(zip(WEATHER, ((26_000, 30_000), (0, 30_000)), strict=True))
    columns = [column.format(month) for column in spans for month in range(MONTHS)]
    rows = []
    for i in range(30):
        numbers = [int(rng.integers(*span)) for span in spans.values() for _ in range(MONTHS)]
        numbers[:MONTHS:6] = [65535] * 2  # a band without value in two months
        rows.append([*numbers, 250.5, 1.5, 45.0, -120 + 8 * i, "2018-11-01", (11, 13, 10)[i % 3], f"p{i}"])
    header = [*columns, "DEM-alt-20m", "DEM-slo-20m", "lat", "lon", "start_date", "LANDCOVER_LABEL", "pixelids"]
    write_table(root / "worldcereal_pixels500" / "pixels.csv.gz", header, rows)


def karly_soil_moisture(root: Path, rng: np.random.Generator) -> None:
    days = ("2017-05-16", "2017-05-17", "2017-05-23", "2017-05-24")
    rows = [
        [f"{day} 14:0{k}:17", 30.5 + k, 34.8, *rng.uniform(0.03, 0.3, len(WAVELENGTHS)).round(5)]
        for day in days
        for k in range(2)
    ]
    header = ["datetime", "soil_moisture", "soil_temperature", *WAVELENGTHS]
    write_table(root / "karly_soil_moisture" / "soilmoisture.csv.gz", header, rows)


def eurosat_rgb(root: Path, rng: np.random.Generator) -> None:
    folder = root / "eurosat"
    parts = {"train": [f"Forest_{i}.tif" for i in range(12)], "test": ["SeaLake_1.tif", "AnnualCrop_3.tif"]}
    for name in (name for names in parts.values() for name in names):
        stem = name.removesuffix(".tif")
        write_picture(folder / "EuroSAT_RGB" / stem.partition("_")[0] / f"{stem}.jpg", rng, 16, 16)
    (folder / "train_test_split.json").write_text(json.dumps(parts))


def mstar(root: Path, rng: np.random.Generator) -> None:
    for side, degrees in (("train", "0"), ("val", "1")):
        for label in (0, 7):
            for k in range(5):
                path = root / "mstar" / side / str(label) / f"{degrees}{label}{k:03d}.jpeg"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(0, 255, (16, 16), np.uint8)).save(path)


def urban_trees(root: Path, rng: np.random.Generator) -> None:
    folder = root / "urban_trees"
    for name in ("long_beach_2018_1", "claremont_2016_0", "riverside_2020_7", "santa_monica_2016_2", "chico_2018_3"):
        write_raster(folder / "images" / f"{name}.tif", rng.integers(0, 255, (4, 32, 32)).astype(np.uint8))
        if name != "claremont_2016_0":  # no file: no trees
            write_table(folder / "csv" / f"{name}.csv", ["x", "y"], [[1, 1], [20, 12], [31, 31]])


def enmap_potsdam(root: Path, rng: np.random.Generator) -> None:
    folder = root / "enmap_potsdam"
    for k, split in enumerate(("train", "validation", "test")):
        bands = rng.uniform(100, 5000, (224, 8, 8)).astype(np.float32)
        bands[130:136] = -32768  # water vapour
        bands[5, 0, 0] = -32768
        image, mask = f"images/tile_{k}.tif", f"labels/tile_{k}.tif"
        ground = rasterio.Affine(30, 0, 366_015 + 240 * k, 0, -30, 5_809_965)
        tags = {"start_time": "2022-07-24T10:45:26"}
        write_raster(folder / image, bands, transform=ground, nodata=-32768, tags=tags)
        write_raster(folder / mask, rng.integers(0, 7, (1, 8, 8)).astype(np.float32), transform=ground)
        write_table(folder / f"{split}_files.csv", ["image", "mask"], [[image, mask]])


PLACES = {
    "landsat_change": landsat_change,
    "heterogeneous_change": heterogeneous_change,
    "fractional_cover_australia": fractional_cover_australia,
    "deafrica_cropland": deafrica_cropland,
    "brazil_time_series": brazil_time_series,
    "worldcereal_pixels500": worldcereal_pixels500,
    "karly_soil_moisture": karly_soil_moisture,
    "eurosat_rgb": eurosat_rgb,
    "mstar": mstar,
    "urban_trees": urban_trees,
    "enmap_potsdam": enmap_potsdam,
}
