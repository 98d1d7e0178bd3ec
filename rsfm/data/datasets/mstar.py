"""MSTAR: X-band SAR chips of ten vehicles, trained at 17 and tested at 15 degrees of depression."""

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.heterogeneous_change import decibels_below_white
from rsfm.data.datasets.reading import read_picture
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.types import Record

# Folder 0..9 of the copy: their sizes are those of the published table in alphabetical order of the vehicles.
CLASSES = ("2S1", "BMP2", "BRDM2", "BTR60", "BTR70", "D7", "T62", "T72", "ZIL131", "ZSU234")
FOLDERS = {"train": "train", "val": "train", "trainval": "train", "test": "val"}
VAL_FROM = (
    0.8  # share of the training chips of a class, in the order of their numbers (aspect angles), before val begins
)
GSD_M = 0.3


class Mstar(Dataset):
    """The vehicle in a SAR chip of 128 x 128 pixels, 0.3 m.

    Files: `train/<class>/<number>.jpeg` (17 degrees of depression, 2,747 chips) and `val/<class>/<number>.jpeg` (15 degrees,
    2,425), 8-bit magnitudes read as dB below white. The class is a digit, see CLASSES. Train and test are the standard
    operating condition; val is the last fifth of each class's training chips in the order of their numbers, so that the
    aspect angles of val are a sector of their own; `trainval` is all of 17 degrees.
    """

    info = DatasetInfo(
        name="mstar",
        title="MSTAR ten targets, standard operating condition",
        url="https://www.sdms.afrl.af.mil (chips: https://github.com/hunterlew/mstar_deeplearning_project, its data/mstar)",
        licence="public release by AFRL, see its page; none stated by the copy",
        citation="Ross et al. 1998, Standard SAR ATR evaluation experiments using the MSTAR public release data set (SPIE 3370)",
        layout="train/<0-9>/<number>.jpeg (17 degrees) and val/<0-9>/<number>.jpeg (15 degrees).",
        splits={
            "train": "four fifths of the chips at 17 degrees",
            "val": "the last fifth of each class at 17 degrees",
            "test": "the chips at 15 degrees",
            "trainval": "all chips at 17 degrees",
        },
        sensors=("xband_sar",),
        tasks=("scene",),
        folder="mstar",
        needs=("train", "val"),
    )

    def index(self) -> None:
        self.chips: list[tuple[int, str]] = []
        for label in range(len(CLASSES)):
            names = sorted(path.name for path in (self.folder / FOLDERS[self.split] / str(label)).glob("*.jp*g"))
            border = round(VAL_FROM * len(names))
            chosen = {"train": names[:border], "val": names[border:]}.get(self.split, names)
            self.chips += [(label, name) for name in chosen]

    def __len__(self) -> int:
        return len(self.chips)

    def __getitem__(self, i: int) -> Record:
        label, name = self.chips[self.check_index(i)]
        sensor, path = SENSORS["xband_sar"], self.folder / FOLDERS[self.split] / str(label) / name
        counts = read_picture(self.info.name, path)[..., :1]
        if min(counts.shape[:2]) < 2:
            raise UserError(f"{self.info.name}: {path} is {counts.shape[:2]} pixels, expected a chip. Fetch it again.")
        seen = observe(sensor, decibels_below_white(counts)[None], time_days=[float("nan")], gsd_m=GSD_M)
        return Record(
            id=f"{self.info.name}/{FOLDERS[self.split]}/{name.partition('.')[0]}",
            observations={sensor.name: seen},
            scene=CLASSES[label],
        )

    def group(self, i: int) -> str:
        label, name = self.chips[self.check_index(i)]
        return f"{FOLDERS[self.split]} {label} {name}"
