"""TerraMesh tiles: Sentinel-2, Sentinel-1 and elevation of the same ground with land-cover classes and NDVI.

h w pixels · c bands
"""

import dataclasses
from pathlib import Path

import numpy as np

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.reading import RasterFile, class_numbers
from rsfm.data.datasets.splits import crossed, parted
from rsfm.data.reading.grids import location
from rsfm.data.reading.units import calibrate
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import days_since_2000, observe
from rsfm.types import PURE, MapScale, Mask, Observation, Record, Sensor, ValueMap

LEGEND = (
    "water",
    "trees",
    "flooded vegetation",
    "crops",
    "built area",
    "bare ground",
    "snow and ice",
    "clouds",
    "rangeland",
)
TILES = ("282D_485L_3_3", "38D_378R_2_3", "637U_59R_1_3")  # coast of Parana, northern Tanzania, northern Denmark
TEST_TILE = TILES[2]
GSD_M = 10.0
NDVI = MapScale(name="NDVI", unit=PURE, edges=(-1.0, -0.2, 0.0, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0))
KINDS: dict[str, str] = {
    "": "Sentinel-2 L2A, Sentinel-1 and elevation with land cover",
    "l1c_": "Sentinel-2 L1C, Sentinel-1 and elevation with land cover",
    "rgb_": "the 8-bit RGB picture with land cover",
    "ndvi_": "Sentinel-2 L2A, Sentinel-1 and elevation with a map of NDVI",
}
FOLDERS: dict[str, dict[str, str]] = {  # of each kind: sensor -> folder
    "": {"sentinel2_l2a": "S2L2A", "sentinel1_rtc": "S1RTC", "elevation": "DEM"},
    "l1c_": {"sentinel2_l1c": "S2L1C", "sentinel1_rtc": "S1RTC", "elevation": "DEM"},
    "rgb_": {"aerial_rgb": "S2RGB"},
}
FOLDERS["ndvi_"] = FOLDERS[""]
PARTS: dict[str, str] = {"train": "all tiles but the test tile", "test": f"tile {TEST_TILE}, left out whole"}
for _tile in TILES:
    _short = _tile.partition("_")[0]
    PARTS[f"out{_short}_train"] = f"all tiles but {_tile}"
    PARTS[f"out{_short}_test"] = f"tile {_tile}"


