"""Sentinel-2 patches of 18 places on all continents with weak land cover from Dynamic World.

h w pixels · c bands
"""

import json

import numpy as np
from jaxtyping import Bool, Float

from rsfm.data.datasets.base import Dataset, DatasetInfo, read_error
from rsfm.data.datasets.reading import RasterFile, class_numbers
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.types import Mask, Record

# Dynamic World's classes in the order of its bands (Brown et al. 2022).
LEGEND = (
    "water",
    "trees",
    "grass",
    "flooded vegetation",
    "crops",
    "shrub and scrub",
    "built",
    "bare",
    "snow and ice",
)
SNOW = LEGEND.index("snow and ice")
GREEN, SWIR = 2, 10  # B03 and B11 among the bands
GSD_M = 10.0
LEAST_CONFIDENCE = 0.4
SNOW_INDEX = 0.4  # normalized difference of green and short-wave infrared: snow has more, water clouds less
OFFSET, DARKEST, DARK_SHARE = (
    1000.0,
    700.0,
    0.05,
)  # number added since baseline 04.00; least number that shows it; percent
VAL = ("patch_25630", "patch_57755", "patch_61808", "patch_75123")
TEST = ("patch_445", "patch_502692", "patch_511198", "patch_766272")


class SatclipS2(Dataset):
    """Weak land cover at 10 m on 256 x 256 pixels, one patch a place.

    Files: `index.json` (a list of {file, lat, lon}), `<patch>.tif` (12 Sentinel-2 L2A bands, uint16) and `<patch>_dw.tif`
    (Dynamic World's likeliest class, and its probability x 255). Dates are unknown.

    Nothing in the files says whether reflectance carries the +1000 of processing baseline 04.00, so the numbers do: it is
    taken off where the darkest 0.05 percent of the darkest band still has 700. Of the 18 patches eight have at least 866
    there and ten at most 283. Pixels with a 0 in any band are invalid.

    The labels are a model's, with a mean probability of .4: pixels below .4 are unlabelled. Where the model says snow and the
    normalized difference of green and short-wave infrared is below .4, it saw a cloud: such pixels are invalid and unlabelled.
    Each patch is a place of its own; val and test are four each, a forest, a farmland, a desert or an ice field among them.
    """

    info = DatasetInfo(
        name="satclip_s2_global",
        title="Sentinel-2 patches of all continents (SatCLIP's examples) with Dynamic World",
        url="https://github.com/microsoft/satclip",
        licence="MIT",
        citation="Klemmer et al. 2023, SatCLIP (arXiv:2311.17179); Brown et al. 2022, Dynamic World (Scientific Data 9)",
        layout="index.json with file, lat, lon; <patch>.tif (12 bands) and <patch>_dw.tif (class, probability x 255).",
        splits={
            "train": "all patches but those of val and test",
            "val": "four patches, four places",
            "test": "four other patches, four places",
        },
        sensors=("sentinel2_l2a",),
        tasks=("segmentation", "vqa"),
        folder="satclip_s2_global",
        needs=("index.json",),
    )

    def index(self) -> None:
        path = self.folder / "index.json"
        part = {**dict.fromkeys(VAL, "val"), **dict.fromkeys(TEST, "test")}
        try:
            rows = [
                (row["file"].removesuffix(".tif"), (float(row["lon"]), float(row["lat"])))
                for row in json.loads(path.read_text(encoding="utf-8"))
            ]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise read_error(self.info.name, path, error) from error
        self.patches = [(patch, place) for patch, place in rows if part.get(patch, "train") == self.split]

    def __len__(self) -> int:
        return len(self.patches)

    def __getitem__(self, i: int) -> Record:
        patch, place = self.patches[self.check_index(i)]
        sensor = SENSORS["sentinel2_l2a"]
        picture = RasterFile(self.info.name, self.folder / f"{patch}.tif", sensor=sensor)
        weak = RasterFile(self.info.name, self.folder / f"{patch}_dw.tif")
        if picture.values.shape[-1] != len(sensor.bands) or weak.values.shape != (*picture.values.shape[:2], 2):
            raise UserError(
                f"{self.info.name}: {patch}.tif is {picture.values.shape} and {patch}_dw.tif {weak.values.shape}; expected "
                f"(rows, columns, {len(sensor.bands)}) and (rows, columns, 2) of one grid. Fetch both files again."
            )
        valid = picture.valid & (picture.values > 0).all(-1)
        values = (picture.values - added_offset(picture.values, valid)) * np.float32(sensor.scale)
        seen, confidence = class_numbers(weak.values[..., 0]), weak.values[..., 1] / 255
        cloud = (seen == SNOW) & (snow_index(values) < SNOW_INDEX)
        known = (confidence >= LEAST_CONFIDENCE) & ~cloud & (seen < len(LEGEND))
        return Record(
            id=f"satclip_s2_global/{patch}",
            observations={
                sensor.name: observe(
                    sensor, values[None], valid=(valid & ~cloud)[None], time_days=[float("nan")], gsd_m=GSD_M
                )
            },
            location_deg=place,
            grid=picture.grid,
            mask=Mask(class_index=np.where(known, seen, -1), legend=LEGEND),
        )

    def group(self, i: int) -> str:
        return self.patches[self.check_index(i)][0]


def added_offset(numbers: Float[np.ndarray, "h w c"], valid: Bool[np.ndarray, "h w"]) -> float:
    """The number a Sentinel-2 L2A picture carries on top of reflectance x 10^4: 1000 or 0, judged by its darkest pixels."""
    if not valid.any():
        return 0.0
    darkest = np.percentile(numbers[valid], DARK_SHARE, axis=0).min()
    return OFFSET if darkest >= DARKEST else 0.0


def snow_index(reflectance: Float[np.ndarray, "h w c"]) -> Float[np.ndarray, "h w"]:
    """Normalized difference of green and short-wave infrared."""
    green, swir = np.maximum(reflectance[..., GREEN], 0), np.maximum(reflectance[..., SWIR], 0)
    return (green - swir) / np.maximum(green + swir, 1e-4)
