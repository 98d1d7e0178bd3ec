"""Trees of Californian cities as points on NAIP crops, for counting; three of the eight cities are never read."""

import numpy as np

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.reading import RasterFile
from rsfm.data.datasets.rows import Rows
from rsfm.data.reading.grids import location
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import days_since_2000, observe
from rsfm.types import Boxes, Record

CITIES: dict[str, tuple[str, ...]] = {
    "train": ("claremont", "long_beach", "palm_springs"),
    "val": ("riverside",),
    "test": ("santa_monica",),
}
# Set aside for evaluation by whoever keeps the project's benchmark: no split holds them, and none may be made of them.
NEVER = ("chico", "eureka", "bishop")
EDGE = 8.0  # pixels: a point becomes a box of this size, about 5 m, a small crown
LABEL = "tree"
GSD_M = 0.6


class UrbanTrees(Dataset):
    """Counting trees on crops of 256 x 256 pixels, 0.6 m, red green blue near infrared.

    Files: `images/<city>_<year>_<number>.tif` and `csv/<city>_<year>_<number>.csv` (`x,y` in pixels from the top-left corner;
    no file means no trees). A point is given as a box of 8 pixels around it, cut at the picture's edge. The date is the first
    of July of the year.

    The published split mixes years of one crop; here whole cities are apart: train Claremont, Long Beach and Palm Springs,
    val Riverside, test Santa Monica. Chico, Eureka and Bishop are not read, wherever they lie.
    """

    info = DatasetInfo(
        name="urban_trees",
        title="Urban tree detection data (California, NAIP)",
        url="https://github.com/jonathanventura/urban-tree-detection-data",
        licence="CC-BY-4.0",
        citation="Ventura et al. 2024, Individual tree detection in large-scale urban environments (IJAEOG 130)",
        layout="images/<city>_<year>_<number>.tif (4 bands) and csv/<city>_<year>_<number>.csv with x, y.",
        splits={
            split: ", ".join(city.replace("_", " ").title() for city in cities) for split, cities in CITIES.items()
        },
        sensors=("naip",),
        tasks=("counting", "detection"),
        folder="urban_trees",
        needs=("images", "csv"),
    )

    def index(self) -> None:
        names = sorted(path.stem for path in (self.folder / "images").glob("*.tif"))
        self.crops = [name for name in names if city(name) in CITIES[self.split]]

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, i: int) -> Record:
        name = self.crops[self.check_index(i)]
        raster = RasterFile(self.info.name, self.folder / "images" / f"{name}.tif", nodata=False)
        sensor = SENSORS["naip"]
        if raster.values.shape[-1] != len(sensor.bands):
            raise UserError(
                f"{self.info.name}: {name}.tif has {raster.values.shape[-1]} bands, expected 4. Fetch it again."
            )
        day = days_since_2000(f"{name.rsplit('_', 2)[1]}-07-01")
        values = raster.values[None] * np.float32(sensor.scale)
        return Record(
            id=f"{self.info.name}/{name}",
            observations={sensor.name: observe(sensor, values, time_days=[day], gsd_m=GSD_M)},
            location_deg=location(raster.grid),
            grid=raster.grid,
            boxes=self._trees(name, raster.values.shape[1], raster.values.shape[0]),
        )

    def group(self, i: int) -> str:
        return city(self.crops[self.check_index(i)])

    def _trees(self, name: str, width: int, height: int) -> Boxes:
        path = self.folder / "csv" / f"{name}.csv"
        points = Rows(self.info.name, path, ("x", "y")).numbers(["x", "y"]) if path.is_file() else np.zeros((0, 2))
        low = np.clip(points - EDGE / 2, 0, (width, height))
        high = np.clip(points + EDGE / 2, 0, (width, height))
        corners = np.stack([low, np.stack([high[:, 0], low[:, 1]], 1), high, np.stack([low[:, 0], high[:, 1]], 1)], 1)
        return Boxes(corners=corners, labels=(LABEL,) * len(points))


def city(name: str) -> str:
    """The city of a crop. Raises UserError for a crop of a city nobody knows, so that no stranger slips into a split."""
    place = name.rsplit("_", 2)[0]
    if place not in NEVER and not any(place in cities for cities in CITIES.values()):
        raise UserError(f"urban_trees: the city of {name}.tif is not one of the published eight. Take the file away.")
    return place