class TerraMesh(Dataset):
    """Dense land cover and NDVI on 10 m tiles with optical, radar and elevation observations.

    Files: `<modality>/<tile>.tif` for the modalities S2L2A (12 bands, int16, reflectance x 10^4 without offset), S2L1C (13
    bands, int16, with the +1000 of processing baseline 04.00 in some tiles, which is taken off where the cirrus band shows
    it), S1RTC (VV VH, dB), DEM (m), S2RGB (three bands of S2L2A stretched to 0-255 tile by tile), NDVI and LULC (1-9, 0 = no
    data). Dates are the tags `datetime` of LULC (Sentinel-2's) and S1RTC. Sentinel-2 pixels that are 0 in every band, and
    radar that is not finite or 0 dB in both, are invalid.

    Splits are by tile: `train` and `test`, and each published tile left out in turn, as in `out38D_train` and `out38D_test`.
    A prefix says what a record holds: none, `l1c_`, `rgb_` or `ndvi_`. Any other tile in the folder is a training tile.
    """

    info = DatasetInfo(
        name="terramesh",
        title="TerraMesh example tiles",
        url="https://github.com/IBM/terramind (examples); whole set: https://huggingface.co/datasets/ibm-esa-geospatial/TerraMesh",
        licence="Apache-2.0 (examples)",
        citation="Blumenstiel et al. 2025, TerraMesh (arXiv:2504.11172)",
        layout="<modality>/<tile>.tif, aligned rasters; modalities S2L2A S1RTC DEM LULC and, by split, S2L1C S2RGB NDVI.",
        splits=crossed(KINDS, PARTS),
        sensors=("sentinel2_l2a", "sentinel2_l1c", "sentinel1_rtc", "elevation", "aerial_rgb"),
        tasks=("segmentation", "value_map", "vqa"),
        folder="terramesh5/examples",
        needs=("S2L2A", "S1RTC", "LULC"),
    )

    def index(self) -> None:
        self.kind, part = parted(self.split, KINDS)
        folder = self.folder / next(iter(FOLDERS[self.kind].values()))
        tiles = sorted(path.stem for path in folder.glob("*.tif"))
        if not tiles:
            raise UserError(f"terramesh: no .tif in {folder}. Layout: {self.info.layout}")
        self.tiles = [tile for tile in tiles if (tile == _held_out(part)) == part.endswith("test")]
        self.maps = (NDVI,) if self.kind == "ndvi_" else ()

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, i: int) -> Record:
        tile = self.tiles[self.check_index(i)]
        cover = RasterFile(self.info.name, self.folder / "LULC" / f"{tile}.tif")
        seen = {name: self._observe(name, tile, cover.tags.get("datetime")) for name in FOLDERS[self.kind]}
        return Record(
            id=f"terramesh/{self.kind}{tile}",
            observations={name: observation for name, observation in seen.items() if observation is not None},
            location_deg=location(cover.grid),
            grid=cover.grid,
            mask=None
            if self.kind == "ndvi_"
            else Mask(class_index=np.maximum(class_numbers(cover.values[..., 0]) - 1, -1), legend=LEGEND),
            value_map=self._ndvi(tile) if self.kind == "ndvi_" else None,
        )

    def group(self, i: int) -> str:
        return self.tiles[self.check_index(i)]

    def _observe(self, sensor: str, tile: str, date: str | None) -> Observation | None:
        path = self.folder / FOLDERS[self.kind][sensor] / f"{tile}.tif"
        if sensor == "elevation" and not path.is_file():
            return None
        raster = RasterFile(self.info.name, path, sensor=SENSORS[sensor], nodata=sensor != "aerial_rgb")
        return _observation(SENSORS[sensor], raster, raster.tags.get("datetime", date), path)

    def _ndvi(self, tile: str) -> ValueMap:
        raster = RasterFile(self.info.name, self.folder / "NDVI" / f"{tile}.tif")
        return ValueMap(values=raster.values[..., 0], **dataclasses.asdict(NDVI))


def _held_out(part: str) -> str:
    """The tile that a key of PARTS leaves out of training."""
    short = part.partition("_")[0].removeprefix("out")
    return next((tile for tile in TILES if tile.startswith(f"{short}_")), TEST_TILE)


def _observation(sensor: Sensor, raster: RasterFile, date: str | None, path: Path) -> Observation:
    values, valid = raster.values, raster.valid
    if sensor.name != "elevation":
        valid = valid & (np.nan_to_num(values) != 0).any(-1)
    time_days = float("nan") if date is None or sensor.name == "elevation" else days_since_2000(date)
    bands = ("elevation",) if sensor.name == "elevation" else None
    if sensor.family == "optical":
        offset = 0.0
        if sensor.name == "sentinel2_l1c":  # of L2A it is taken off already: NDVI.tif equals that of its numbers
            offset = float(_calibration(sensor, values[valid], path, time_days)[0])
        values = values * np.float32(sensor.scale) + np.float32(offset)
    return observe(sensor, values[None], valid=valid[None], time_days=[time_days], gsd_m=GSD_M, bands=bands)


def _calibration(sensor: Sensor, numbers: np.ndarray, path: Path, time_days: float) -> np.ndarray:
    """The offset of each band, as a user's file of the sensor would get it."""
    return calibrate(
        sensor, sensor.bands, where=str(path), dtype=np.dtype(np.int16), unit=None, time_days=time_days, sample=numbers
    ).offset
