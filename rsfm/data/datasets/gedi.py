"""One Landsat chip with a number for a few of its pixels: pixel-wise regression from sparse labels.

h w pixels · k labelled pixels
"""

import dataclasses
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.reading import RasterFile
from rsfm.data.reading.grids import location
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.types import PURE, MapScale, Record, ValueMap

PICTURE, LABEL = "regression_test_0_input.tif", "regression_test_0_label.tif"
GSD_M = 30.0
UNLABELLED = -1.0
FIRST, LAST = 1, 7  # rasters 2 to 7 are the six bands of the sensor "hls"
BLOCK, APART = 32, 3  # pixels: edge of the blocks of a split; labels of two splits are further apart than this
HELD_OUT = 0.2  # of the labelled pixels, at most, in test and in val
# Eighths of the 127 training labels, rounded to two digits; the outer two are the training range, rounded outwards.
EDGES = (1.2, 1.5, 1.7, 2.3, 4.0, 5.8, 7.3, 10.0, 24.0)
CANOPY = MapScale(name="canopy label", unit=PURE, edges=EDGES)


class Gedi(Dataset):
    """A number for 246 pixels of one HLS chip in Texas, along tracks as those of the GEDI lidar.

    Files: `regression_test_0_input.tif` (10 x 224 x 224, 30 m) and `regression_test_0_label.tif` (-1 = unlabelled). Neither
    what the label is nor its unit is documented: it is named "canopy label", of unit "1". Nor are the bands or the date.
    From their values we take the bands to be those of HLS L30 in its order: coastal, blue, green, red, NIR, SWIR 1 and 2 as
    reflectance x 10^4, then cirrus and two thermal ones, which are not read. Pixels where one of the six is not positive
    (0 = nodata; less = overcorrected) are invalid; all labelled ones are valid.

    Splits are by place. The chip is cut in blocks of 32 x 32 pixels; shuffled by `numpy.random.default_rng(0)`, each with
    labels goes to `test` if that leaves test with at most a fifth of the labelled pixels, else likewise to `val`, else to
    `train`. Labels of train within 3 pixels of one of val or test are left out, and those of val so near to test: 26 of the
    246. A split is one record: the whole chip with its own labels, all others hidden (NaN). So the picture is seen whole in
    every split (transductive in the picture), the labels are not.
    """

    info = DatasetInfo(
        name="gedi_chip",
        title="HLS chip with GEDI-like labels (TerraTorch test resources)",
        url="https://github.com/IBM/terratorch (tests/resources)",
        licence="Apache-2.0",
        citation="Gomes et al. 2025, TerraTorch: The Geospatial Foundation Models Toolkit (arXiv:2503.20563)",
        layout=f"{PICTURE} (10 bands, 224 x 224) and {LABEL} (one band, the same grid, -1 = unlabelled).",
        splits={
            "train": "127 labelled pixels in blocks of 32 x 32 pixels, drawn by seed 0",
            "val": "44 labelled pixels in other blocks",
            "test": "49 labelled pixels in other blocks",
        },
        sensors=("hls",),
        tasks=("value_map",),
        folder="terratorch_gedi",
        needs=(PICTURE, LABEL),
    )

    maps = (CANOPY,)

    def index(self) -> None:
        self.label = RasterFile(self.info.name, self.folder / LABEL)
        found = self.label.values[..., 0]
        self.values = np.where(self.label.valid & (found != UNLABELLED), found, np.float32(np.nan))
        self.chosen = split_blocks(np.isfinite(self.values))[self.split]

    def __len__(self) -> int:
        return int(self.chosen.any())

    def __getitem__(self, i: int) -> Record:
        self.check_index(i)
        sensor = SENSORS["hls"]
        picture = RasterFile(self.info.name, self.folder / PICTURE, sensor=sensor)
        _check(self.folder / PICTURE, picture.values, self.values)
        numbers = picture.values[..., FIRST:LAST]
        valid = picture.valid & (numbers > 0).all(-1)
        observation = observe(
            sensor,
            numbers[None] * np.float32(sensor.scale),
            valid=valid[None],
            time_days=[float("nan")],
            gsd_m=GSD_M,
        )
        values = np.where(self.chosen, self.values, np.float32(np.nan))
        return Record(
            id=f"gedi_chip/{self.split}",
            observations={sensor.name: observation},
            location_deg=location(self.label.grid),
            grid=self.label.grid,
            value_map=ValueMap(values=values, **dataclasses.asdict(CANOPY)),
        )

    def group(self, i: int) -> str:
        self.check_index(i)
        return f"blocks of {self.split}"


def split_blocks(labelled: Bool[np.ndarray, "h w"]) -> dict[str, Bool[np.ndarray, "h w"]]:
    """Which labelled pixels belong to train, val and test, see Gedi."""
    where = np.argwhere(labelled)
    blocks, block = np.unique(where // BLOCK, axis=0, return_inverse=True)
    block, most = block.reshape(-1), HELD_OUT * len(where)
    rank = np.full(len(where), 2)  # 0 test, 1 val, 2 train
    for b in np.random.default_rng(0).permutation(len(blocks)):
        size = int((block == b).sum())
        rank[block == b] = next((r for r in (0, 1) if (rank == r).sum() + size <= most), 2)
    distance = np.abs(where[:, None] - where[None]).max(-1)
    near = ((distance <= APART) & (rank[None] < rank[:, None])).any(1)
    out = {}
    for r, name in enumerate(("test", "val", "train")):
        out[name] = np.zeros(labelled.shape, bool)
        out[name][tuple(where[(rank == r) & ~near].T)] = True
    return out


def _check(path: Path, picture: Float[np.ndarray, "_ _ c"], values: Float[np.ndarray, "h w"]) -> None:
    if picture.shape[:2] != values.shape or picture.shape[-1] < LAST:
        raise UserError(
            f"gedi_chip: {path} is {picture.shape} (rows, columns, bands) and the label {values.shape}; expected one grid "
            f"and at least {LAST} bands. Fetch both files again."
        )
