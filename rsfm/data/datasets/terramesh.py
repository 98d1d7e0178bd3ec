"""TerraMesh tiles: Sentinel-2, Sentinel-1 and elevation of the same ground with land-cover classes.

h w pixels · c bands
"""

import numpy as np

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.reading import RasterFile
from rsfm.data.reading.grids import location
from rsfm.errors import UserError
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import days_since_2000, observe
from rsfm.types import Mask, Observation, Record, Sensor

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
TEST_TILES = ("637U_59R_1_3",)
REFLECTANCE = 1e-4  # the +1000 of processing baseline 04.00 is already taken off: NDVI.tif equals that of these numbers
GSD_M = 10.0
FOLDERS = {"sentinel2_l2a": "S2L2A", "sentinel1_rtc": "S1RTC", "elevation": "DEM"}


class TerraMesh(Dataset):
    """Dense land cover on 10 m tiles with optical, radar and elevation observations.

    Files: `<modality>/<tile>.tif` for the modalities S2L2A (12 bands, int16, reflectance x 10^4 without offset), S1RTC
    (VV VH, dB), DEM (m) and LULC (1-9, 0 = no data). Dates are the tags `datetime` of LULC (Sentinel-2's) and S1RTC.
    Sentinel-2 pixels that are 0 in every band, and radar that is not finite or 0 dB in both, are invalid.
    Any tile in the folder that is not a test tile is a training tile.
    """

    info = DatasetInfo(
        name="terramesh",
        title="TerraMesh example tiles",
        url="https://github.com/IBM/terramind (examples); whole set: https://huggingface.co/datasets/ibm-esa-geospatial/TerraMesh",
        licence="Apache-2.0 (examples)",
        citation="Blumenstiel et al. 2025, TerraMesh (arXiv:2504.11172)",
        layout="S2L2A/<tile>.tif, S1RTC/<tile>.tif, DEM/<tile>.tif, LULC/<tile>.tif, aligned 224 x 224 rasters.",
        splits={"train": "all tiles but the test tile", "test": f"tile {TEST_TILES[0]}, left out whole"},
        sensors=("sentinel2_l2a", "sentinel1_rtc", "elevation"),
        tasks=("segmentation", "vqa"),
        folder="terramesh5/examples",
        needs=("S2L2A", "S1RTC", "LULC"),
    )

    def index(self) -> None:
        tiles = sorted(path.stem for path in (self.folder / "S2L2A").glob("*.tif"))
        if not tiles:
            raise UserError(f"terramesh: no .tif in {self.folder / 'S2L2A'}. Layout: {self.info.layout}")
        self.tiles = [tile for tile in tiles if (tile in TEST_TILES) == (self.split == "test")]

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, i: int) -> Record:
        tile = self.tiles[self.check_index(i)]
        cover = RasterFile(self.info.name, self.folder / "LULC" / f"{tile}.tif")
        rasters = {name: self._raster(folder, tile) for name, folder in FOLDERS.items()}
        observations = {
            name: _observation(SENSORS[name], raster, raster.tags.get("datetime", cover.tags.get("datetime")))
            for name, raster in rasters.items()
            if raster is not None
        }
        return Record(
            id=f"terramesh/{tile}",
            observations=observations,
            location_deg=location(cover.grid),
            grid=cover.grid,
            mask=Mask(class_index=cover.values[..., 0].astype(np.int64) - 1, legend=LEGEND),
        )

    def group(self, i: int) -> str:
        return self.tiles[self.check_index(i)]

    def _raster(self, folder: str, tile: str) -> RasterFile | None:
        path = self.folder / folder / f"{tile}.tif"
        return None if folder == "DEM" and not path.is_file() else RasterFile(self.info.name, path)


def _observation(sensor: Sensor, raster: RasterFile, date: str | None) -> Observation:
    values, valid = raster.values, raster.valid
    if sensor.family == "optical":
        valid = valid & (values != 0).any(-1)
        values = values * np.float32(REFLECTANCE)
    if sensor.family == "sar":
        valid = valid & (values != 0).any(-1)
    bands = ("elevation",) if sensor.name == "elevation" else None
    time_days = float("nan") if date is None or sensor.name == "elevation" else days_since_2000(date)
    return observe(sensor, values[None], valid=valid[None], time_days=[time_days], gsd_m=GSD_M, bands=bands)
