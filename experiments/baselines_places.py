"""What does one get without learning a representation on the data sets of many places?

Command:  python experiments/baselines_places.py                    (a few minutes on one core)
          python experiments/baselines_places.py --datasets karly_soil_moisture --out rows.jsonl
Expected: hls_worldcover306 by place: a random forest on a pixel has accuracy .51 and mIoU .19; flood mask: MNDWI > 0 has mIoU .73.
Result:   experiments/results/baselines_places.jsonl; `rsfm results` prints it.

Protocol "folds-by-place" trains on four folds of hls_worldcover306 and maps the fifth, all five scored together; "published" is
WorldCover as it stands, with flooded fields as cropland. Protocol "by-place" trains on the split train and scores val.
n records or pixels · c bands
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tyro
from jaxtyping import Float
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from experiments.baselines import Bench, Estimator, Row
from rsfm.data.datasets import DATASETS
from rsfm.data.datasets.hls_worldcover import FLOOD_LEGEND, FOLDS
from rsfm.data.root import data_root
from rsfm.scoring.results import append_rows
from rsfm.types import Answer, Mask, Record, Value

OUT = Path(__file__).parent / "results" / "baselines_places.jsonl"
COMMAND = "python experiments/baselines_places.py --datasets {}"
PIXELS = 150  # of each training patch, drawn at random
GREEN, NIR, SWIR = 2, 4, 5  # of hls_l30
SERIES: dict[str, tuple[str, str]] = {  # name on the command line -> data set, prefix of its splits
    "deafrica_cropland": ("deafrica_cropland", ""),
    "brazil_sentinel2": ("brazil_time_series", ""),
    "brazil_cbers": ("brazil_time_series", "cbers_"),
    "brazil_modis": ("brazil_time_series", "modis_"),
    "worldcereal_pixels500": ("worldcereal_pixels500", ""),
    "fractional_cover_australia": ("fractional_cover_australia", ""),
    "karly_soil_moisture": ("karly_soil_moisture", ""),
}


def mapped(record: Record, classes: np.ndarray) -> Answer:
    """An answer with a mask in the record's legend."""
    assert record.mask is not None
    return Answer(question="", text="", mask=Mask(class_index=classes.astype(np.int64), legend=record.mask.legend))


def land_cover(root: Path) -> Iterator[list[Row]]:
    """WorldCover of places held out, from the seven bands of a pixel."""
    folds = [list(DATASETS["hls_worldcover306"](root, f"worldcover_fold{k}_test")) for k in range(len(FOLDS))]
    records = [record for fold in folds for record in fold]
    bench = Bench(
        dataset="hls_worldcover306", split="all folds", protocol="folds-by-place, published", task="segmentation",
        records=records, command=COMMAND.format("hls_worldcover306"),
    )  # fmt: skip
    samples = [drawn(fold) for fold in folds]
    for model, make in (
        ("most frequent class", lambda: DummyClassifier(strategy="most_frequent")),
        ("pixel random forest", lambda: RandomForestClassifier(30, min_samples_leaf=5, random_state=0)),
    ):
        answers = []
        for k, fold in enumerate(folds):
            bands, classes = (np.concatenate([sample[i] for j, sample in enumerate(samples) if j != k]) for i in (0, 1))
            estimator = make().fit(bands, classes)
            for record in fold:
                picture = record.observations["hls_l30"].values[0]
                answers.append(
                    mapped(record, estimator.predict(picture.reshape(-1, picture.shape[-1])).reshape(picture.shape[:2]))
                )
        yield bench.rows(model, [answers])


def drawn(records: Sequence[Record]) -> tuple[Float[np.ndarray, "n c"], np.ndarray]:
    """Bands and classes of some clear pixels of each patch."""
    rng, bands, classes = np.random.default_rng(0), [], []
    for record in records:
        assert record.mask is not None
        seen = record.observations["hls_l30"]
        known = np.argwhere(seen.valid[0] & (record.mask.class_index >= 0))
        rows, columns = known[rng.choice(len(known), min(PIXELS, len(known)), replace=False)].T
        bands.append(seen.values[0, rows, columns])
        classes.append(record.mask.class_index[rows, columns])
    return np.concatenate(bands), np.concatenate(classes)


