"""What do boxes and counts of a checkpoint say beside methods that learn no features: blobs, templates, the mean count?

Command:   python -m experiments.detection                                         (baselines alone, a minute)
           python -m experiments.detection runs/release/boxes_trees --gate         (sets the checkpoint's threshold first)
Data:      deepforest (crowns: Florida to learn from, California to score), dota (ships: western tiles, eastern tiles), and
           urban_trees (by city) where it has been fetched. Two of the three are single pictures: smoke-size, and said so.
Protocol:  "crops": a unit is a record of the test split whose most frequent class is the one named, or that holds nothing;
           AP at IoU .5 of turned boxes.
           Everything that is chosen (blob size and polarity, thresholds) is chosen on the training split by its count error.
Result:    experiments/results/detection.jsonl; `rsfm results` prints it.

n boxes · h w pixels
"""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from flax import nnx
from jaxtyping import Float
from scipy import ndimage, signal

from experiments.baselines import Bench
from rsfm import pretrained
from rsfm.boxes.suppression import suppressed
from rsfm.data.datasets import DATASETS
from rsfm.data.root import data_root
from rsfm.errors import UserError
from rsfm.models.foundation import FoundationModel
from rsfm.nn.weights import assign, named_parameters
from rsfm.scoring.results import append_rows
from rsfm.tasks.detection import named
from rsfm.tasks.dialogue import plain
from rsfm.types import Answer, Boxes, Record, Value

OUT = Path(__file__).parent / "results" / "detection.jsonl"
CLASSES = {"deepforest": "tree", "dota": "ship", "urban_trees": "tree"}
SIGMAS = (2.0, 3.0, 4.5, 7.0, 10.0, 14.0)  # pixels
MOST = 300  # boxes of a picture
MOST_GATED = 10  # records of a data set that choose a checkpoint's threshold
Detector = Callable[[Record], tuple[Float[np.ndarray, "n 4 2"], Float[np.ndarray, " n"]]]


def grey(record: Record) -> Float[np.ndarray, "h w"]:
    """Brightness with mean 0 and deviation 1; a tree or ship is as bright or dark beside its ground in any light."""
    values = next(iter(record.observations.values())).values[0, ..., :3].mean(-1).astype(np.float64)
    return (values - values.mean()) / max(values.std(), 1e-9)


def squares(places: Float[np.ndarray, "n 2"], width: float, height: float) -> Float[np.ndarray, "n 4 2"]:
    """Upright boxes around rows and columns."""
    half = np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2
    return places[:, None, ::-1] + 0.5 + half[None]


def peaks_of(response: Float[np.ndarray, "h w"], reach: int, width: float, height: float) -> tuple[Any, Any]:
    """A box at each local maximum, with its response; of two that overlap by half the stronger stays."""
    top = (response == ndimage.maximum_filter(response, 2 * reach + 1)) & (response > 0)
    places = np.argwhere(top)
    order = np.argsort(-response[top], kind="stable")[:MOST]
    corners, scores = squares(places[order].astype(float), width, height), response[top][order]
    stay = suppressed(corners, scores)
    return corners[stay], scores[stay]


def blobs(sigma: float, sign: int) -> Detector:
    """Bright (sign 1) or dark (-1) blobs of one size: maxima of the Laplacian of a Gaussian (Lindeberg 1998)."""
    side = 2 * np.sqrt(2) * sigma

    def find(record: Record) -> tuple[Any, Any]:
        response = -sign * sigma**2 * ndimage.gaussian_laplace(grey(record), sigma)
        return peaks_of(response, max(1, round(sigma)), side, side)

    return find


