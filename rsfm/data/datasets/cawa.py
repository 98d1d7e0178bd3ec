"""Crop type of fields in Uzbekistan and Tajikistan from a year of 16-day NDVI, split by region or at random."""

import csv
from pathlib import Path

import numpy as np

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import days_since_2000, observe
from rsfm.types import Record

TABLE = "cawa_joined_labels_ndvi.csv"
# The eight commonest of 40 values of label_1: 95 % of the fields. A hyphen joins crops grown one after the other.
CROPS = ("cotton", "wheat", "wheat-other", "wheat-rice", "orchard", "rice", "wheat-maize", "fallow")
OTHER = "other crop"
REGIONS = {"train": ("Fergana", "Kashkadarya", "Samarkand"), "val": ("Dushanbe",), "test": ("Khorezm",)}
DAYS_OF_YEAR = range(1, 366, 16)
GSD_M = 250.0  # MODIS NDVI composites, averaged over the field
MISSING = ("", "NA", "NaN", "nan")
SHARES = {"random_train": (0.0, 0.6), "random_val": (0.6, 0.8), "random_test": (0.8, 1.0)}


class Cawa(Dataset):
    """Crop mapping from a pixel time series.

    File: `cawa_joined_labels_ndvi.csv`, a row a field with `region`, `year`, `label_1` (crop), `label_2` (season),
    `area` (m2) and NDVI in columns X1, X17, ... X353: the first day of the year of each 16-day composite. Missing steps
    are invalid. The scene is label_1 of the eight commonest crops, else "other crop".

    Split by region, so that a field's neighbours are never in training: train Fergana, Kashkadarya and Samarkand, val
    Dushanbe, test Khorezm. Regions differ in crops (Khorezm grows most of the rice) and in years; in Samarkand the
    series begin in June. That is what a crop map of a new region meets.

    The random splits (60, 20 and 20 % of the fields of all regions) are easier: neighbours and one year's weather are on
    both sides. Rows of the same series (fields of one pixel) stay together. They depend on `seed`.
    """

    info = DatasetInfo(
        name="cawa",
        title="CAWa crop samples with NDVI series",
        url="https://doi.org/10.1038/s41597-020-00591-2 (copy: https://github.com/nasaharvest/cropharvest)",
        licence="CC-BY-SA-4.0",
        citation="Remelgado et al. 2020, A crop type dataset for consistent land cover classification in Central Asia "
        "(Scientific Data 7)",
        layout=f"{TABLE} with columns region, year, label_1 and X1, X17, ... X353.",
        splits={
            "train": "Fergana, Kashkadarya, Samarkand",
            "val": "Dushanbe",
            "test": "Khorezm",
            "trainval": "all regions but Khorezm",
            "random_train": "60 % of the fields of all regions, drawn by the seed",
            "random_val": "20 % of them",
            "random_test": "20 % of them",
        },
        sensors=("ndvi_series",),
        tasks=("scene",),
        folder="cawa",
        needs=(TABLE,),
    )

    def __init__(self, root: Path | str, split: str, *, seed: int = 0) -> None:
        self.seed = seed
        super().__init__(root, split)

    def index(self) -> None:
        path = self.folder / TABLE
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            steps = [f"X{day}" for day in DAYS_OF_YEAR]
            missing = {"region", "year", "label_1", *steps} - set(reader.fieldnames or ())
            if missing:
                raise UserError(
                    f"cawa: {path} lacks the columns {', '.join(sorted(missing))}. Layout: {self.info.layout}"
                )
            rows = list(enumerate(reader))
        if self.split in SHARES:
            chosen = _drawn([tuple(row[step] for step in steps) for _, row in rows], SHARES[self.split], self.seed)
            rows = [rows[i] for i in chosen]
        else:
            regions = REGIONS["train"] + REGIONS["val"] if self.split == "trainval" else REGIONS[self.split]
            rows = [(number, row) for number, row in rows if row["region"] in regions]
        self.numbers = [number for number, _ in rows]
        self.regions = [row["region"] for _, row in rows]
        self.crops = [row["label_1"] if row["label_1"] in CROPS else OTHER for _, row in rows]
        self.years = [int(row["year"]) for _, row in rows]
        series = [[float("nan") if row[step] in MISSING else float(row[step]) for step in steps] for _, row in rows]
        self.series = [" ".join(row[step] for step in steps) for _, row in rows]
        self.ndvi = np.array(series, np.float32).reshape(len(rows), len(steps))

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, i: int) -> Record:
        i = self.check_index(i)
        sensor, ndvi = SENSORS["ndvi_series"], self.ndvi[i][:, None, None]
        new_year = days_since_2000(f"{self.years[i]}-01-01")
        observation = observe(
            sensor,
            np.nan_to_num(ndvi)[..., None],
            valid=np.isfinite(ndvi),
            time_days=new_year + np.array(DAYS_OF_YEAR) - 1.0,
            gsd_m=GSD_M,
        )
        return Record(id=f"cawa/{self.numbers[i]}", observations={sensor.name: observation}, scene=self.crops[i])

    def group(self, i: int) -> str:
        i = self.check_index(i)
        return f"series {self.series[i]}" if self.split in SHARES else self.regions[i]


def _drawn(series: list[tuple[str, ...]], share: tuple[float, float], seed: int) -> list[int]:
    """Rows whose series fall into a share of a random order of the different series."""
    place = {one: i for i, one in enumerate(dict.fromkeys(series))}
    order = np.random.default_rng(seed).permutation(len(place))
    first, last = (round(edge * len(place)) for edge in share)
    return [i for i, one in enumerate(series) if first <= order[place[one]] < last]
