"""Fits band statistics and the scale of numbers on training splits only.

python tokenizers/normalization/fit.py            (needs the data folder; writes statistics.json beside this file)
"""

import json
from pathlib import Path

import numpy as np

from rsfm.config import to_json
from rsfm.data.datasets import DATASETS
from rsfm.data.root import data_root
from rsfm.data.training.normalize import fit_statistics
from rsfm.quantities import AREA, COUNT, Quantity

# sensor, dataset, split, relative to brightness: instruments whose bands differ too much for one constant a unit.
SENSORS = (
    ("aviris_indian_pines", "indian_pines", "train", True),
    ("fuel_moisture_table", "fuel_moisture", "train", False),
    ("ndvi_series", "cawa", "train", False),
    ("aerial_rgb", "aid_rsicd", "train", False),
)
FUEL = "live fuel moisture"


def main() -> None:
    """Writes statistics.json."""
    root, sensors = data_root(), {}
    for sensor, dataset, split, relative in SENSORS:
        records = DATASETS[dataset](root, split)
        step = max(1, len(records) // 2000)
        chosen = [records[i] for i in range(0, len(records), step)]
        sensors[sensor] = fit_statistics(sensor, chosen, source=f"{dataset} {split}", relative=relative)
        print(sensor, f"{dataset} {split}", len(chosen), "records")
    fuel = DATASETS["fuel_moisture"](root, "train")
    targets = np.asarray([fuel[i].values[0].value for i in range(len(fuel))])
    moisture = Quantity(name=FUEL, unit="%", center=float(targets.mean()), scale=float(targets.std()), lowest=0.0)
    out = {"sensors": to_json(sensors), "quantities": to_json((moisture, AREA, COUNT))}
    (Path(__file__).parent / "statistics.json").write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
