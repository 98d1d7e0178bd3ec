"""One eo-learn patch in Slovenia: five dated 13-band scenes with land cover, and 68 dates of NDVI for every pixel.

t dates · h w pixels · c bands
"""

import json

import numpy as np

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.reading import read_array
from rsfm.data.reading.dates import date_text
from rsfm.data.reading.grids import location, moved
from rsfm.errors import UserError
from rsfm.pytree import replace
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import at_dates, days_since_2000, observe
from rsfm.types import GeoGrid, Mask, Record, Value

# LULC ids of the Slovenian land-use map as eo-learn groups them; 0 is no data. Others do not occur in the patch.
CLASSES = {1: "cultivated land", 2: "forest", 3: "grassland", 4: "shrubland", 8: "artificial surface"}
LEGEND = tuple(CLASSES.values())
# REFERENCE_SCENES.npy carries no dates. The NDVI of its five scenes equals NDVI.npy at these dates in every pixel.
SCENE_DATES = (2, 1, 4, 3, 0)
BORDER = 0.6  # share of the columns, from the west, that is training ground
SERIES_STEP = 4  # pixels between the sampled series: neighbours are near copies
GSD_M = 10.0
FORECAST_FROM = "2017-06-01"  # what is forecast in tests is later; all of training is earlier
LEADS = 5  # clear dates ahead whose NDVI is asked for


