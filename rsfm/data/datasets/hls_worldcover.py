"""Landsat patches of 41 places with ESA WorldCover, a water mask, clouds and elevation.

t dates · h w pixels · c bands
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from rsfm.data.datasets.base import Dataset, DatasetInfo, read_error
from rsfm.data.datasets.reading import RasterFile, class_numbers
from rsfm.data.datasets.splits import crossed, parted
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.types import Mask, Record

# ESA WorldCover's codes and names (Product User Manual v2.0, table 4).
WORLDCOVER: dict[int, str] = {
    10: "tree cover",
    20: "shrubland",
    30: "grassland",
    40: "cropland",
    50: "built-up",
    60: "bare / sparse vegetation",
    70: "snow and ice",
    80: "permanent water bodies",
    90: "herbaceous wetland",
    95: "mangroves",
    100: "moss and lichen",
}
LEGEND = tuple(WORLDCOVER.values())
WATER = LEGEND.index(WORLDCOVER[80])
FLOOD_LEGEND = ("land", "water")
SPECTRUM = ("coastal", "blue", "green", "red", "nir", "swir1", "swir2")
NAMES = (*SPECTRUM, "fmask", "cop_dem", "worldcover", "water_mask")
CLOUD, SHADOW, SNOW, WATER_SEEN, FILL = 1 << 1, 1 << 3, 1 << 4, 1 << 5, 255  # of the Fmask byte, HLS v2.0 User Guide
GSD_M = 30.0
# The index counts these places apart, yet patches of theirs overlap by 9 to 27 columns of the very same pixels.
SAME_GROUND: dict[int, int] = {44: 0, 58: 0, 40: 4, 50: 4, 41: 5, 46: 5, 32: 10}
# Places in order of their number of patches, each to the fold with the fewest: 108, 49, 25, 24, 24 patches.
FOLDS: tuple[tuple[int, ...], ...] = (
    (0,),
    (1,),
    (4, 8, 14, 20, 25, 29, 35, 43, 49, 55, 61),
    (5, 11, 16, 19, 23, 28, 34, 38, 52, 56),
    (7, 10, 13, 17, 22, 26, 31, 37, 47, 53, 59),
)
VAL: tuple[int, ...] = (5, 11, 13, 17, 23, 29, 37, 49, 56)
TEST: tuple[int, ...] = (7, 14, 20, 26, 34, 43, 53, 61)
KINDS: dict[str, str] = {
    "": "a patch of one date with the land cover of that date",
    "worldcover_": "a patch of one date with WorldCover as published",
    "flood_": "a patch of one date with the water mask",
    "series_": "all dates of a patch that has several, with WorldCover",
}
PARTS: dict[str, str] = {
    "train": "of the places that are neither val nor test",
    "val": f"of {len(VAL)} places",
    "test": f"of {len(TEST)} other places, and of any place that is not in the published index",
    **{f"fold{k}_train": f"of the places outside fold {k} of five" for k in range(len(FOLDS))},
    **{f"fold{k}_test": f"of the places of fold {k} of five" for k in range(len(FOLDS))},
}
FOLD_OF = {place: k for k, places in enumerate(FOLDS) for place in places}
DATED = {name: text for name, text in crossed(KINDS, PARTS).items() if not name.startswith("series_fold")}


class HlsWorldCover(Dataset):
    """Dense land cover and water of 230 patches of 128 x 128 pixels, 30 m.

    Files: `index.jsonl` (a row a patch: `file`, `place`, `dem_mean`, `worldcover` shares) and the GeoTIFFs, int16 without
    georeference or date, whose bands are found by their names: seven of HLS L30 (reflectance x 10^4), HLS's Fmask byte,
    Copernicus elevation (m), WorldCover's class, and a water mask drawn by hand. Pixels that Fmask takes for cloud, cloud
    shadow or fill are invalid. The elevation stands beside as an observation of its own.

    WorldCover is one map of 2021 and the dates are others: a flooded field is cropland there. The plain splits hold the land
    cover of the date. Three witnesses say whether a pixel is under water: WorldCover's permanent water, Fmask's water bit,
    the hand mask. Two or three: water. None: WorldCover's class. One alone, Fmask's snow, or a cloud: unlabelled. The splits
    `worldcover_` hold WorldCover as it is, to compare with numbers published for it, and `flood_` the hand mask as it is.

    A record of `series_` is one footprint with all its dates (two to nine, unknown, in the order of the files) and
    WorldCover, which no flood of a day changes. Footprints are known by mean elevation and class shares of the index.

    Splits are by place. Four groups of the index's places overlap in the ground (SAME_GROUND) and count as one each, which
    leaves 34. Places 0 and 1 hold two thirds of the patches and are train; of the others, from the one with most patches,
    every fourth is val and every fourth test. Five folds of whole places besides.
    """

    info = DatasetInfo(
        name="hls_worldcover306",
        title="HLS patches of 41 places with WorldCover and water masks",
        url="https://github.com/Hassan-DS507/Flood-Segmentation-using-Multispectral-Satellite-Data",
        licence="MIT by its README's badge; origin of the patches not stated",
        citation="Zanaga et al. 2022, ESA WorldCover 10 m 2021 v200 (doi:10.5281/zenodo.7254221)",
        layout=f"index.jsonl with file, place, dem_mean, worldcover; rasters with bands named {', '.join(NAMES)}.",
        splits=DATED,
        sensors=("hls_l30", "elevation"),
        tasks=("segmentation", "vqa"),
        folder="hls_worldcover306",
        needs=("index.jsonl",),
    )

    def index(self) -> None:
        path = self.folder / "index.jsonl"
        self.kind, part = parted(self.split, KINDS)
        try:
            rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
            rows = [row for row in rows if in_part(ground(int(row["place"])), part)]
            footprints = _by_footprint(rows)
        except (ValueError, KeyError, TypeError) as error:
            raise read_error(self.info.name, path, error) from error
        if self.kind == "series_":
            self.patches = [same for same in footprints if len(same) > 1]
        else:
            self.patches = [[row] for row in rows]

    def __len__(self) -> int:
        return len(self.patches)

    def __getitem__(self, i: int) -> Record:
        rows = self.patches[self.check_index(i)]
        files = [self._raster(row["file"]) for row in rows]
        sensor, first = SENSORS["hls_l30"], files[0]
        values = np.stack([np.stack([file[name] for name in SPECTRUM], -1) for file in files]) * np.float32(
            sensor.scale
        )
        unknown = [float("nan")] * len(files)
        clear = np.stack([_clear(class_numbers(file["fmask"])) for file in files])
        elevation = first["cop_dem"][None, ..., None]
        return Record(
            id=f"hls_worldcover306/{self.kind}{rows[0]['file'].removesuffix('.tif')}",
            observations={
                sensor.name: observe(sensor, values, valid=clear, time_days=unknown, gsd_m=GSD_M),
                "elevation": observe(
                    SENSORS["elevation"], elevation, time_days=[float("nan")], gsd_m=GSD_M, bands=("elevation",)
                ),
            },
            mask=self._mask(first),
        )

    def group(self, i: int) -> str:
        return f"place {ground(int(self.patches[self.check_index(i)][0]['place']))}"

    def _mask(self, bands: Mapping[str, np.ndarray]) -> Mask:
        if self.kind == "flood_":
            return Mask(class_index=class_numbers(bands["water_mask"]), legend=FLOOD_LEGEND)
        cover = _classes(bands["worldcover"])
        if self.kind == "":
            cover = cover_at_date(cover, class_numbers(bands["fmask"]), bands["water_mask"] == 1)
        return Mask(class_index=cover, legend=LEGEND)

    def _raster(self, file: str) -> dict[str, Float[np.ndarray, "h w"]]:
        """The bands of a patch by name."""
        raster = RasterFile(self.info.name, self.folder / file)
        missing = [name for name in NAMES if name not in raster.names]
        if missing:
            raise UserError(
                f"{self.info.name}: {self.folder / file} has no band named {', '.join(missing)}; its bands are named "
                f"{', '.join(map(str, raster.names))}. Layout: {self.info.layout}"
            )
        return {name: raster.values[..., raster.names.index(name)] for name in NAMES}


def ground(place: int) -> int:
    """The place of the index, or the one it shares ground with."""
    return SAME_GROUND.get(place, place)


def in_part(place: int, part: str) -> bool:
    """Whether the patches of a place belong to a key of PARTS."""
    name, _, side = part.partition("_")
    if side:
        return (FOLD_OF.get(place, place % len(FOLDS)) == int(name.removeprefix("fold"))) == (side == "test")
    if place in VAL:
        return part == "val"
    return part == ("test" if place in TEST or place not in FOLD_OF else "train")


def cover_at_date(
    cover: Int[np.ndarray, "h w"], fmask: Int[np.ndarray, "h w"], drawn: Bool[np.ndarray, "h w"]
) -> Int[np.ndarray, "h w"]:
    """Classes of the date from WorldCover's, Fmask's byte and the hand-drawn water: see HlsWorldCover.

    >>> field, none = np.array([[3]]), np.array([[False]])
    >>> cover_at_date(field, np.array([[WATER_SEEN]]), ~none)
    array([[7]])
    >>> cover_at_date(field, np.array([[0]]), none)
    array([[3]])
    """
    witnesses = (cover == WATER).astype(int) + ((fmask & WATER_SEEN) > 0) + drawn
    dated = np.where(witnesses >= 2, WATER, np.where(witnesses == 1, -1, cover))
    return np.where(_clear(fmask) & ((fmask & SNOW) == 0), dated, -1)


def _clear(fmask: Int[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    return ((fmask & (CLOUD | SHADOW)) == 0) & (fmask != FILL)


def _classes(codes: Float[np.ndarray, "h w"]) -> Int[np.ndarray, "h w"]:
    """WorldCover's codes as indices of LEGEND, -1 for any other number."""
    table = np.full(256, -1)
    table[list(WORLDCOVER)] = np.arange(len(WORLDCOVER))
    return table[np.clip(class_numbers(codes), 0, 255)]


def _by_footprint(rows: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    same: dict[tuple, list[Mapping[str, Any]]] = {}
    for row in rows:
        same.setdefault((row["place"], row["dem_mean"], *sorted(row["worldcover"].items())), []).append(row)
    return list(same.values())
