"""Tree crowns in 0.1 m aerial pictures: boxes, and the number of trees in each crop."""

import csv
from pathlib import Path

import numpy as np
from jaxtyping import Float

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.boxes import centre_inside, counted_from
from rsfm.data.datasets.reading import RasterFile
from rsfm.data.reading.grids import location, moved
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.types import Boxes, Record, Value

PICTURES = {"train": ("OSBS_029.tif", "OSBS_029.csv"), "test": ("SOAP_061.png", "testfile_multi.csv")}
CROP = 160  # pixels: 16 m
STARTS = {"train": range(0, 241, 40), "test": range(0, 241, 120)}
GSD_M = 0.1


class DeepForest(Dataset):
    """Tree counting and crown detection.

    Files: `OSBS_029.tif` with `OSBS_029.csv` (61 crowns, Florida, flat pine forest) and `SOAP_061.png` with
    `testfile_multi.csv` (37 crowns, California, open mountain woodland); the tables have image_path, xmin, ymin, xmax,
    ymax, label. Both pictures are 400 x 400 pixels of 0.1 m.

    Records are crops of 160 x 160 pixels. `train`: all of OSBS_029, a crop every 40 pixels; `test`: SOAP_061, held out
    whole, nine crops that cover it. A crown belongs to a crop when its centre is inside; its box may reach over the
    edge.
    All crowns are labelled "tree"; SOAP_061's own labels Alive and Dead have no counterpart in the training picture.
    """

    info = DatasetInfo(
        name="deepforest",
        title="DeepForest sample pictures (NEON)",
        url="https://pypi.org/project/deepforest (2.1.0, folder deepforest/data)",
        licence="MIT",
        citation="Weinstein et al. 2020, DeepForest (Methods in Ecology and Evolution 11)",
        layout="OSBS_029.tif, OSBS_029.csv, SOAP_061.png, testfile_multi.csv.",
        splits={"train": "crops of OSBS_029", "test": "crops of SOAP_061, held out whole"},
        sensors=("aerial_rgb",),
        tasks=("counting", "vqa", "detection"),
        folder="deepforest",
        needs=("OSBS_029.tif", "OSBS_029.csv", "SOAP_061.png", "testfile_multi.csv"),
    )

    def index(self) -> None:
        picture, table = PICTURES[self.split]
        self.picture = self.folder / picture
        self.corners = _crowns(self.folder / table, self.picture.stem)
        self.raster = RasterFile(self.info.name, self.picture, nodata=False)
        self.starts = [(row, column) for row in STARTS[self.split] for column in STARTS[self.split]]

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, i: int) -> Record:
        row, column = self.starts[self.check_index(i)]
        sensor = SENSORS["aerial_rgb"]
        pixels = self.raster.values[row : row + CROP, column : column + CROP, :3]
        here = centre_inside(self.corners, row, column, pixels.shape[0], pixels.shape[1])
        corners = counted_from(self.corners[here], row, column)
        grid = None if self.raster.grid.crs is None else moved(self.raster.grid, row, column, *pixels.shape[:2])
        return Record(
            id=f"deepforest/{self.picture.stem}_{row}_{column}",
            observations={
                sensor.name: observe(
                    sensor, pixels[None] * np.float32(sensor.scale), time_days=[float("nan")], gsd_m=GSD_M
                )
            },
            location_deg=None if grid is None else location(grid),
            grid=grid,
            boxes=Boxes(corners=corners, labels=("tree",) * len(corners)),
            values=(Value(name="trees", value=float(len(corners)), unit=""),),
        )

    def group(self, i: int) -> str:
        self.check_index(i)
        return self.picture.stem


def _crowns(path: Path, stem: str) -> Float[np.ndarray, "n 4 2"]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["image_path"].rsplit(".", 1)[0] == stem]
    if not rows:
        raise UserError(f"deepforest: {path} lists no crown of {stem}. Fetch the table again.")
    x0, y0, x1, y1 = (np.array([float(row[k]) for row in rows], np.float32) for k in ("xmin", "ymin", "xmax", "ymax"))
    return np.stack([np.stack([x0, x1, x1, x0], 1), np.stack([y0, y0, y1, y1], 1)], -1)
