"""Labelled pixel series of Brazil: forest and its loss, cropland, pasture and savanna, and crops grown in turn.

n rows · t dates · c bands
"""

import dataclasses

import numpy as np

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.rows import BY_HASH, Rows, cell, part_of
from rsfm.data.datasets.splits import crossed, parted
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import days_since_2000, observe
from rsfm.types import Record


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """One published table: file, sensor, column of each band, dates, and the size of the squares that are its places."""

    file: str
    sensor: str
    bands: dict[str, str]  # of the sensor -> of the columns, without "_0", "_1", ...
    dates: int
    step_days: float
    square_deg: float
    gsd_m: float
    words: dict[str, str]  # label -> words, where they are not the same


TABLES: dict[str, Table] = {
    "": Table(
        file="sentinel2_rondonia.csv.gz",
        sensor="sentinel2_l2a",
        bands={name: name for name in ("B02", "B03", "B07", "B08", "B8A", "B11", "B12")},
        dates=36,
        step_days=10.0,
        square_deg=0.1,
        gsd_m=10.0,
        words={"Forest": "forest", "NonForest": "no forest", "Deforestation": "deforestation"},
    ),
    "cbers_": Table(
        file="cbers_cerrado.csv.gz",
        sensor="cbers4_awfi",
        bands={name: name for name in ("BAND13", "BAND14", "BAND15", "BAND16")},
        dates=23,
        step_days=16.0,
        square_deg=0.25,
        gsd_m=64.0,
        words={
            "Cropland": "cropland",
            "Pasture": "pasture",
            "Cerrado": "open savanna",
            "Cerradao": "wooded savanna",
        },
    ),
    "modis_": Table(
        file="modis_mato_grosso.csv.gz",
        sensor="modis",
        bands={"B01": "RED", "B02": "NIR", "B03": "BLUE", "B07": "MIR"},
        dates=23,
        step_days=16.0,
        square_deg=0.5,
        gsd_m=250.0,
        words={
            "Soy_Cotton": "soy then cotton",
            "Soy_Millet": "soy then millet",
            "Soy_Fallow": "soy then fallow",
            "Soy_Sunflower": "soy then sunflower",
            "Fallow_Cotton": "fallow then cotton",
        },
    ),
}
KINDS = {
    "": "Sentinel-2, Rondonia, forest and deforestation",
    "cbers_": "CBERS-4, Cerrado, cropland, pasture and savanna",
    "modis_": "MODIS, Mato Grosso, crops in turn",
}


class BrazilTimeSeries(Dataset):
    """Land use of pixels from a year of one sensor.

    Files: three tables with `lon`, `lat`, `start`, `end`, `label` and each band's columns `<band>_0`, `<band>_1`, ... in
    reflectance: Sentinel-2 (36 dates of 10 days, from B02 to B12), CBERS-4 (23 of 16 days), MODIS (23 of 16 days; its MIR is
    band 7). Indices in the tables follow from the bands and are not read. A step is dated from `start`. Where nothing was
    seen the publishers interpolated, so that all dates are valid.

    Splits are by place: squares of 0.1 (Rondonia), 0.25 (Cerrado) and 0.5 degrees (Mato Grosso) go whole to train, val or
    test by a hash of their corner.
    """

    info = DatasetInfo(
        name="brazil_time_series",
        title="Labelled satellite series of Brazil (e-sensing/inSitu)",
        url="https://github.com/e-sensing/inSitu",
        licence="GPL",
        citation="Simoes et al. 2021, Satellite Image Time Series Analysis for Big Earth Observation Data (Remote Sensing 13)",
        layout="; ".join(f"{table.file} with {', '.join(table.bands.values())}" for table in TABLES.values()) + ".",
        splits=crossed(KINDS, BY_HASH),
        sensors=("sentinel2_l2a", "cbers4_awfi", "modis"),
        tasks=("scene",),
        folder="brazil_time_series",
        needs=tuple(table.file for table in TABLES.values()),
    )

    def index(self) -> None:
        kind, part = parted(self.split, KINDS)
        self.published = TABLES[kind]
        dates = range(self.published.dates)
        columns = [f"{band}_{t}" for t in dates for band in self.published.bands.values()]
        table = Rows(self.info.name, self.folder / self.published.file, ("lon", "lat", "start", "label", *columns))
        lonlat = table.numbers(["lon", "lat"])
        squares = [cell(float(lon), float(lat), self.published.square_deg) for lon, lat in lonlat]
        chosen = [i for i, square in enumerate(squares) if part_of(square) == part]
        values, labels, starts = table.numbers(columns), table.texts("label"), table.texts("start")
        self.rows, self.squares = chosen, [squares[i] for i in chosen]
        self.values = values[chosen].reshape(len(chosen), len(dates), 1, 1, -1).astype(np.float32)
        self.lonlat = lonlat[chosen]
        self.scenes = [self.published.words.get(labels[i], labels[i]) for i in chosen]
        self.starts = [days_since_2000(starts[i]) for i in chosen]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Record:
        i, table = self.check_index(i), self.published
        sensor = SENSORS[table.sensor]
        days = self.starts[i] + table.step_days * np.arange(table.dates)
        seen = observe(sensor, self.values[i], time_days=days, gsd_m=table.gsd_m, bands=tuple(table.bands))
        lon, lat = (float(x) for x in self.lonlat[i])
        return Record(
            id=f"{self.info.name}/{table.sensor}/{self.rows[i]}",
            observations={sensor.name: seen},
            location_deg=(lon, lat),
            scene=self.scenes[i],
        )

    def group(self, i: int) -> str:
        return f"{self.published.sensor} {self.squares[self.check_index(i)]}"
