"""How much of a picture do the bands of another sensor tell, pixel by pixel? The bars for images out.

Command:  python -m experiments.images                     (half a minute on one core; `eval` extra)
Data:     terramesh, two tiles to learn from, one left out ("tile-out"): NDVI from the bands of Sentinel-2; NDVI and all
          Sentinel-2 bands from Sentinel-1.
Expected: NDVI from optical bands nearly solved by a line, from radar hardly better than the mean.
Result:   results/images.jsonl. RMSE of NDVI: mean .461, line on Sentinel-2 .350, line on Sentinel-1 .403. The line on optical
          bands is far from a solution: an index is a quotient, and the tile left out is another landscape.
          Sentinel-2 from Sentinel-1: no better than the mean in RMSE (.091, .089) and SSIM, 2 degrees better in angle.

One scored tile: the numbers have no interval. h w pixels · c bands · k features
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from jaxtyping import Float
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression

from rsfm.data.datasets import DATASETS
from rsfm.data.root import data_root
from rsfm.metrics.images import Picture, Pixels, psnr, spectral_angle, ssim
from rsfm.scoring.results import BASELINES, append_rows
from rsfm.types import Record

OUT = Path(__file__).parent / "results" / "images.jsonl"
COMMAND = "python -m experiments.images"
SPANS = {"NDVI": 2.0, "Sentinel-2": 1.0}  # of the values a pixel can have
SENSORS = {"Sentinel-2": "sentinel2_l2a", "Sentinel-1": "sentinel1_rtc"}
WISHES = (("Sentinel-2", "NDVI"), ("Sentinel-1", "NDVI"), ("Sentinel-1", "Sentinel-2"))
MODELS: dict[str, Callable[[], Any]] = {"mean": DummyRegressor, "linear regression": LinearRegression}


def shown(record: Record, what: str) -> tuple[Picture, Pixels]:
    """A record's picture of a sensor, or its NDVI, and where it is valid."""
    if what == "NDVI":
        assert record.value_map is not None, record.id
        values = record.value_map.values[..., None].astype(np.float64)
        return values, np.isfinite(values[..., 0])
    seen = record.observations[SENSORS[what]]
    return np.asarray(seen.values[0], np.float64), np.asarray(seen.valid[0])


def pixels(
    records: list[Record], source: str, target: str
) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, "n c"]]:
    """Every pixel that is valid in both."""
    given, wanted = [], []
    for record in records:
        (x, seen), (y, known) = shown(record, source), shown(record, target)
        given.append(x[seen & known])
        wanted.append(y[seen & known])
    return np.concatenate(given), np.concatenate(wanted)


def scores(made: Picture, true: Picture, valid: Pixels, span: float) -> dict[str, float]:
    """Of one picture; an angle only where there are several bands."""
    found = {
        "rmse": float(np.sqrt(np.mean(np.square(made[valid] - true[valid])))),
        "psnr dB": psnr(made, true, valid, span=span),
        "ssim": ssim(made, true, valid, span=span),
    }
    return found if true.shape[-1] == 1 else found | {"spectral angle degree": spectral_angle(made, true, valid)}


def rows(train: list[Record], test: list[Record]) -> Iterator[dict[str, Any]]:
    """The mean over the test tiles of each score."""
    named: dict[str, Any] = {"config": BASELINES, "command": COMMAND, "dataset": "terramesh", "split": "ndvi_test"}
    for source, target in WISHES:
        learn = pixels(train, source, target)
        for name, make in MODELS.items():
            fitted, found, n = make().fit(*learn), list[dict[str, float]](), 0
            for record in test:
                (x, seen), (y, known) = shown(record, source), shown(record, target)
                made = np.zeros_like(y)
                made[seen] = fitted.predict(x[seen]).reshape(-1, y.shape[-1])
                found.append(scores(made, y, seen & known, SPANS[target]))
                n += int((seen & known).sum())
            for metric in found[0]:
                value = float(np.mean([each[metric] for each in found]))
                about = {"model": name, "protocol": f"tile-out, {target} from {source}", "metric": metric, "n": n}
                yield named | about | {"value": value, "low": None, "high": None, "seeds": [0]}


def main(data: Path | None = None, out: Path | None = OUT) -> None:
    """Appends the rows of the baselines.

    Args:
        data: data folder; default RSFM_DATA, else ../shared/data.
        out: JSON lines; None = print alone.
    """
    train, test = (list(DATASETS["terramesh"](data or data_root(), split)) for split in ("ndvi_train", "ndvi_test"))
    made = list(rows(train, test))
    for row in made:
        print(f"{row['protocol']}, {row['model']}: {row['metric']} {row['value']:.3f}", flush=True)
    if out is not None:
        append_rows(out, made)


if __name__ == "__main__":
    tyro.cli(main)
