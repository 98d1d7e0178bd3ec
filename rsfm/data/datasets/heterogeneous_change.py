"""Five pairs of pictures of one place, some by different sensors, with what changed between them."""

import numpy as np
from jaxtyping import Float, UInt8

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.reading import read_picture
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.types import Mask, Observation, Record

LEGEND = ("no change", "change")
# pair -> ending, sensors of the first and second picture, metres of a pixel
PAIRS: dict[str, tuple[str, tuple[str, str], float]] = {
    "yellow_A": ("png", ("radarsat2_picture", "radarsat2_picture"), 8.0),
    "yellow_B": ("png", ("radarsat2_picture", "radarsat2_picture"), 8.0),
    "yellow_D": ("png", ("radarsat2_picture", "radarsat2_picture"), 8.0),
    "Italy": ("png", ("landsat5_tm", "aerial_rgb"), 30.0),
    "beijing_A": ("jpg", ("aerial_rgb", "aerial_rgb"), 1.0),
}
PLACES = {"train": ("yellow_A", "yellow_B", "yellow_D"), "val": ("Italy",), "test": ("beijing_A",)}
NEAR_INFRARED = ("B4",)


class HeterogeneousChange(Dataset):
    """Change between a first and a second picture: radar and radar, near infrared and colour, colour and colour.

    Files: `<pair>_1`, `<pair>_2` (8-bit pictures) and `<pair>_gt.png` (0, 255). The three pairs of the Yellow River estuary
    are Radarsat-2 amplitudes, read as dB below white (black is 48 dB below); Italy is Landsat 5's near-infrared band (8-bit
    counts read as 0..1 brightness) and an optical picture; Beijing two optical ones. Two pictures of one sensor are two dates
    of one observation, two sensors are two observations; dates are unknown. Pixel sizes are those of the studies, rounded.

    Splits are by place: train is the Yellow River, val Italy, test Beijing.
    """

    info = DatasetInfo(
        name="heterogeneous_change",
        title="Change pairs across sensors",
        url="https://github.com/yulisun/INLPG",
        licence="Apache-2.0",
        citation="Sun, Lei, Li et al. 2021, Nonlocal patch similarity based heterogeneous remote sensing change detection "
        "(Pattern Recognition 109)",
        layout="<pair>_1, <pair>_2 (.png or .jpg) and <pair>_gt.png for the pairs " + ", ".join(PAIRS) + ".",
        splits={split: " and ".join(pairs) for split, pairs in PLACES.items()},
        sensors=("radarsat2_picture", "landsat5_tm", "aerial_rgb"),
        tasks=("change", "segmentation", "vqa"),
        folder="heterogeneous_change",
        needs=tuple(f"{pair}_gt.png" for pair in PAIRS),
    )

    def index(self) -> None:
        self.pairs = PLACES[self.split]

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, i: int) -> Record:
        pair = self.pairs[self.check_index(i)]
        ending, sensors, gsd_m = PAIRS[pair]
        names = (f"{pair}_1.{ending}", f"{pair}_2.{ending}", f"{pair}_gt.png")
        *pictures, truth = (read_picture(self.info.name, self.folder / name) for name in names)
        if len({picture.shape for picture in (*pictures, truth)}) != 1:
            sizes = ", ".join(f"{name} {p.shape[:2]}" for name, p in zip(names, (*pictures, truth), strict=True))
            raise UserError(f"{self.info.name}: expected pictures of one size, found {sizes}. Fetch the pair again.")
        return Record(
            id=f"{self.info.name}/{pair}",
            observations=observations(sensors, pictures, gsd_m),
            mask=Mask(class_index=(truth[..., 0] > 127).astype(np.int64), legend=LEGEND),
        )

    def group(self, i: int) -> str:
        return self.pairs[self.check_index(i)].partition("_")[0]


def observations(
    sensors: tuple[str, str], pictures: list[UInt8[np.ndarray, "h w 3"]], gsd_m: float
) -> dict[str, Observation]:
    """The pictures as dates of one observation, or as one observation each where the sensors differ."""
    seen = [physical(sensor, picture) for sensor, picture in zip(sensors, pictures, strict=True)]
    series = {sensor: np.stack([v for s, v in zip(sensors, seen, strict=True) if s == sensor]) for sensor in sensors}
    return {
        name: observe(
            SENSORS[name],
            values,
            time_days=[float("nan")] * len(values),
            gsd_m=gsd_m,
            bands=NEAR_INFRARED if name == "landsat5_tm" else None,
        )
        for name, values in series.items()
    }


def physical(sensor: str, picture: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w c"]:
    """8-bit counts in the unit of the sensor's bands: brightness 0..1, or decibels below white."""
    if SENSORS[sensor].family == "sar":
        return decibels_below_white(picture[..., :1])
    channels = picture if len(SENSORS[sensor].bands) == 3 else picture[..., :1]
    return channels.astype(np.float32) / np.float32(255)


def decibels_below_white(counts: UInt8[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """20 log10 of 8-bit amplitudes over 255; 0 counts as 1, 48 dB below white."""
    return (20 * np.log10(np.maximum(counts, 1).astype(np.float32) / 255)).astype(np.float32)
