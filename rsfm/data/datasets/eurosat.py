"""EuroSAT in RGB: 27,000 Sentinel-2 chips of 64 x 64 pixels in ten classes."""

import json

import numpy as np

from rsfm.data.datasets.base import Dataset, DatasetInfo, read_error
from rsfm.data.datasets.reading import read_picture
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.types import Record

CLASSES: dict[str, str] = {
    "AnnualCrop": "annual crop",
    "Forest": "forest",
    "HerbaceousVegetation": "herbaceous vegetation",
    "Highway": "highway",
    "Industrial": "industrial",
    "Pasture": "pasture",
    "PermanentCrop": "permanent crop",
    "Residential": "residential",
    "River": "river",
    "SeaLake": "sea or lake",
}
SPLIT_FILE, PICTURES = "train_test_split.json", "EuroSAT_RGB"
VAL_EVERY = 10  # every tenth training chip, in the order of the split file's names, is val
GSD_M = 10.0


class EuroSat(Dataset):
    """Land use of a chip from its RGB picture.

    Files: `EuroSAT_RGB/<Class>/<Class>_<number>.jpg` and `train_test_split.json` of Presto's evaluation: the names of the
    chips (with any ending) under `train` and `test`. Val is every tenth training chip by name, train the others; `trainval`
    is the whole published training part. Places are not published with the RGB chips, so that neighbours may be apart.
    """

    info = DatasetInfo(
        name="eurosat_rgb",
        title="EuroSAT RGB",
        url="https://zenodo.org/records/7711810 (split: https://github.com/nasaharvest/presto, data/eurosat)",
        licence="MIT; contains modified Copernicus Sentinel data",
        citation="Helber et al. 2019, EuroSAT (IEEE JSTARS 12)",
        layout=f"{PICTURES}/<Class>/<Class>_<number>.jpg and {SPLIT_FILE} with the names under train and test.",
        splits={
            "train": "nine tenths of the published training part",
            "val": "every tenth chip of the published training part",
            "test": "the published test part",
            "trainval": "the published training part",
        },
        sensors=("aerial_rgb",),
        tasks=("scene",),
        folder="eurosat",
        needs=(SPLIT_FILE, PICTURES),
    )

    def index(self) -> None:
        path = self.folder / SPLIT_FILE
        try:
            parts = json.loads(path.read_text(encoding="utf-8"))
            names = sorted(
                name.rpartition(".")[0] or name for name in parts["test" if self.split == "test" else "train"]
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise read_error(self.info.name, path, error) from error
        if self.split in ("train", "val"):
            names = [name for i, name in enumerate(names) if (i % VAL_EVERY == 0) == (self.split == "val")]
        self.names = names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: int) -> Record:
        name = self.names[self.check_index(i)]
        folder = name.partition("_")[0]
        sensor, picture = SENSORS["aerial_rgb"], self.folder / PICTURES / folder / f"{name}.jpg"
        values = read_picture(self.info.name, picture)[None].astype(np.float32) * np.float32(sensor.scale)
        return Record(
            id=f"{self.info.name}/{name}",
            observations={sensor.name: observe(sensor, values, time_days=[float("nan")], gsd_m=GSD_M)},
            scene=CLASSES.get(folder, folder),
        )

    def group(self, i: int) -> str:
        return self.names[self.check_index(i)]
