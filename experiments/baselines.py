"""What does one get without learning a representation? The bars that stand beside every learned number.

Command:  python experiments/baselines.py                      (about 15 minutes on two cores; `eval` extra)
          python experiments/baselines.py --datasets terramesh --out rows.jsonl
Expected: scene accuracy .58 (statistics + random convolutional features + SVM), fuel moisture RMSE 22.4 % (extra trees
          with place), Indian Pines disjoint30 .445 (pixel SVM) and .481 (smoothed PCA + SVM), means over three seeds.
Result:   experiments/results/baselines.jsonl; `rsfm results` prints it.

Every baseline answers as a model would, and the task scores the answer: same units, same metrics, same intervals.
n records or pixels · k features · c bands · h w pixels
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from jaxtyping import Float, Int
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from scipy.ndimage import gaussian_filter
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from rsfm.data.datasets import DATASETS
from rsfm.data.root import data_root
from rsfm.metrics import bootstrap_interval
from rsfm.scoring.evaluation import statistics_of
from rsfm.scoring.results import BASELINES, append_rows
from rsfm.tasks import TASKS
from rsfm.types import Answer, Mask, Record, Value

Row = dict[str, Any]
Estimator = Any  # of scikit-learn: fit, predict
OUT = Path(__file__).parent / "results" / "baselines.jsonl"
METRICS = {
    "scene": ("accuracy",),
    "regression": ("rmse", "mae", "r2"),
    "change": ("f1", "iou", "precision", "recall"),
    "segmentation": ("miou", "overall_accuracy"),
    "captioning": tuple(TASKS["captioning"].metrics),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bench:
    """Where a baseline is scored: the labels it is held against, and how its rows are named."""

    dataset: str
    split: str
    protocol: str
    task: str
    records: Sequence[Record]
    command: str = ""  # what was typed; "" = this file's own

    def rows(self, model: str, answers: Sequence[Sequence[Answer]]) -> list[Row]:
        """Scores `answers[seed][record]`; the mean over seeds, with the interval of redrawing units."""
        task = TASKS[self.task]
        runs = [statistics_of(task, self.records, run) for run in answers]
        beside, width = np.concatenate(runs, axis=1), runs[0].shape[1]
        n = sum(int((r.mask.class_index >= 0).sum()) if r.mask else 1 for r in self.records)
        made = []
        for name in METRICS[self.task]:

            def mean_over_seeds(rows: np.ndarray, score: Callable = task.metrics[name]) -> float:
                return float(np.mean([score(rows[:, i : i + width]) for i in range(0, rows.shape[1], width)]))

            low, high = bootstrap_interval(beside, mean_over_seeds)
            command = self.command or f"python experiments/baselines.py --datasets {self.dataset}"
            named: Row = {"config": BASELINES, "command": command}
            named |= {"dataset": self.dataset, "split": self.split, "protocol": self.protocol, "metric": name}
            made.append(named | {"value": mean_over_seeds(beside), "low": low, "high": high})
            made[-1] |= {"seeds": list(range(len(answers))), "model": model, "n": n}
        return made


def standardized(estimator: Estimator) -> Estimator:
    return make_pipeline(StandardScaler(), estimator)


# --- scenes ---------------------------------------------------------------------------------------------------------


def picture_statistics(rgb: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, " k"]:
    """Colour (mean, spread, quantiles, histograms), gradients (size, direction) and layout (8 x 8 thumbnail)."""
    pixels, grey = rgb.reshape(-1, 3), rgb.mean(-1)
    down, right = np.gradient(grey)
    size, direction = np.hypot(down, right), np.arctan2(down, right) % np.pi
    directions = np.histogram(direction, 8, (0, np.pi), weights=size)[0] / (size.sum() + 1e-6)
    histograms = [np.histogram(pixels[:, c], 16, (0, 1))[0] / len(pixels) for c in range(3)]
    quantiles = np.quantile(pixels, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0).ravel()
    moments = [pixels.mean(0), pixels.std(0), [size.mean(), size.std()]]
    return np.concatenate([*moments, quantiles, directions, *histograms, resized(rgb, 8).ravel()])


def resized(rgb: Float[np.ndarray, "h w 3"], size: int) -> Float[np.ndarray, "size size 3"]:
    picture = Image.fromarray((rgb * 255).round().astype(np.uint8))
    return np.asarray(picture.resize((size, size), Image.Resampling.BOX), np.float32) / 255


def convolutional_features(small: Float[np.ndarray, "n h w 3"], train: int, filters: int = 512) -> np.ndarray:
    """Mean positive and negative response to patches of the first `train` pictures (MOSAIKS, Rolf et al. 2021)."""
    rng, edge = np.random.default_rng(0), 6
    mean, spread = small[:train].mean((0, 1, 2)), small[:train].std((0, 1, 2))
    patches = []
    for _ in range(filters):
        i, row, column = rng.integers(train), *rng.integers(small.shape[1] - edge + 1, size=2)
        patch = ((small[i, row : row + edge, column : column + edge] - mean) / spread).ravel()
        patches.append((patch - patch.mean()) / (np.linalg.norm(patch - patch.mean()) + 1e-6))
    bank, features = np.stack(patches, axis=1).astype(np.float32), []
    for picture in small:
        windows = sliding_window_view((picture - mean) / spread, (edge, edge), axis=(0, 1))[::2, ::2]
        response = windows.transpose(0, 1, 3, 4, 2).reshape(-1, edge * edge * 3) @ bank
        features.append(np.concatenate([np.maximum(response, 0).mean(0), np.maximum(-response, 0).mean(0)]))
    return np.stack(features)


def aid_rsicd(root: Path) -> Iterator[list[Row]]:
    """Scene names, train to val."""
    labels, statistics, small, sizes = [], [], [], []
    for split in ("train", "val"):
        for record in DATASETS["aid_rsicd"](root, split):
            rgb = record.observations["aerial_rgb"].values[0]
            statistics.append(picture_statistics(rgb))
            small.append(resized(rgb, 64))
            labels.append(dataclasses.replace(record, observations={}))
        sizes.append(len(labels))
    n = sizes[0]
    plain = np.stack(statistics)
    both = np.concatenate([plain, convolutional_features(np.stack(small), n)], axis=1)
    forest = [RandomForestClassifier(400, n_jobs=2, random_state=seed) for seed in range(3)]
    svm = standardized(SVC(C=10))
    bench = Bench(dataset="aid_rsicd", split="val", protocol="published", task="scene", records=labels[n:])
    names = [record.scene for record in labels[:n]]
    for model, features, estimators in (
        ("most frequent class", plain, [DummyClassifier(strategy="most_frequent")]),
        ("statistics + kNN", plain, [standardized(KNeighborsClassifier(5))]),
        ("statistics + random forest", plain, forest),
        ("statistics + SVM", plain, [svm]),
        ("statistics + random convolutional features + SVM", both, [svm]),
    ):
        texts = [estimator.fit(features[:n], names).predict(features[n:]) for estimator in estimators]
        yield bench.rows(model, [[Answer(question="", text=str(text)) for text in run] for run in texts])


# --- numbers --------------------------------------------------------------------------------------------------------


def series_features(records: Sequence[Record]) -> dict[str, Float[np.ndarray, "n _"]]:
    """All bands at all dates; with the place as a unit vector; with the season of the first date as an angle."""
    observations = [next(iter(record.observations.values())) for record in records]
    bands = np.stack([observation.values.ravel() for observation in observations])
    lon, lat = np.deg2rad([record.location_deg or (0.0, 0.0) for record in records]).T
    place = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
    year = 2 * np.pi * np.array([observation.time_days[0] for observation in observations]) / 365.25
    placed = np.concatenate([bands, place], axis=1)
    return {
        "bands": bands,
        "bands + place": placed,
        "bands + place + season": np.concatenate([placed, np.stack([np.sin(year), np.cos(year)], axis=1)], axis=1),
    }


def fuel_moisture(root: Path) -> Iterator[list[Row]]:
    """Live fuel moisture at the published test sites, from the published training sites."""
    train, test = (list(DATASETS["fuel_moisture"](root, split)) for split in ("trainval", "test"))
    bench = Bench(dataset="fuel_moisture", split="test", protocol="published", task="regression", records=test)
    target = np.array([record.values[0].value for record in train])
    learn, ask = series_features(train), series_features(test)

    def answers(features: str, estimators: Sequence[Estimator]) -> list[list[Answer]]:
        runs = [estimator.fit(learn[features], target).predict(ask[features]) for estimator in estimators]
        return [[_number(record, float(value)) for record, value in zip(test, run, strict=True)] for run in runs]

    yield bench.rows("mean", answers("bands", [DummyRegressor()]))
    for features in learn:
        models: Mapping[str, Sequence[Estimator]] = {
            "ridge": [standardized(RidgeCV(np.logspace(-3, 4, 15)))],
            "kNN": [standardized(KNeighborsRegressor(10))],
            "random forest": [RandomForestRegressor(300, n_jobs=2, random_state=seed) for seed in range(5)],
            "extra trees": [
                ExtraTreesRegressor(500, n_jobs=2, random_state=seed, min_samples_leaf=2) for seed in range(5)
            ],
        }
        for model, estimators in models.items():
            yield bench.rows(f"{features}, {model}", answers(features, estimators))


def _number(record: Record, value: float) -> Answer:
    wanted = record.values[0]
    return Answer(question="", text="", values=(Value(name=wanted.name, value=value, unit=wanted.unit),))


# --- maps -----------------------------------------------------------------------------------------------------------


def pixels(record: Record, sensors: Sequence[str]) -> Float[np.ndarray, "h w c"]:
    """The bands of several sensors side by side, 0 where one has no valid value."""
    parts = [record.observations[name] for name in sensors]
    return np.concatenate([np.where(part.valid[0][..., None], part.values[0], 0) for part in parts], axis=-1)


def map_answer(
    estimator: Estimator,
    train: Sequence[tuple[np.ndarray, Int[np.ndarray, "h w"]]],
    ask: Float[np.ndarray, "h w k"],
    legend: Sequence[str],
) -> Answer:
    """Fits on the labelled pixels of (features, classes) pairs and answers with a mask of the whole picture."""
    known = [(features[classes >= 0], classes[classes >= 0]) for features, classes in train]
    estimator.fit(np.concatenate([x for x, _ in known]), np.concatenate([y for _, y in known]))
    found = estimator.predict(ask.reshape(-1, ask.shape[-1])).reshape(ask.shape[:2])
    return Answer(question="", text="", mask=Mask(class_index=found.astype(np.int64), legend=tuple(legend)))


def indian_pines(root: Path) -> Iterator[list[Row]]:
    """Hyperspectral classes on blocks apart from the training blocks; seed 0 alone, and the mean of three splits."""
    cube = pixels(next(iter(DATASETS["indian_pines"](root, "test"))), ["aviris_indian_pines"])
    components = PCA(30).fit_transform(StandardScaler().fit_transform(cube.reshape(-1, cube.shape[-1])))
    smooth = gaussian_filter(components.reshape(*cube.shape[:2], -1), sigma=(2.5, 2.5, 0))
    models: Mapping[str, tuple[np.ndarray, Callable[[int], Estimator]]] = {
        "most frequent class": (cube, lambda seed: DummyClassifier(strategy="most_frequent")),
        "pixel random forest": (cube, lambda seed: RandomForestClassifier(300, n_jobs=2, random_state=seed)),
        "pixel SVM": (cube, lambda seed: standardized(SVC(C=100))),
        "smoothed PCA + SVM": (smooth, lambda seed: standardized(SVC(C=100))),
    }
    for model, (features, make) in models.items():
        splits = []
        for seed in range(3):
            train, test = (DATASETS["indian_pines"](root, split, seed=seed)[0] for split in ("trainval", "test"))
            answer = map_answer(make(seed), [(features, train.mask.class_index)], features, train.mask.legend)
            bench = Bench(
                dataset="indian_pines", split="test", protocol="disjoint30-seed0", task="segmentation", records=[test]
            )
            splits.append(bench.rows(model, [[answer]]))
        yield splits[0] + [_mean_of_splits(rows) for rows in zip(*splits, strict=True)]


def _mean_of_splits(rows: Sequence[Row]) -> Row:
    """The splits share pixels, so no interval is claimed for their mean."""
    mean = {"value": float(np.mean([row["value"] for row in rows])), "low": None, "high": None}
    return rows[0] | mean | {"protocol": "disjoint30-mean", "seeds": list(range(len(rows)))}


def terramesh(root: Path) -> Iterator[list[Row]]:
    """Land cover of the tile left out, pixel by pixel from the other tiles."""
    train, test = (list(DATASETS["terramesh"](root, split)) for split in ("train", "test"))
    bench = Bench(dataset="terramesh", split="test", protocol="tile-out", task="segmentation", records=test)
    truths = [record.mask.class_index for record in (*train, *test)]
    legend = test[0].mask.legend
    most_frequent, optical = DummyClassifier(strategy="most_frequent"), ["sentinel2_l2a"]

    def rows(model: str, estimators: Sequence[Estimator], sensors: Sequence[str], fit: slice) -> list[Row]:
        pictures = [pixels(record, sensors) for record in (*train, *test)]
        known = list(zip(pictures, truths, strict=True))[fit]
        asked = pictures[len(train) :]
        answers = [[map_answer(estimator, known, picture, legend) for picture in asked] for estimator in estimators]
        return bench.rows(model, answers)

    seen, unseen = slice(None, len(train)), slice(len(train), None)
    yield rows("most frequent class of train", [most_frequent], optical, seen)
    yield rows("most frequent class of test (oracle)", [most_frequent], optical, unseen)
    for name, sensors in {"S2": optical, "S2 + S1": [*optical, "sentinel1_rtc"]}.items():
        yield rows(f"{name} pixel, logistic", [standardized(LogisticRegression(max_iter=300))], sensors, seen)
        yield rows(f"{name} pixel, kNN", [standardized(KNeighborsClassifier(15))], sensors, seen)
        forest = [RandomForestClassifier(100, n_jobs=2, random_state=seed, min_samples_leaf=5) for seed in range(3)]
        yield rows(f"{name} pixel, random forest", forest, sensors, seen)


BENCHES: dict[str, Callable[[Path], Iterator[list[Row]]]] = {
    "aid_rsicd": aid_rsicd,
    "fuel_moisture": fuel_moisture,
    "indian_pines": indian_pines,
    "terramesh": terramesh,
}


def main(datasets: tuple[str, ...] = tuple(BENCHES), data: Path | None = None, out: Path = OUT) -> None:
    """Appends the rows of the baselines to a results file.

    Args:
        datasets: keys of BENCHES.
        data: data folder; default RSFM_DATA, else ../shared/data.
        out: JSON lines.
    """
    for dataset in datasets:
        for rows in BENCHES[dataset](data or data_root()):
            for row in append_rows(out, rows):
                print(f"{row.dataset} {row.protocol} {row.model}: {row.metric} {row.value:.4f}", flush=True)


if __name__ == "__main__":
    tyro.cli(main)
