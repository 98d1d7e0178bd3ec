"""EnMAP tiles of Potsdam, 224 bands, with six land-cover classes."""

import numpy as np

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.reading import RasterFile, class_numbers
from rsfm.data.datasets.rows import Rows
from rsfm.data.reading.grids import location
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import days_since_2000, observe
from rsfm.types import Mask, Record

LEGEND = ("roof", "pavement", "low vegetation", "tree", "soil", "water")
TABLES = {"train": "train_files.csv", "val": "validation_files.csv", "test": "test_files.csv"}
GSD_M = 30.0


class EnmapPotsdam(Dataset):
    """Land cover of 18 tiles of 32 x 32 pixels, 30 m.

    Files: `train_files.csv`, `validation_files.csv` and `test_files.csv` (columns `image`, `mask`: paths), `images/*.tif`
    (224 bands, reflectance x 10^4, nodata -32768, date in the tag `start_time`) and `labels/*.tif` (0 unlabelled, 1-6). The
    tiles' own wavelengths are within 1.1 nm of the sensor's table, which is used. Splits are the published lists; tiles of
    different lists may be neighbours but do not overlap.
    """

    info = DatasetInfo(
        name="enmap_potsdam",
        title="EnMAP tiles of Potsdam (EnMAP-Box, SpecDeepMap)",
        url="https://github.com/EnMAP-Box/enmap-box (tests/testdata/external/specdeepmap/test_requierments)",
        licence="GPL-3.0 (EnMAP-Box); EnMAP data (c) DLR",
        citation="EnMAP-Box Developers 2025, EnMAP-Box 3; Storch et al. 2023, The EnMAP imaging spectroscopy mission (RSE 294)",
        layout="train_files.csv, validation_files.csv, test_files.csv with image and mask; images/*.tif, labels/*.tif.",
        splits={"train": "14 tiles", "val": "2 tiles", "test": "2 tiles"},
        sensors=("enmap",),
        tasks=("segmentation", "vqa"),
        folder="enmap_potsdam",
        needs=tuple(TABLES.values()),
    )

    def index(self) -> None:
        table = Rows(self.info.name, self.folder / TABLES[self.split], ("image", "mask"))
        self.tiles = list(zip(table.texts("image"), table.texts("mask"), strict=True))

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, i: int) -> Record:
        image, mask = self.tiles[self.check_index(i)]
        sensor = SENSORS["enmap"]
        picture = RasterFile(self.info.name, self.folder / image, sensor=sensor)
        label = RasterFile(self.info.name, self.folder / mask)
        if picture.values.shape[-1] != len(sensor.bands) or picture.values.shape[:2] != label.values.shape[:2]:
            raise UserError(
                f"{self.info.name}: {image} is {picture.values.shape} and {mask} {label.values.shape}; expected one grid and "
                f"{len(sensor.bands)} bands. Fetch the tile again."
            )
        day = days_since_2000(picture.tags["start_time"]) if "start_time" in picture.tags else float("nan")
        values = picture.values[None] * np.float32(sensor.scale)
        return Record(
            id=f"{self.info.name}/{image.rpartition('/')[2].removesuffix('.tif')}",
            observations={
                sensor.name: observe(sensor, values, valid=picture.valid[None], time_days=[day], gsd_m=GSD_M)
            },
            location_deg=location(picture.grid),
            grid=picture.grid,
            mask=Mask(class_index=np.maximum(class_numbers(label.values[..., 0]) - 1, -1), legend=LEGEND),
        )

    def group(self, i: int) -> str:
        return self.tiles[self.check_index(i)][0]
