"""Landsat 7 pair of Taizhou, 2000 and 2003, with hand-labelled change."""

import numpy as np

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.reading import RasterFile, class_numbers
from rsfm.data.reading.grids import location, moved
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import days_since_2000, observe
from rsfm.types import Mask, Record

FILE = "taizhou.tif"
LEGEND = ("no change", "change")
BANDS = 6
DATES = ("2000-03-17", "2003-02-06")
BORDER = 0.6  # share of the columns, from the west, that is training ground
GSD_M = 30.0


class LandsatChange(Dataset):
    """Change between two dates on one scene.

    File: `taizhou.tif`, 13 bands of 400 x 400 pixels of 30 m: six reflective ETM+ bands of each date (8-bit counts, read as
    0..1 brightness: they are not calibrated), and the label (1 change, 0 none, 255 unlabelled: seven eighths). The dates are
    those of the study. The western 60 percent of the columns is train, the rest test.
    """

    info = DatasetInfo(
        name="landsat_change",
        title="Taizhou Landsat change pair",
        url="https://github.com/ChenHongruixuan/ChangeDetectionRepository",
        licence="MIT",
        citation="Wu, Du, Cui, Zhang 2017, A post-classification change detection method (Remote Sensing of Environment 199)",
        layout=f"{FILE} with 13 bands: six of the first date, six of the second, the label.",
        splits={"train": "the western 60 percent of the columns", "test": "the eastern 40 percent"},
        sensors=("landsat7_etm",),
        tasks=("change", "segmentation", "vqa"),
        folder="landsat_change",
        needs=(FILE,),
    )

    def index(self) -> None:
        raster = RasterFile(self.info.name, self.folder / FILE, nodata=False)
        if raster.values.shape[-1] != 2 * BANDS + 1:
            raise UserError(
                f"{self.info.name}: {FILE} has {raster.values.shape[-1]} bands, expected {2 * BANDS + 1}. Fetch it again."
            )
        width = raster.values.shape[1]
        border = round(BORDER * width)
        first, last = (0, border) if self.split == "train" else (border, width)
        self.values = raster.values[:, first:last]
        self.grid = moved(raster.grid, 0, first, raster.grid.height, last - first)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, i: int) -> Record:
        self.check_index(i)
        sensor = SENSORS["landsat7_etm"]
        pair = np.stack([self.values[..., :BANDS], self.values[..., BANDS : 2 * BANDS]]) / np.float32(255)
        label = class_numbers(self.values[..., -1])
        seen = observe(sensor, pair, time_days=[days_since_2000(date) for date in DATES], gsd_m=GSD_M)
        return Record(
            id=f"{self.info.name}/{self.split}",
            observations={sensor.name: seen},
            location_deg=location(self.grid),
            grid=self.grid,
            mask=Mask(class_index=np.where(label < len(LEGEND), label, -1), legend=LEGEND),
        )

    def group(self, i: int) -> str:
        self.check_index(i)
        return f"columns of {self.split}"
