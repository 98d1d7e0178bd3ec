"""How good is Dynamic World, published and untouched, on the land cover of places at hand? A row for every land-cover table.

Command:  python -m experiments.dynamic_world                  (minutes on two cores)
          python -m experiments.dynamic_world --only terramesh
Expected: a mean kappa over .35 on the TerraMesh tiles (the issue's bar for a model of our own); agreement with its own
          published maps, made of the same acquisitions before atmospheric correction, well above .5.
Result:   experiments/results/dynamic_world.jsonl; `rsfm results` prints it.

Maps are asked for in the data set's legend: rangeland is grass or scrub, and a class that Dynamic World has not, as clouds,
is never given. Nothing is trained or tuned here, so every record of every split counts.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from rsfm.answer.land_cover import LandCover
from rsfm.data.datasets import DATASETS
from rsfm.data.root import data_root
from rsfm.metrics import bootstrap_interval
from rsfm.pretrained import load
from rsfm.scoring.results import append_rows
from rsfm.tasks import TASKS
from rsfm.types import Record

OUT = Path(__file__).parent / "results" / "dynamic_world.jsonl"
CHECKPOINT = "dynamic_world"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bench:
    """Records that are scored together.

    Attributes:
        dataset: key of DATASETS.
        splits: of it, all scored.
        level: the sensor that is read, for the rows' protocol.
        each: a row for each record, too.
    """

    dataset: str
    splits: tuple[str, ...]
    level: str
    each: bool = False

    def records(self, root: Path) -> Iterator[Record]:
        for split in self.splits:
            yield from DATASETS[self.dataset](root, split)


BENCHES = {
    "terramesh_l1c": Bench(dataset="terramesh", splits=("l1c_train", "l1c_test"), level="sentinel2_l1c", each=True),
    "terramesh": Bench(dataset="terramesh", splits=("train", "test"), level="sentinel2_l2a", each=True),
    "hls_worldcover306": Bench(dataset="hls_worldcover306", splits=("val", "test"), level="hls_l30"),
    "satclip_s2_global": Bench(dataset="satclip_s2_global", splits=("train", "val", "test"), level="sentinel2_l2a"),
}
METRICS = ("overall_accuracy", "miou", "kappa")


def rows_of(name: str, loaded: LandCover, root: Path) -> list[dict[str, Any]]:
    """Rows of one bench: of all records, and of each where it says so."""
    bench, task = BENCHES[name], TASKS["segmentation"]
    found: list[tuple[str, np.ndarray, int]] = []
    for record in bench.records(root):
        assert record.mask is not None
        only = dataclasses.replace(record, observations={bench.level: record.observations[bench.level]})
        statistics = task.statistics(record, loaded.predict(only, task.question(record)))
        found.append((record.id.split("/")[-1], statistics, int((record.mask.class_index >= 0).sum())))
        print(f"{record.id}: accuracy {task.metrics['overall_accuracy'](statistics):.3f}", flush=True)
    whole = ("all", np.concatenate([each for _, each, _ in found]), sum(n for *_, n in found))
    parts = [whole, *found] if bench.each else [whole]
    return [row for part in parts for row in _rows(name, bench, *part)]


def _rows(name: str, bench: Bench, split: str, statistics: np.ndarray, n: int) -> Iterator[dict[str, Any]]:
    for metric in METRICS:
        score = TASKS["segmentation"].metrics[metric]
        bounds = bootstrap_interval(statistics, score)
        low, high = (bound if bound == bound else None for bound in bounds)  # NaN where resampling gave no score
        yield {
            "config": CHECKPOINT,
            "model": CHECKPOINT,
            "command": f"python -m experiments.dynamic_world --only {name}",
            "dataset": bench.dataset,
            "split": split,
            "protocol": f"untrained, {bench.level}",
            "metric": metric,
            "value": float(score(statistics)),
            "low": low,
            "high": high,
            "n": n,
        }


def main(only: Sequence[str] = tuple(BENCHES), data: Path | None = None, out: Path = OUT) -> None:
    """Scores and appends the rows.

    Args:
        only: keys of BENCHES.
        data: data folder.
        out: results file.
    """
    loaded = load(CHECKPOINT)
    assert isinstance(loaded, LandCover)
    for name in only:
        rows = rows_of(name, loaded, data or data_root())
        append_rows(out, rows)
        for row in rows:
            print(f"{name} {row['split']} {row['metric']} {row['value']:.4f}")


if __name__ == "__main__":
    tyro.cli(main)
