"""Temporary crops or not at pixels worldwide, from twelve months of Sentinel-2, Sentinel-1 and weather.

n rows · t months · c bands
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.rows import BY_HASH, Rows, cell, part_of
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import days_since_2000, observe
from rsfm.types import Record

TABLE = "pixels.csv.gz"
MONTHS, MONTH_DAYS = 12, 365.25 / 12
NONE = 65535
TEN, TWENTY = ("B02", "B03", "B04", "B08"), ("B05", "B06", "B07", "B8A", "B11", "B12")
OPTICAL = {**{f"OPTICAL-{b}-ts{{}}-10m": b for b in TEN}, **{f"OPTICAL-{b}-ts{{}}-20m": b for b in TWENTY}}
RADAR = {f"SAR-{b}-ts{{}}-20m": b for b in ("VV", "VH")}
WEATHER = {
    "METEO-temperature_mean-ts{}-100m": "temperature_2m",
    "METEO-precipitation_flux-ts{}-100m": "total_precipitation",
}
TERRAIN = ("DEM-alt-20m", "DEM-slo-20m")
LABEL = "LANDCOVER_LABEL"
TEMPORARY_CROPS, UNSPECIFIED_CROPS = 11, 10  # of the WorldCereal legend
SCENES = ("no temporary crops", "temporary crops")
REFLECTANCE, HUNDREDTH_KELVIN, PRECIPITATION_M = 1e-4, 0.01, 1e-5
SQUARE_DEG = 5.0
GSD_M = 10.0


class WorldCereal(Dataset):
    """Temporary crops from a year of months.

    File: `pixels.csv.gz`, a row a pixel with columns `<source>-<band>-ts0..11-<grid>` of Sentinel-2 (reflectance x 10^4),
    Sentinel-1 (amplitudes: dB = 20 log10(number) - 83), temperature (hundredths of a kelvin), precipitation (10^-5 m),
    elevation (m) and slope (degrees), `lat`, `lon`, `start_date` and `LANDCOVER_LABEL`. 65535 is no value. The scales are
    those of the repository's reader. Months are dated by their middle, counted from `start_date`.

    The scene is temporary crops (code 11) or not; cropland of unspecified kind (10) may be either and is left out. Splits
    are by place: squares of five degrees go whole to train, val or test by a hash of their corner.
    """

    info = DatasetInfo(
        name="worldcereal_pixels500",
        title="WorldCereal pixels (test file of Presto for WorldCereal)",
        url="https://github.com/WorldCereal/presto-worldcereal",
        licence="none stated",
        citation="Butsko et al. 2025, Deploying Geospatial Foundation Models in the Real World: Lessons from WorldCereal",
        layout=f"{TABLE} with OPTICAL, SAR and METEO columns of 12 months, DEM, lat, lon, start_date, {LABEL}.",
        splits=BY_HASH,
        sensors=("sentinel2_l2a", "sentinel1_grd", "era5_monthly", "elevation"),
        tasks=("scene",),
        folder="worldcereal_pixels500",
        needs=(TABLE,),
    )

    def index(self) -> None:
        monthly = [
            column.format(month) for part in (OPTICAL, RADAR, WEATHER) for column in part for month in range(MONTHS)
        ]
        needs = (*monthly, *TERRAIN, "lat", "lon", "start_date", LABEL)
        table = Rows(self.info.name, self.folder / TABLE, needs)
        label, lonlat = table.numbers([LABEL])[:, 0], table.numbers(["lon", "lat"])
        squares = [cell(float(lon), float(lat), SQUARE_DEG) for lon, lat in lonlat]
        known = label != UNSPECIFIED_CROPS
        self.rows = [i for i, square in enumerate(squares) if known[i] and part_of(square) == self.split]
        self.squares, self.lonlat = [squares[i] for i in self.rows], lonlat[self.rows]
        self.crop = (label[self.rows] == TEMPORARY_CROPS).astype(int)
        starts = table.texts("start_date")
        self.starts = [days_since_2000(starts[i]) for i in self.rows]
        self.optical = self._months(table, list(OPTICAL)) * REFLECTANCE
        with np.errstate(divide="ignore"):
            self.radar = 20 * np.log10(self._months(table, list(RADAR))) + SENSORS["palsar2"].offset
        self.weather = self._months(table, list(WEATHER)) * (HUNDREDTH_KELVIN, PRECIPITATION_M)
        self.terrain = table.numbers(TERRAIN)[self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Record:
        i = self.check_index(i)
        days = self.starts[i] + MONTH_DAYS * (np.arange(MONTHS) + 0.5)
        series = {
            "sentinel2_l2a": (self.optical, tuple(OPTICAL.values())),
            "sentinel1_grd": (self.radar, tuple(RADAR.values())),
            "era5_monthly": (self.weather, tuple(WEATHER.values())),
        }
        seen = {
            name: observe(SENSORS[name], values[i][:, None, None], time_days=days, gsd_m=GSD_M, bands=bands)
            for name, (values, bands) in series.items()
        }
        terrain = self.terrain[i][None, None, None]
        seen["elevation"] = observe(SENSORS["elevation"], terrain, time_days=[float("nan")], gsd_m=GSD_M)
        lon, lat = (float(x) for x in self.lonlat[i])
        return Record(
            id=f"{self.info.name}/{self.rows[i]}",
            observations=seen,
            location_deg=(lon, lat),
            scene=SCENES[self.crop[i]],
        )

    def group(self, i: int) -> str:
        return self.squares[self.check_index(i)]

    def _months(self, table: Rows, columns: Sequence[str]) -> Float[np.ndarray, "n t c"]:
        """The chosen rows' months, NaN where there is no value."""
        flat = table.numbers([column.format(month) for month in range(MONTHS) for column in columns])[self.rows]
        values = np.where(flat == NONE, np.nan, flat).reshape(len(self.rows), MONTHS, len(columns))
        return values