class EoLearn(Dataset):
    """Dense land cover from a short series, and land cover of single pixels from a long NDVI series.

    Files: `TestEOPatch/` with `data/NDVI.npy` (68, 101, 100, 1), `mask/CLM.npy` (cloud mask), `mask_timeless/LULC.npy`,
    `timestamps.json`, `bbox.geojson`; `REFERENCE_SCENES.npy` (5, 101, 100, 13 Sentinel-2 L1C reflectance), which lie on
    the patch's grid (their NDVI equals that of five dates of NDVI.npy exactly). RANDOM_* files are synthetic and not
    read.

    The western 60 columns are training ground, the eastern 40 test ground. `train` and `test` are one record each: that
    part of the patch with five dates, cloudy pixels invalid, and the land-cover mask. `series_train` and `series_test`
    are one record a sampled pixel (every fourth in both directions): NDVI at 68 dates and the land cover as scene.
    `forecast_train` and `forecast_test` are one record for each of those pixels and each clear date: NDVI up to that date,
    and as values the NDVI at the next five clear dates. In training those dates are before June 2017, in tests after.
    """

    info = DatasetInfo(
        name="eolearn",
        title="eo-learn example patch (Slovenia)",
        url="https://github.com/sentinel-hub/eo-learn (example_data)",
        licence="MIT; contains modified Copernicus Sentinel data 2015-2017",
        citation="Sinergise, eo-learn",
        layout="REFERENCE_SCENES.npy and TestEOPatch/{data/NDVI,mask/CLM,mask_timeless/LULC}.npy, timestamps.json, "
        "bbox.geojson.",
        splits={
            "train": "western 60 columns, 13 bands at five dates, land-cover mask",
            "test": "eastern 40 columns, the same",
            "series_train": "single pixels of the western columns: NDVI at 68 dates, land cover as scene",
            "series_test": "single pixels of the eastern columns",
            "forecast_train": "series of the western columns up to a date, NDVI at up to five later ones before June 2017",
            "forecast_test": "series of the eastern columns up to a date, NDVI at up to five later ones since June 2017",
        },
        sensors=("sentinel2_l1c", "ndvi_series"),
        tasks=("segmentation", "scene", "vqa", "forecasting"),
        folder="eolearn/example_data",
        needs=("REFERENCE_SCENES.npy", "TestEOPatch/data/NDVI.npy", "TestEOPatch/mask_timeless/LULC.npy"),
    )

    def index(self) -> None:
        patch = self.folder / "TestEOPatch"
        self.ndvi, self.cloud, self.cover = (
            read_array(self.info.name, patch / f"{name}.npy")[..., 0]
            for name in ("data/NDVI", "mask/CLM", "mask_timeless/LULC")
        )
        dates = json.loads((patch / "timestamps.json").read_text(encoding="utf-8"))
        if len(dates) != len(self.ndvi):
            raise UserError(
                f"eolearn: {patch}/timestamps.json has {len(dates)} dates, data/NDVI.npy {len(self.ndvi)}. "
                "Fetch the patch again."
            )
        self.days = np.array([days_since_2000(date) for date in dates])
        self.grid = _grid((patch / "bbox.geojson").read_text(encoding="utf-8"), self.cover.shape)
        rows, columns = self.cover.shape
        border = round(BORDER * columns)
        self.columns = slice(0, border) if self.split.endswith("train") else slice(border, columns)
        part = np.zeros(self.cover.shape, bool)
        part[::SERIES_STEP, self.columns][:, ::SERIES_STEP] = True
        self.pixels = np.argwhere(part & np.isin(self.cover, list(CLASSES)))
        self.origins = self._origins() if self.split.startswith("forecast") else []

    def __len__(self) -> int:
        if self.split.startswith("forecast"):
            return len(self.origins)
        return len(self.pixels) if self.split.startswith("series") else 1

    def __getitem__(self, i: int) -> Record:
        i = self.check_index(i)
        if self.split.startswith("forecast"):
            return self._forecast(*self.origins[i])
        return self._series(i) if self.split.startswith("series") else self._dense()

    def group(self, i: int) -> str:
        if self.split.startswith("forecast"):
            i = self.origins[self.check_index(i)][0]
            return "pixel {} {}".format(*self.pixels[i])
        if self.split.startswith("series"):
            return "pixel {} {}".format(*self.pixels[self.check_index(i)])
        return f"columns {self.columns.start} to {self.columns.stop}"

    def _dense(self) -> Record:
        sensor, order = SENSORS["sentinel2_l1c"], np.argsort(SCENE_DATES)
        scenes = read_array(self.info.name, self.folder / "REFERENCE_SCENES.npy")[order][:, :, self.columns]
        dates = np.array(SCENE_DATES)[order]
        clear = self.cloud[dates][:, :, self.columns] == 0
        height, width = self.cover[:, self.columns].shape
        grid = moved(self.grid, 0, self.columns.start, height, width)
        observation = observe(sensor, scenes.astype(np.float32), valid=clear, time_days=self.days[dates], gsd_m=GSD_M)
        cover = self.cover[:, self.columns]
        labels = np.full(cover.shape, -1)
        for index, number in enumerate(CLASSES):
            labels[cover == number] = index
        return Record(
            id=f"eolearn/{self.split}",
            observations={sensor.name: observation},
            location_deg=location(grid),
            grid=grid,
            mask=Mask(class_index=labels, legend=LEGEND),
        )

    def _origins(self) -> list[tuple[int, int, tuple[int, ...]]]:
        """(pixel, last date seen, dates asked for) where at least two clear dates were seen before."""
        border, training, found = days_since_2000(FORECAST_FROM), self.split.endswith("train"), []
        for i, (row, column) in enumerate(self.pixels):
            clear = np.flatnonzero(self.cloud[:, row, column] == 0)
            for k in range(1, len(clear)):
                ahead = clear[k + 1 : k + 1 + LEADS]
                asked = tuple(int(date) for date in ahead if (self.days[date] < border) == training)
                if asked:
                    found.append((i, int(clear[k]), asked))
        return found

    def _forecast(self, i: int, last: int, asked: tuple[int, ...]) -> Record:
        whole, (row, column) = self._series(i), self.pixels[i]
        seen, past = whole.observations["ndvi_series"], slice(0, last + 1)
        values = tuple(
            Value(
                name=f"NDVI on {date_text(self.days[date])[:10]}", value=float(self.ndvi[date, row, column]), unit="1"
            )
            for date in asked
        )
        name = f"{whole.id}/{date_text(self.days[last])[:10]}"
        return replace(whole, id=name, observations={"ndvi_series": at_dates(seen, past)}, values=values, scene=None)

    def _series(self, i: int) -> Record:
        sensor, (row, column) = SENSORS["ndvi_series"], self.pixels[i]
        grid = moved(self.grid, int(row), int(column), 1, 1)
        observation = observe(
            sensor,
            self.ndvi[:, row, column].astype(np.float32)[:, None, None, None],
            valid=self.cloud[:, row, column][:, None, None] == 0,
            time_days=self.days,
            gsd_m=GSD_M,
        )
        return Record(
            id=f"eolearn/{row}_{column}",
            observations={sensor.name: observation},
            location_deg=location(grid),
            grid=grid,
            scene=CLASSES[int(self.cover[row, column])],
        )


def _grid(geojson: str, shape: tuple[int, ...]) -> GeoGrid:
    box = json.loads(geojson)
    ring = np.array(box["coordinates"][0])
    (west, south), (east, north) = ring.min(0), ring.max(0)
    height, width = shape
    pixel_x, pixel_y = float(east - west) / width, float(north - south) / height
    code = box["crs"]["properties"]["name"].rsplit(":", 1)[-1]
    return GeoGrid(
        crs=f"EPSG:{code}",
        transform=(pixel_x, 0.0, float(west), 0.0, -pixel_y, float(north)),
        height=height,
        width=width,
    )
