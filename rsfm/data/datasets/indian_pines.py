"""Indian Pines: one AVIRIS cube of farmland with 16 classes, split by blocks of the ground, not by pixels.

h w pixels · k labelled pixels
"""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.reading import read_array
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import days_since_2000, observe
from rsfm.types import Mask, Record

LEGEND = (
    "alfalfa",
    "corn no-till",
    "corn min-till",
    "corn",
    "grass pasture",
    "grass trees",
    "grass pasture mowed",
    "hay windrowed",
    "oats",
    "soybean no-till",
    "soybean min-till",
    "soybean clean",
    "wheat",
    "woods",
    "buildings grass trees drives",
    "stone steel towers",
)
ACQUIRED = "1992-06-12"
LOCATION_DEG = (-86.94, 40.46)  # west of West Lafayette, Indiana
GSD_M = 20.0
BLOCK = 24  # pixels
TRAIN_SHARE, VAL_SHARE, LEAST_PIXELS = 0.3, 0.2, 10


class IndianPines(Dataset):
    """Hyperspectral pixel classification, protocol `disjoint30`.

    Files: `Indian_pines_corrected.npy` (145 x 145 x 200 uint16, 20 water bands removed) and `Indian_pines_gt.npy`
    (0 unlabelled, 1-16). A split is one record: the whole cube, with the labels of all other splits hidden (-1).

    Protocol disjoint30: the scene is cut in blocks of 24 x 24 pixels; the blocks are shuffled by
    `numpy.random.default_rng(seed)` and added to `trainval` until it holds 30 % of the labelled pixels; `test` is the
    rest. `val` is made of whole blocks of `trainval`, taken from the last drawn back, skipping a block that would leave
    `train` with fewer than ten pixels of a class it has, until a fifth of the pixels are in. With seed 0 four of the 16
    classes (corn, grass pasture, grass pasture mowed, oats) have no training pixel at all.

    Args:
        seed: seed of the shuffle; the protocol's mean is over 0, 1, 2.
    """

    info = DatasetInfo(
        name="indian_pines",
        title="Indian Pines (AVIRIS, 200 bands)",
        url="https://purr.purdue.edu/publications/1947 (arrays: tensorly 0.10.0 on PyPI)",
        licence="free for research, see the Purdue page; the copy is in tensorly (BSD-3-Clause)",
        citation="Baumgardner, Biehl, Landgrebe 2015, 220 Band AVIRIS Hyperspectral Image Data Set",
        layout="Indian_pines_corrected.npy (145 x 145 x 200) and Indian_pines_gt.npy (145 x 145, 0-16).",
        splits={
            "train": "disjoint30 blocks of 24 x 24 pixels, seed 0, without val",
            "val": "whole blocks of disjoint30's training part, about a quarter of its pixels",
            "test": "all other labelled pixels",
            "trainval": "the 30 % of disjoint30: train and val together",
        },
        sensors=("aviris_indian_pines",),
        tasks=("segmentation", "vqa"),
        folder="indian_pines",
        needs=("Indian_pines_corrected.npy", "Indian_pines_gt.npy"),
    )

    def __init__(self, root: Path | str, split: str, *, seed: int = 0) -> None:
        self.seed = seed
        super().__init__(root, split)

    def index(self) -> None:
        self.truth = read_array(self.info.name, self.folder / "Indian_pines_gt.npy").astype(np.int64)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, i: int) -> Record:
        self.check_index(i)
        sensor = SENSORS["aviris_indian_pines"]
        cube = read_array(self.info.name, self.folder / "Indian_pines_corrected.npy")
        if cube.shape[:2] != self.truth.shape or self.truth.max() > len(LEGEND):
            raise UserError(
                f"indian_pines: the cube is {cube.shape} and the ground truth {self.truth.shape} with classes up to "
                f"{self.truth.max()}; expected one grid and classes 0-{len(LEGEND)}. Fetch both arrays again."
            )
        values = (cube.astype(np.float32) * np.float32(sensor.scale) + np.float32(sensor.offset))[None]
        observation = observe(sensor, values, time_days=[days_since_2000(ACQUIRED)], gsd_m=GSD_M)
        labels = np.where(disjoint30(self.truth, self.seed)[self.split], self.truth - 1, -1)
        return Record(
            id=f"indian_pines/{self.split}",
            observations={sensor.name: observation},
            location_deg=LOCATION_DEG,
            mask=Mask(class_index=labels, legend=LEGEND),
        )

    def group(self, i: int) -> str:
        self.check_index(i)
        return f"blocks of {self.split}"


def disjoint30(truth: Int[np.ndarray, "h w"], seed: int) -> dict[str, Bool[np.ndarray, "h w"]]:
    """Which labelled pixels belong to train, val, test and trainval. `truth` is 0 where unlabelled."""
    where = np.argwhere(truth > 0)
    label = truth[truth > 0]
    block = (where // BLOCK) @ np.array([100, 1])
    ids = np.unique(block)
    np.random.default_rng(seed).shuffle(ids)
    trainval, taken = np.zeros(len(label), bool), []
    for b in ids:
        if trainval.sum() > TRAIN_SHARE * len(label):
            break
        trainval |= block == b
        taken.append(b)
    val = _held_out(label, block, trainval, taken)
    return {
        name: _on_grid(truth, chosen)
        for name, chosen in {"train": trainval & ~val, "val": val, "test": ~trainval, "trainval": trainval}.items()
    }


def _held_out(
    label: Int[np.ndarray, " k"], block: Int[np.ndarray, " k"], trainval: Bool[np.ndarray, " k"], taken: list[np.int64]
) -> Bool[np.ndarray, " k"]:
    val = np.zeros(len(label), bool)
    for b in reversed(taken):
        if val.sum() >= VAL_SHARE * trainval.sum():
            break
        left = np.bincount(label[trainval & ~val & (block != b)], minlength=len(LEGEND) + 1)
        touched = np.unique(label[block == b])
        if (left[touched] >= LEAST_PIXELS).all():
            val |= block == b
    return val


def _on_grid(truth: Int[np.ndarray, "h w"], chosen: Bool[np.ndarray, " k"]) -> Bool[np.ndarray, "h w"]:
    grid = np.zeros(truth.shape, bool)
    grid[truth > 0] = chosen
    return grid
