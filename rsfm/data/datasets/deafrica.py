"""Crop or not at photo-interpreted points of five regions of Africa, from Sentinel-2 composites of two half-years.

n points
"""

import numpy as np
from jaxtyping import Float
from rasterio.warp import transform as warp_points

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.rows import Rows
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import days_since_2000, observe
from rsfm.types import Record

REGIONS = ("central", "eastern", "northern", "sahel", "south_eastern")
VAL, TEST = ("northern",), ("eastern",)
SCENES = ("not crop", "crop")
HALVES = {"S1": "2019-04-01", "S2": "2019-10-01"}  # January to June, July to December 2019; the middle of each
SPECTRUM = ("blue", "green", "red", "red_edge_1", "red_edge_2", "red_edge_3", "nir", "swir_1", "swir_2")
MM = 1e-3
GSD_M = 20.0


class DeafricaCropland(Dataset):
    """Cropland from two half-yearly Sentinel-2 geomedians, rain and slope.

    Files: `<region>.csv.gz`, a row a point with `crop` (0, 1), for both half-years (`_S1`, `_S2`) nine bands of Sentinel-2
    reflectance, NDVI and rain (mm), `slope` (degrees), and in some regions `x_6933`, `y_6933` (metres of EPSG:6933). The
    deviations (`bcdev`, `edev`, `sdev`), LAI and MNDWI are not read: the first have no band code of their own, the others
    follow from the bands. Rain becomes metres.

    Splits are whole regions: val is northern, test eastern, train the other three; each region left out in turn besides.
    """

    info = DatasetInfo(
        name="deafrica_cropland",
        title="Digital Earth Africa cropland reference points",
        url="https://github.com/digitalearthafrica/crop-mask",
        licence="Apache-2.0",
        citation="Burton et al. 2022, Co-Production of a 10-m Cropland Extent Map for Continental Africa (ESS Open Archive)",
        layout="<region>.csv.gz with crop, slope and, for S1 and S2, " + ", ".join(SPECTRUM) + ", NDVI, rain.",
        splits={
            "train": "central, sahel, south_eastern",
            "val": "northern",
            "test": "eastern",
            **{f"out_{region}_train": f"all regions but {region}" for region in REGIONS},
            **{f"out_{region}_test": region for region in REGIONS},
        },
        sensors=("geomedian_table",),
        tasks=("scene",),
        folder="deafrica_cropland",
        needs=tuple(f"{region}.csv.gz" for region in REGIONS),
    )

    def index(self) -> None:
        values, slope, crop, self.places, self.regions = [], [], [], [], []
        for region in regions_of(self.split):
            wide = [[f"{name}_{half}" for name in (*SPECTRUM, "NDVI", "rain")] for half in HALVES]
            table = Rows(self.info.name, self.folder / f"{region}.csv.gz", ("crop", "slope", *wide[0], *wide[1]))
            values.append(np.stack([table.numbers(columns) for columns in wide], 1))
            slope.append(table.numbers(["slope"])[:, 0])
            crop += table.texts("crop")
            self.places += locations(table)
            self.regions += [region] * len(table)
        unknown = sorted(set(crop) - {"0", "1"})
        if unknown:
            raise UserError(
                f"{self.info.name}: crop is {', '.join(unknown)} in some rows, expected 0 or 1. Fetch the tables again."
            )
        self.table = np.concatenate(values)
        self.table[..., -1] *= MM
        self.slope = np.concatenate(slope)
        self.crop = np.array([int(each) for each in crop])

    def __len__(self) -> int:
        return len(self.crop)

    def __getitem__(self, i: int) -> Record:
        i = self.check_index(i)
        sensor = SENSORS["geomedian_table"]
        row = np.concatenate([self.table[i], np.repeat(self.slope[i], len(HALVES))[:, None]], 1)
        days = [days_since_2000(date) for date in HALVES.values()]
        return Record(
            id=f"{self.info.name}/{self.regions[i]}/{i - self.regions.index(self.regions[i])}",
            observations={sensor.name: observe(sensor, row[:, None, None], time_days=days, gsd_m=GSD_M)},
            location_deg=self.places[i],
            scene=SCENES[self.crop[i]],
        )

    def group(self, i: int) -> str:
        return self.regions[self.check_index(i)]


def regions_of(split: str) -> list[str]:
    """The regions of a split."""
    if split.startswith("out_"):
        region, _, side = split.removeprefix("out_").rpartition("_")
        return [each for each in REGIONS if (each == region) == (side == "test")]
    return [each for each in REGIONS if split == ("val" if each in VAL else "test" if each in TEST else "train")]


def locations(table: Rows) -> list[tuple[float, float] | None]:
    """Longitude and latitude of each row, None where the table has no coordinates."""
    if not {"x_6933", "y_6933"} <= set(table.names):
        return [None] * len(table)
    xy: Float[np.ndarray, "n 2"] = table.numbers(["x_6933", "y_6933"])
    lon, lat = warp_points("EPSG:6933", "EPSG:4326", xy[:, 0], xy[:, 1])
    return [(float(x), float(y)) for x, y in zip(lon, lat, strict=True)]
