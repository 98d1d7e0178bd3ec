"""Green, dead and bare cover measured on Australian field plots, with Landsat reflectance."""

import numpy as np

from rsfm.data.datasets.base import Dataset, DatasetInfo
from rsfm.data.datasets.rows import BY_HASH, Rows, part_of
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.types import Record, Value

TABLE = "sites.csv"
COVERS = {"pv": "green cover", "npv": "dead cover", "bare": "bare ground"}
BANDS = {"b2": "B2", "b3": "B3", "b4": "B4", "b5": "B5", "b7": "B7"}
RUN = 50  # rows: the published table was cut in runs of this length when a part of it was put aside
GSD_M = 30.0


class FractionalCover(Dataset):
    """Regression of three cover fractions in percent from one Landsat pixel.

    File: `sites.csv`, a row a plot with `row` (its number in the published table), `pv`, `npv`, `bare` (fractions that sum to
    one) and reflectance `b2 b3 b4 b5 b7` of Landsat TM and ETM+ (green, red, near infrared, two short-wave infrared), read
    as Landsat 5's. Neither place nor date is in the table.

    Splits: without places, runs of 50 neighbouring rows stand for them and go to train, val or test by a hash of their
    number; rows with the very same reflectance go with the first of them.
    """

    info = DatasetInfo(
        name="fractional_cover_australia",
        title="Fractional cover of Australian field plots",
        url="https://pypi.org/project/fractionalcover3 (version 2.0.0)",
        licence="MIT",
        citation="Guerschman et al. 2015, Remote Sensing of Environment 161; Flood, Bolton 2023, fractionalcover3",
        layout=f"{TABLE} with columns row, {', '.join(COVERS)}, {', '.join(BANDS)}.",
        splits={name: text.replace("places", "runs of 50 rows").replace("place's name", "run's number")
                for name, text in BY_HASH.items()},
        sensors=("landsat5_tm",),
        tasks=("regression",),
        folder="fractional_cover_australia",
        needs=(TABLE,),
    )  # fmt: skip

    def index(self) -> None:
        table = Rows(self.info.name, self.folder / TABLE, ("row", *COVERS, *BANDS))
        number = table.numbers(["row"])[:, 0].astype(int)
        reflectance, cover = table.numbers(list(BANDS)), table.numbers(list(COVERS))
        first: dict[bytes, int] = {}
        run = [
            first.setdefault(spectrum.tobytes(), int(n) // RUN) for spectrum, n in zip(reflectance, number, strict=True)
        ]
        chosen = np.array([part_of(str(each)) == self.split for each in run], bool)
        self.numbers, self.runs = number[chosen], np.array(run)[chosen]
        self.reflectance, self.cover = reflectance[chosen].astype(np.float32), cover[chosen]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, i: int) -> Record:
        i = self.check_index(i)
        sensor, values = SENSORS["landsat5_tm"], self.reflectance[i][None, None, None]
        seen = observe(sensor, values, time_days=[float("nan")], gsd_m=GSD_M, bands=tuple(BANDS.values()))
        named = zip(COVERS.values(), self.cover[i], strict=True)
        return Record(
            id=f"{self.info.name}/{self.numbers[i]}",
            observations={sensor.name: seen},
            values=tuple(Value(name=name, value=100 * float(share), unit="%") for name, share in named),
        )

    def group(self, i: int) -> str:
        return f"run {self.runs[self.check_index(i)]}"