def template(records: Sequence[Record], name: str) -> Detector:
    """Normalized correlation with the mean picture of the training boxes, upright, of their median size."""
    pairs = [(record, corners) for record in records for corners in _boxes(record, name).corners]
    low, high = (np.array([each(0) for each in (getattr(c, side) for _, c in pairs)]) for side in ("min", "max"))
    width, height = (max(5, round(float(x))) for x in np.median(high - low, axis=0))
    patches = [_patch(grey(record), corners.mean(0), width, height) for record, corners in pairs]
    mean = np.mean([patch for patch in patches if patch is not None], axis=0)
    mean = (mean - mean.mean()) / max(mean.std(), 1e-9)

    def find(record: Record) -> tuple[Any, Any]:
        picture = np.pad(grey(record), ((height // 2, height // 2), (width // 2, width // 2)), mode="reflect")
        count = mean.size
        product = signal.fftconvolve(picture, mean[::-1, ::-1], mode="valid")
        total, squared = (signal.fftconvolve(p, np.ones_like(mean), mode="valid") for p in (picture, picture**2))
        spread = np.sqrt(np.maximum(squared / count - (total / count) ** 2, 1e-6))
        rows, columns = grey(record).shape
        return peaks_of((product / count / spread)[:rows, :columns], max(1, min(width, height) // 3), width, height)

    return find


def _patch(picture: np.ndarray, centre: np.ndarray, width: int, height: int) -> np.ndarray | None:
    left, top = round(float(centre[0] - width / 2)), round(float(centre[1] - height / 2))
    inside = left >= 0 and top >= 0 and left + width <= picture.shape[1] and top + height <= picture.shape[0]
    return picture[top : top + height, left : left + width] if inside else None


def _boxes(record: Record, name: str) -> Boxes:
    assert record.boxes is not None
    return named(record.boxes, name)


def truth(record: Record, name: str) -> int:
    """How many of a class there are."""
    return len(_boxes(record, name).corners)


def scored(record: Record, name: str) -> bool:
    """Whether the class is the most frequent of a record, which the task scores, or there is nothing at all."""
    assert record.boxes is not None
    counts = Counter(map(plain, record.boxes.labels))
    return not counts or counts[name] == max(counts.values())


def threshold(found: Sequence[Any], wanted: Sequence[int]) -> tuple[float, float]:
    """The least score that brings the counts closest to those wanted, and their mean error."""
    scores = np.unique(np.concatenate([[np.inf], *(own for _, own in found)]))
    tried = scores[np.unique(np.linspace(0, len(scores) - 1, min(len(scores), 400)).astype(int))]
    errors = [
        float(np.mean([abs((own >= least).sum() - n) for (_, own), n in zip(found, wanted, strict=True)]))
        for least in tried
    ]
    best = int(np.argmin(errors))
    return float(tried[best]), errors[best]


def answers(detector: Detector, least: float, records: Sequence[Record], name: str) -> list[Answer]:
    """All boxes with their scores, and the count of those above the threshold."""
    made = []
    for record in records:
        corners, scores = detector(record)
        boxes = Boxes(corners=corners, labels=(name,) * len(scores), scores=tuple(map(float, scores)))
        count = Value(name=name, value=float((scores >= least).sum()), unit="")
        made.append(Answer(question="", text="", boxes=boxes, values=(count,)))
    return made


def best_blobs(train: Sequence[Record], name: str) -> tuple[Detector, float]:
    """The size and polarity with the least count error on the training split, and its threshold."""
    wanted, tried = [truth(record, name) for record in train], []
    for sigma, sign in itertools.product(SIGMAS, (1, -1)):
        detector = blobs(sigma, sign)
        tried.append((*threshold([detector(record) for record in train], wanted)[::-1], detector))
    error, least, detector = min(tried, key=lambda each: each[0])
    return detector, least


def means(train: Sequence[Record], count: int, name: str) -> list[Answer]:
    """No box, and the mean count of the training split for every record."""
    value = float(np.mean([truth(record, name) for record in train]))
    return [Answer(question="", text="", values=(Value(name=name, value=value, unit=""),))] * count


def baselines(train: Sequence[Record], test: Sequence[Record], name: str) -> dict[str, list[Answer]]:
    """Answers of each method that learns no features."""
    matcher = template(train, name)
    least, _ = threshold([matcher(record) for record in train], [truth(record, name) for record in train])
    return {
        "mean count": means(train, len(test), name),
        "Laplacian blobs": answers(*best_blobs(train, name), test, name),
        "template matching": answers(matcher, least, test, name),
    }


def model_answers(loaded: Any, records: Sequence[Record], name: str) -> list[Answer]:
    """Every box of a class that a checkpoint makes, with the count of those it gives."""
    made = []
    for record in records:
        answer = loaded.detect(record, name)
        boxes = answer.boxes
        assert boxes is not None
        count = Value(name=name, value=float(len(boxes.labels)), unit="")
        made.append(dataclasses.replace(answer, boxes=answer.parts["box"], values=(count,)))
    return made


def gated(loaded: Any, train: dict[str, Sequence[Record]]) -> Any:
    """The checkpoint with the threshold that brings its counts closest to those of the training records of all data sets."""
    found, wanted = list[Any](), list[int]()
    for dataset, records in train.items():
        name = CLASSES[dataset]
        spread = [records[i] for i in np.unique(np.linspace(0, len(records) - 1, MOST_GATED).astype(int))]
        made = [answer.parts["box"] for answer in model_answers(loaded, spread, name)]
        found += [(boxes.corners, np.asarray(boxes.scores)) for boxes in made]
        wanted += [truth(record, name) for record in spread]
    least, error = threshold(found, wanted)
    least = float(np.clip(least, 0.03, 0.97))
    before = loaded.model.heads["box"].head.config.threshold
    odds = np.log(least / (1 - least)) + np.log(before / (1 - before))  # scores were shifted by the threshold before
    options = loaded.config.heads["box"].options | {"threshold": float(1 / (1 + np.exp(-odds)))}
    head = dataclasses.replace(loaded.config.heads["box"], options=options)
    config = dataclasses.replace(loaded.config, heads=loaded.config.heads | {"box": head})
    model = nnx.eval_shape(lambda: FoundationModel(config, rngs=nnx.Rngs(0)))
    assign(
        model, {key: np.asarray(value[...]) for key, value in named_parameters(loaded.model).items()}, where="itself"
    )
    print(f"threshold {options['threshold']:.3f}: mean count error {error:.2f} on {len(wanted)} training records")
    return dataclasses.replace(loaded, model=model, config=config)


def main(checkpoint: tyro.conf.Positional[Path | None] = None, *, gate: bool = False, out: Path = OUT) -> None:
    """Scores the baselines, or a checkpoint, on what data there is, and appends the rows.

    Args:
        checkpoint: folder of a checkpoint with boxes; none: the baselines.
        gate: choose the threshold on the training splits and write it into the checkpoint first.
        out: results file.
    """
    splits: dict[str, tuple[Sequence[Record], Sequence[Record]]] = {}
    for dataset, name in CLASSES.items():
        try:
            train, test = (DATASETS[dataset](data_root(), split) for split in ("train", "test"))
            splits[dataset] = [r for r in train if truth(r, name)], [r for r in test if scored(r, name)]
        except UserError as error:
            print(f"left out: {error}")
    loaded: Any = None
    if checkpoint is not None:
        loaded = pretrained.load_foundation(checkpoint)
        if gate:
            loaded = gated(loaded, {dataset: train for dataset, (train, _) in splits.items()})
            card = (checkpoint / "README.md").read_text(encoding="utf-8")
            pretrained.save_checkpoint(checkpoint, loaded.model, loaded.processor, card=card)
    command = "python -m experiments.detection" + (f" {checkpoint}" if checkpoint else "")
    for dataset, (train, test) in splits.items():
        name = CLASSES[dataset]
        bench = Bench(dataset=dataset, split="test", protocol="crops", task="detection", records=test, command=command)
        runs = baselines(train, test, name) if loaded is None else {loaded.name: model_answers(loaded, test, name)}
        for model, made in runs.items():
            rows = [row for row in bench.rows(model, [made]) if np.isfinite(row["value"])]
            rows = [row | ({} if loaded is None else {"config": loaded.name}) for row in rows]
            for row in rows:
                row |= {bound: None if not np.isfinite(row[bound]) else row[bound] for bound in ("low", "high")}
            append_rows(out, rows)
            print(dataset, model, {row["metric"]: round(row["value"], 3) for row in rows})


if __name__ == "__main__":
    tyro.cli(main)
