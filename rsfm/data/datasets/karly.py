"""Soil moisture from spectra of one bare soil in Karlsruhe, 125 bands from 454 to 950 nm."""

import numpy as np

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.rows import Rows
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import days_since_2000, observe
from rsfm.types import Record, Value

TABLE = "soilmoisture.csv.gz"
DAYS = {"train": ("2017-05-17", "2017-05-23"), "val": ("2017-05-16",), "test": ("2017-05-24",)}
WAVELENGTHS = tuple(str(nm) for nm in range(454, 951, 4))
GSD_M = 0.01


class KarlySoilMoisture(Dataset):
    """Regression of soil moisture in percent from one reflectance spectrum.

    File: `soilmoisture.csv.gz`, a row a spectrum with `datetime`, `soil_moisture` (percent of volume), `soil_temperature` and
    reflectance in columns named by their wavelength in nm, 454, 458, ... 950. All are of one plot of soil on four days of May
    2017, minutes apart, so that neighbours in time are near copies. Splits are whole days: the 17th and 23rd are train, the
    16th val, the 24th test. The published evaluation draws rows at random and sees each day.
    """

    info = DatasetInfo(
        name="karly_soil_moisture",
        title="KarLy: hyperspectral soil moisture, Karlsruhe 2017",
        url="https://doi.org/10.5281/zenodo.1227837 (copy: https://github.com/felixriese/hyperspectral-soilmoisture-dataset)",
        licence="CC-BY-4.0",
        citation="Riese, Keller 2018, Hyperspectral benchmark dataset on soil moisture (Zenodo)",
        layout=f"{TABLE} with datetime, soil_moisture and {WAVELENGTHS[0]}, {WAVELENGTHS[1]}, ... {WAVELENGTHS[-1]}.",
        splits={split: f"the spectra of {' and '.join(days)}" for split, days in DAYS.items()},
        sensors=("cubert_uhd285",),
        tasks=("regression",),
        folder="karly_soil_moisture",
        needs=(TABLE,),
    )

    def index(self) -> None:
        table = Rows(self.info.name, self.folder / TABLE, ("datetime", "soil_moisture", *WAVELENGTHS))
        times = table.texts("datetime")
        self.rows = [i for i, time in enumerate(times) if time[:10] in DAYS[self.split]]
        self.times = [times[i] for i in self.rows]
        self.spectra = table.numbers(WAVELENGTHS)[self.rows].astype(np.float32)
        self.moisture = table.numbers(["soil_moisture"])[self.rows, 0]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Record:
        i, sensor = self.check_index(i), SENSORS["cubert_uhd285"]
        days = [days_since_2000(self.times[i])]
        seen = observe(sensor, self.spectra[i][None, None, None], time_days=days, gsd_m=GSD_M)
        moisture = Value(name="soil moisture", value=float(self.moisture[i]), unit="%")
        return Record(id=f"{self.info.name}/{self.rows[i]}", observations={sensor.name: seen}, values=(moisture,))

    def group(self, i: int) -> str:
        return self.times[self.check_index(i)][:10]
