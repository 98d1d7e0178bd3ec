"""A number for each pixel from a hundred labels: what do the bands of the pixel alone tell of it?

Command:  python -m experiments.value_maps                     (under a minute; `eval` extra)
Data:     gedi_chip: trained on 127 pixels of some blocks of one Landsat chip, intervals made on 44 of others (val), scored on
          49 of yet others. 95 % intervals redraw the task's blocks of 56 x 56 pixels, of which the test pixels lie in four:
          they tell little.
Expected: ridge and forest a little better than the mean, r2 under .3: one date, and labels that were made along tracks.
Result:   rmse / mae / r2 / bias, and share inside the 90 % interval / its width.
          mean   4.14 / 3.61 / -.04 /  .85, .92 / 17.0      ridge  3.21 / 2.68 / .37 /  .09, .84 /  8.2
          median 4.12 / 3.21 / -.03 / -.74, .92 / 17.0      forest 3.12 / 2.35 / .41 / -.57, .86 / 10.5 (mean of five seeds)
          The bands tell more than expected. Half as wide an interval costs six to eight points of coverage, of 49 pixels.
          nano, fine-tuned on the 127 labels: 4.57 / 3.83 / -.27 / 1.43, .84 / 11.8: no better than the mean (LOG.md).

h w pixels · k features · n labelled pixels
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from jaxtyping import Bool, Float
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rsfm.data.datasets import DATASETS
from rsfm.data.root import data_root
from rsfm.metrics import bootstrap_interval
from rsfm.metrics.calibration import conformal_quantile
from rsfm.scoring.results import BASELINES, append_rows
from rsfm.tasks import TASKS
from rsfm.types import Answer, Record

Row = dict[str, Any]
Estimator = Any  # of scikit-learn: fit, predict
OUT = Path(__file__).parent / "results" / "value_maps.jsonl"
COMMAND = "python -m experiments.value_maps"
SEEDS = (0, 1, 2, 3, 4)
BLUE, GREEN, RED, NIR, SWIR_1, SWIR_2 = range(6)
TAILS = (0.05, 0.95)


def score(answers: Sequence[Answer], record: Record, *, model: str) -> list[Row]:
    """Rows of the test record: the mean over answers (one a seed) of each metric of the task "value_map".

    Args:
        answers: with `value_map`: value and both ends of its 90 % interval.
        record: the labels.
        model: name of the row.
    """
    task = TASKS["value_map"]
    runs = [task.statistics(record, answer) for answer in answers]
    beside, width = np.concatenate(runs, axis=1), runs[0].shape[1]
    named: Row = {"config": BASELINES, "command": COMMAND, "model": model, "seeds": list(range(len(runs)))}
    named |= {"dataset": "gedi_chip", "split": "test", "protocol": "blocks", "n": int(known(record).sum())}
    made = []
    for name, metric in task.metrics.items():

        def mean_over_seeds(rows: np.ndarray, metric: Callable[[np.ndarray], float] = metric) -> float:
            return float(np.mean([metric(rows[:, i : i + width]) for i in range(0, rows.shape[1], width)]))

        low, high = bootstrap_interval(beside, mean_over_seeds)
        made.append(named | {"metric": name, "value": mean_over_seeds(beside), "low": low, "high": high})
    return made


def known(record: Record) -> Bool[np.ndarray, "h w"]:
    """The labelled pixels."""
    assert record.value_map is not None, record.id
    return np.isfinite(record.value_map.values)


def labels(record: Record) -> Float[np.ndarray, " n"]:
    """The numbers of the labelled pixels."""
    assert record.value_map is not None, record.id
    return record.value_map.values[known(record)].astype(np.float64)


def features(record: Record) -> Float[np.ndarray, "h w k"]:
    """The six bands and NDVI, 0 where the pixel is invalid."""
    seen = record.observations["hls"]
    bands = seen.values[0].astype(np.float64)
    total = bands[..., NIR] + bands[..., RED]
    ndvi = (bands[..., NIR] - bands[..., RED]) / np.where(seen.valid[0], total, 1.0)
    return np.concatenate([bands, ndvi[..., None]], axis=-1)


def answer(best: Float[np.ndarray, "*n"], low: Any, high: Any, shape: tuple[int, int]) -> Answer:
    """A map of numbers, or one number for all pixels, with its interval."""
    parts = [np.broadcast_to(np.asarray(part, np.float64), shape) for part in (best, low, high)]
    return Answer(question="", text="", value_map=np.stack(parts, axis=-1))


def constant(train: Record, middle: Callable[[np.ndarray], Any]) -> Answer:
    """One number of the training labels everywhere; their 5 and 95 % quantiles as its interval."""
    found = labels(train)
    low, high = np.quantile(found, TAILS)
    return answer(np.asarray(middle(found)), low, high, shape=known(train).shape)


def regression(estimator: Estimator, train: Record, val: Record) -> Answer:
    """A map from the pixel's own features; as wide everywhere as nine tenths of the validation residuals."""
    estimator.fit(features(train)[known(train)], labels(train))
    asked = features(train)  # the picture is the same in all splits
    found = estimator.predict(asked.reshape(-1, asked.shape[-1])).reshape(asked.shape[:2])
    arm = conformal_quantile(np.abs(found[known(val)] - labels(val)))
    return answer(found, found - arm, found + arm, shape=found.shape)


def baselines(train: Record, val: Record) -> dict[str, list[Answer]]:
    """Answers by name, one a seed where it draws."""
    ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 4, 15)))
    forests = [RandomForestRegressor(300, n_jobs=2, random_state=seed) for seed in SEEDS]
    return {
        "mean": [constant(train, np.mean)],
        "median": [constant(train, np.median)],
        "bands + NDVI, ridge": [regression(ridge, train, val)],
        "bands + NDVI, random forest": [regression(forest, train, val) for forest in forests],
    }


def main(data: Path | None = None, out: Path | None = OUT) -> None:
    """Appends the rows of the baselines.

    Args:
        data: data folder; default RSFM_DATA, else ../shared/data.
        out: JSON lines; None = print alone.
    """
    train, val, test = (DATASETS["gedi_chip"](data or data_root(), split)[0] for split in ("train", "val", "test"))
    rows = [row for model, answers in baselines(train, val).items() for row in score(answers, test, model=model)]
    for row in rows:
        print(f"{row['model']}: {row['metric']} {row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]", flush=True)
    if out is not None:
        append_rows(out, rows)


if __name__ == "__main__":
    tyro.cli(main)
