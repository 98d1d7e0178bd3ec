"""How good are land-cover maps at places of the validation splits, in the common legend? Checkpoints beside simple methods.

Command:  python -m experiments.cover --checkpoints nano dynamic_world runs/release/nano
          python -m experiments.cover --checkpoints --simple            (the simple methods alone, a minute)
Expected: the checkpoint of nano_cover above the random forest on both data sets; Dynamic World on Sentinel-2 above both.
Result:   printed, and as JSON lines with --out; LOG.md. Test splits are not read here.

Pixels whose class in the data set's own legend may be one of several common ones are left out for every method.
n pixels · c bands
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from jaxtyping import Float, Int
from sklearn.ensemble import RandomForestClassifier

from experiments.baselines_places import mapped, otsu
from rsfm.data.datasets import DATASETS
from rsfm.data.landcover import COMMON_NAMES, COVER
from rsfm.data.root import data_root
from rsfm.pretrained import load
from rsfm.scoring.results import append_rows
from rsfm.tasks import TASKS
from rsfm.types import Answer, Mask, Record

SENSOR = {"hls_worldcover306": "hls_l30", "satclip_s2_global": "sentinel2_l2a"}
INDEX_BANDS = {"hls_l30": (2, 4, 5), "sentinel2_l2a": (2, 7, 10)}  # green, near and short-wave infrared
PIXELS = 400  # of each training patch, drawn at random
METRICS = ("overall_accuracy", "miou", "kappa")
WATER = COVER.index("water")
Method = Callable[[Record], Answer]


def common(record: Record, dataset: str) -> Record:
    """The record with its one picture and its mask in the common legend, pixels of several possible classes unlabelled."""
    assert record.mask is not None
    names = [COMMON_NAMES[dataset].get(name, (name,)) for name in record.mask.legend]
    places = [COVER.index(each[0]) if len(each) == 1 and each[0] in COVER else -1 for each in names]
    classes = np.array([*places, -1])[record.mask.class_index]
    sensor = SENSOR[dataset]
    return dataclasses.replace(
        record, observations={sensor: record.observations[sensor]}, mask=Mask(class_index=classes, legend=COVER)
    )


def records(dataset: str, split: str, root: Path) -> list[Record]:
    """All records of a split in the common legend."""
    return [common(record, dataset) for record in DATASETS[dataset](root, split)]


def asked(name: str) -> Method:
    """A checkpoint, asked to map the common legend."""
    loaded, task = load(name), TASKS["segmentation"]
    return lambda record: loaded.predict(record, task.question(record))


def forest(train: Sequence[Record], seed: int) -> Method:
    """A random forest on the bands of a pixel."""
    bands, classes = (np.concatenate(parts) for parts in zip(*(drawn(record) for record in train), strict=True))
    fitted = RandomForestClassifier(60, min_samples_leaf=5, n_jobs=1, random_state=seed).fit(bands, classes)

    def predict(record: Record) -> Answer:
        picture = values(record)
        return mapped(record, fitted.predict(picture.reshape(-1, picture.shape[-1])).reshape(picture.shape[:2]))

    return predict


def drawn(record: Record) -> tuple[Float[np.ndarray, "n c"], Int[np.ndarray, " n"]]:
    """Bands and classes of some labelled pixels of a patch, by its own number of labelled ones."""
    (seen,), mask = record.observations.values(), record.mask
    assert mask is not None
    known = np.argwhere(np.asarray(seen.valid)[0] & (mask.class_index >= 0))
    rng = np.random.default_rng(len(known))
    rows, columns = known[rng.choice(len(known), min(PIXELS, len(known)), replace=False)].T
    return values(record)[rows, columns], mask.class_index[rows, columns]


def index_threshold(infrared: int, threshold: Callable[[np.ndarray], float]) -> Method:
    """Water where the normalized difference of green and an infrared band is above a threshold; nothing else is named."""

    def predict(record: Record) -> Answer:
        (sensor,) = record.observations
        picture = np.maximum(values(record), 0)
        green, dark = picture[..., INDEX_BANDS[sensor][0]], picture[..., INDEX_BANDS[sensor][infrared]]
        index = (green - dark) / np.maximum(green + dark, 1e-4)
        return mapped(record, np.where(index > threshold(index), WATER, -1))

    return predict


def values(record: Record) -> Float[np.ndarray, "h w c"]:
    """The picture's numbers."""
    (seen,) = record.observations.values()
    return np.asarray(seen.values)[0]


def scores(statistics: Float[np.ndarray, "n k"]) -> dict[str, float]:
    """The task's metrics of all records' confusion matrices, and the IoU of water."""
    metrics = TASKS["segmentation"].metrics
    found = {name: float(metrics[name](statistics)) for name in METRICS}
    side = len(COVER) + 1
    confusion = statistics.sum(0).reshape(side, side)
    either = confusion[WATER].sum() + confusion[:, WATER].sum() - confusion[WATER, WATER]
    return found | {"water_iou": float(confusion[WATER, WATER] / max(either, 1))}


def rows_of(dataset: str, name: str, predict: Method, held: Sequence[Record]) -> Iterator[dict[str, Any]]:
    """A row for each metric; of a method that names water alone, for the water."""
    statistics = np.concatenate([TASKS["segmentation"].statistics(record, predict(record)) for record in held])
    labelled = sum(int((record.mask.class_index >= 0).sum()) for record in held if record.mask is not None)
    row = {
        "config": "cover", "model": name, "command": "python -m experiments.cover", "dataset": dataset, "split": "val",
        "protocol": "common legend, places apart", "n": labelled,
    }  # fmt: skip
    for metric, value in scores(statistics).items():
        if metric == "water_iou" or not name.startswith(("NDWI", "MNDWI")):
            yield row | {"metric": metric, "value": value}


def main(
    checkpoints: tuple[str, ...] = ("nano", "dynamic_world"),
    datasets: tuple[str, ...] = tuple(SENSOR),
    simple: bool = False,
    data: Path | None = None,
    out: Path | None = None,
) -> None:
    """Scores and prints.

    Args:
        checkpoints: names or folders.
        datasets: keys of SENSOR.
        simple: the methods without a network, too.
        data: data folder.
        out: results file to append the rows to.
    """
    root = data or data_root()
    methods = {Path(name).name if Path(name).parent == Path() else name: asked(name) for name in checkpoints}
    for dataset in datasets:
        held, beside = records(dataset, "val", root), dict[str, Method]()
        if simple:
            beside["pixel random forest"] = forest(records(dataset, "train", root), 0)
            for name, infrared in (("NDWI", 1), ("MNDWI", 2)):
                beside[f"{name} > 0"] = index_threshold(infrared, lambda index: 0.0)
                beside[f"{name}, Otsu"] = index_threshold(infrared, otsu)
        for name, predict in (beside | methods).items():
            rows = list(rows_of(dataset, name, predict, held))
            print(
                f"{dataset} val {name}: " + ", ".join(f"{row['metric']} {row['value']:.3f}" for row in rows), flush=True
            )
            if out is not None:
                append_rows(out, rows)


if __name__ == "__main__":
    tyro.cli(main)
