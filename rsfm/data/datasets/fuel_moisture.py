"""Live fuel moisture at 150 sites of the western United States, from three months of radar, optics and weather.

n samples · t months · c columns
"""

import datetime
import hashlib
import json

import numpy as np
from jaxtyping import Float, Int, Shaped

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.reading import read_array
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import days_since_2000, observe
from rsfm.types import Record, Value

OPTICAL = slice(2, 13)  # B2 B3 B4 B5 B6 B7 B8 B8A B9 B11 B12, stored as reflectance x 10^4
WINDOW_DAYS = 30
ASSUMED_YEAR = 2017  # the middle of 2015-2019, used only where the labels' own dates are not there
VAL_SHARE = 0.2
GSD_M = 10.0
UNKNOWN_LAND_COVER = 9  # Dynamic World has classes 0 to 8


class FuelMoisture(Dataset):
    """Regression of live fuel moisture (percent of dry weight), the published split by site.

    Files, all in `npy/`: `s1_s2_era5_srtm.npy` (n, 3, 18), `target.npy` (percent), `is_test.npy`, `site.npy`,
    `month.npy` (0 = January), `latlon.npy`, and `dynamic_world.npy` if there. Columns: VV VH dB; B2 B3 B4 B5 B6 B7 B8
    B8A B9 B11 B12 reflectance x 10^4 (divided here); temperature K; precipitation m; elevation m; slope degrees; NDVI.
    The land cover (Dynamic World's class in each window, 9 where unknown) stands in no record; `land_cover` holds it
    for all samples.

    Dates: a sample's three steps are 30-day composites that end on the day of the label. Where
    `single_file_labels.geojson` lies beside `npy/`, its rows (in the samples' order) give that day, and each step is
    dated by its middle: 75, 45 and 15 days before. Without it the year is taken as 2017 and the steps as consecutive
    months, the first being `month[:, 0]`, dated by the middle of each month.

    Splits: `test` is the published one, 50 sites; `val` is a fifth of the 100 training sites, those with the smallest
    SHA-256 of their name; `train` the other four fifths; `trainval` the published training part.
    """

    info = DatasetInfo(
        name="fuel_moisture",
        title="Live fuel moisture (Presto's evaluation set)",
        url="https://github.com/nasaharvest/presto (data/fuel_moisture)",
        licence="MIT",
        citation="Rao et al. 2020 (Remote Sensing of Environment 245); Tseng et al. 2023, Presto (arXiv:2304.14065)",
        layout="npy/{s1_s2_era5_srtm,target,is_test,site,month,latlon}.npy and, for dates, single_file_labels.geojson.",
        splits={
            "train": "training sites without val",
            "val": "a fifth of the training sites, by a fixed hash of the site's name",
            "test": "the published test sites",
            "trainval": "the published training sites",
        },
        sensors=("fuel_moisture_table",),
        tasks=("regression",),
        folder="presto/data/fuel_moisture",
        needs=("npy/s1_s2_era5_srtm.npy", "npy/target.npy", "npy/is_test.npy", "npy/site.npy"),
    )

    def index(self) -> None:
        self.table, self.target, self.month, self.latlon = (
            read_array(self.info.name, self.folder / "npy" / f"{name}.npy")
            for name in ("s1_s2_era5_srtm", "target", "month", "latlon")
        )
        test = read_array(self.info.name, self.folder / "npy" / "is_test.npy").astype(bool)
        self.site = read_array(self.info.name, self.folder / "npy" / "site.npy")
        _check_table(self.table, n=len(self.target))
        self.land_cover = self._land_cover()
        val = np.isin(self.site, held_out_sites(self.site[~test])) & ~test
        chosen = {"train": ~test & ~val, "val": val, "test": test, "trainval": ~test}[self.split]
        self.rows = np.flatnonzero(chosen)
        self.days = self._days()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Record:
        row = int(self.rows[self.check_index(i)])
        values = self.table[row].astype(np.float32)
        values[:, OPTICAL] *= np.float32(1e-4)
        sensor = SENSORS["fuel_moisture_table"]
        observation = observe(sensor, values[:, None, None, :], time_days=self.days[row], gsd_m=GSD_M)
        lat, lon = (float(x) for x in self.latlon[row])
        return Record(
            id=f"fuel_moisture/{row}",
            observations={sensor.name: observation},
            location_deg=(lon, lat),
            values=(Value(name="live fuel moisture", value=float(self.target[row]), unit="%"),),
        )

    def group(self, i: int) -> str:
        return str(self.site[self.rows[self.check_index(i)]])

    def _land_cover(self) -> Int[np.ndarray, "n t"]:
        path = self.folder / "npy" / "dynamic_world.npy"
        if not path.is_file():
            return np.full(self.month.shape, UNKNOWN_LAND_COVER)
        return read_array(self.info.name, path).astype(np.int64)

    def _days(self) -> Float[np.ndarray, "n t"]:
        path = self.folder / "single_file_labels.geojson"
        ends = (
            label_days(path.read_text(encoding="utf-8"), self.site, self.target, self.month) if path.is_file() else None
        )
        if ends is not None:
            return ends[:, None] - WINDOW_DAYS * np.array([2.5, 1.5, 0.5])
        start = np.array([days_since_2000(f"{ASSUMED_YEAR}-{m + 1:02d}-01") for m in self.month[:, 0]])
        return start[:, None] + 30.4 * np.array([0.5, 1.5, 2.5])


def held_out_sites(sites: Shaped[np.ndarray, " n"]) -> list[str]:
    """A fifth of the sites: those with the smallest SHA-256 of their name, so that nothing else decides."""
    ordered = sorted({str(s) for s in sites}, key=lambda s: hashlib.sha256(s.encode()).hexdigest())
    return ordered[: round(VAL_SHARE * len(ordered))]


def label_days(
    geojson: str, site: Shaped[np.ndarray, " n"], target: Float[np.ndarray, " n"], month: Shaped[np.ndarray, "n t"]
) -> Float[np.ndarray, " n"] | None:
    """The labels' days since 2000-01-01, matched in order by site, moisture, months; None where they do not match."""
    labels = iter(json.loads(geojson)["features"])
    width = np.asarray(site).dtype.itemsize // 4  # names are stored cut to a fixed width
    days = []
    for s, y, m in zip(site, target, month, strict=True):
        for feature in labels:
            facts = feature["properties"]
            date = datetime.datetime.fromisoformat(facts["date"])
            if facts["site"][:width] == s and abs(facts["percent(t)"] - y) < 1e-6 and _months(date) == list(m):
                days.append(days_since_2000(date))
                break
        else:
            return None
    return np.array(days)


def _months(end: datetime.datetime) -> list[int]:
    """Months (0 = January) in which the three windows before `end` begin."""
    return [(end - datetime.timedelta(days=WINDOW_DAYS * k)).month - 1 for k in (3, 2, 1)]


def _check_table(table: np.ndarray, n: int) -> None:
    if table.shape != (n, 3, 18):
        raise UserError(
            f"fuel_moisture: s1_s2_era5_srtm.npy has shape {table.shape}, expected ({n}, 3, 18): samples, months, "
            "columns in the published order. Fetch the arrays again."
        )