def flood(root: Path) -> Iterator[list[Row]]:
    """The hand-drawn water mask of all places from thresholds of two indices."""
    records = [r for k in range(len(FOLDS)) for r in DATASETS["hls_worldcover306"](root, f"flood_fold{k}_test")]
    bench = Bench(
        dataset="hls_worldcover306", split="flood, all folds", protocol="water mask", task="segmentation", records=records,
        command=COMMAND.format("flood"),
    )  # fmt: skip
    assert FLOOD_LEGEND[1] == "water"
    for model, infrared, threshold in (
        ("NDWI > 0", NIR, lambda index: 0.0),
        ("MNDWI > 0", SWIR, lambda index: 0.0),
        ("NDWI, Otsu on each picture", NIR, otsu),
        ("MNDWI, Otsu on each picture", SWIR, otsu),
    ):
        answers = []
        for record in records:
            values = record.observations["hls_l30"].values[0]
            green, dark = np.maximum(values[..., GREEN], 0), np.maximum(values[..., infrared], 0)
            index = (green - dark) / np.maximum(green + dark, 1e-4)
            answers.append(mapped(record, index > threshold(index)))
        yield bench.rows(model, [answers])


def otsu(index: Float[np.ndarray, "h w"]) -> float:
    """The threshold with the largest variance between the two sides (Otsu 1979)."""
    counts, edges = np.histogram(index, 128, (-1, 1))
    centres = (edges[1:] + edges[:-1]) / 2
    below, mass = np.cumsum(counts) / counts.sum(), np.cumsum(counts * centres) / counts.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mass[-1] * below - mass) ** 2 / (below * (1 - below))
    return float(edges[1:][np.nanargmax(np.where(np.isfinite(between), between, -1))])


def table(root: Path, name: str) -> Iterator[list[Row]]:
    """Scene names or numbers of val from all numbers of a record, trained on train."""
    dataset, kind = SERIES[name]
    train, val = (list(DATASETS[dataset](root, f"{kind}{part}")) for part in ("train", "val"))
    learn, ask = (np.stack([flat(record) for record in records]) for records in (train, val))
    scenes = train[0].scene is not None
    bench = Bench(
        dataset=dataset, split=f"{kind}val", protocol="by-place", task="scene" if scenes else "regression", records=val,
        command=COMMAND.format(name),
    )  # fmt: skip
    numbers = [[v.value for v in r.values] for r in train]
    target = [r.scene for r in train] if scenes else np.squeeze(np.array(numbers), -1 if len(numbers[0]) == 1 else ())
    models: tuple[tuple[str, list[Estimator]], ...] = (
        ("most frequent class", [DummyClassifier(strategy="most_frequent")])
        if scenes
        else ("mean", [DummyRegressor()]),
        (
            "random forest",
            [
                (RandomForestClassifier if scenes else RandomForestRegressor)(100, random_state=seed)
                for seed in range(3)
            ],
        ),
    )
    for model, estimators in models:
        runs = [estimator.fit(learn, target).predict(ask) for estimator in estimators]
        yield bench.rows(model, [[answered(r, one) for r, one in zip(val, run, strict=True)] for run in runs])


def flat(record: Record) -> Float[np.ndarray, " n"]:
    """All numbers of all streams, 0 where nothing was seen."""
    return np.concatenate([seen.values.ravel() for seen in record.observations.values()])


def answered(record: Record, found: object) -> Answer:
    if record.scene is not None:
        return Answer(question="", text=str(found))
    numbers = np.atleast_1d(np.asarray(found, float))
    values = tuple(Value(name=v.name, value=float(x), unit=v.unit) for v, x in zip(record.values, numbers, strict=True))
    return Answer(question="", text="", values=values)


def main(
    datasets: tuple[str, ...] = ("hls_worldcover306", "flood", *SERIES), data: Path | None = None, out: Path = OUT
) -> None:
    """Appends the rows of the baselines to a results file.

    Args:
        datasets: hls_worldcover306, flood, or keys of SERIES.
        data: data folder; default RSFM_DATA, else ../shared/data.
        out: JSON lines.
    """
    root = data or data_root()
    maps: dict[str, Callable[[Path], Iterator[list[Row]]]] = {"hls_worldcover306": land_cover, "flood": flood}
    for name in datasets:
        for rows in maps[name](root) if name in maps else table(root, name):
            for row in append_rows(out, rows):
                print(f"{row.dataset} {row.split} {row.model}: {row.metric} {row.value:.4f}", flush=True)


if __name__ == "__main__":
    tyro.cli(main)
