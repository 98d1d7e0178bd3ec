"""What changed between two pictures, by methods that learn nothing from labels: is any of it hard to beat?

Command:  python -m experiments.change                     (a minute on one core; `eval` extra)
Data:     the test pairs of levir_cd, landsat_change and heterogeneous_change (Beijing), and its val pair (Italy, two sensors):
          each pair by itself, no training. Protocol "whole": the picture as it is; "windows-256": cut into windows of 256
          pixels that are scored together, each with its own threshold.
Expected: on Landsat the two pictures are alike but for what changed, and change vector analysis is good; on buildings seen
          from different suns and seasons all of them mark light and shade, and F1 stays under .3.
Result:   results/change.jsonl. F1 whole: levir_cd .214 (change vectors), .166 (IR-MAD), .204 (PCA and k-means); landsat_change
          .929, .960, .901; Italy .261, .293, .314; Beijing .281, .641, .297, where in windows of 256 IR-MAD has .277.

Two sensors are compared by their brightness. Smoke-size: three test pairs of buildings, one Landsat scene, two pairs of places.
h w pixels · c bands
"""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from jaxtyping import Bool, Float
from numpy.lib.stride_tricks import sliding_window_view
from scipy.stats import chi2
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from experiments.baselines import Bench
from rsfm.data.datasets import DATASETS
from rsfm.data.root import data_root
from rsfm.scoring.pieces import Pieces
from rsfm.scoring.results import append_rows
from rsfm.tasks.change import change_mask
from rsfm.types import Answer, Mask, Record

Picture = Float[np.ndarray, "h w c"]
Method = Callable[[Picture, Picture], Bool[np.ndarray, "h w"]]
OUT = Path(__file__).parent / "results" / "change.jsonl"
COMMAND = "python -m experiments.change"
SPLITS = (
    ("levir_cd", "test"),
    ("landsat_change", "test"),
    ("heterogeneous_change", "val"),
    ("heterogeneous_change", "test"),
)
WINDOW = 256  # pixels, of the second protocol
ROUNDS = 30  # at most, of IR-MAD
BLOCK, COMPONENTS = 4, 3  # of PCA and k-means, as in its paper


def pair(record: Record) -> tuple[Picture, Picture]:
    """The two pictures of a record; of two sensors their brightness."""
    shown = [np.asarray(picture, np.float64) for each in record.observations.values() for picture in each.values]
    assert len(shown) == 2, f"{record.id}: expected two pictures, found {len(shown)}"
    if shown[0].shape != shown[1].shape:
        shown = [picture.mean(-1, keepdims=True) for picture in shown]
    return shown[0], shown[1]


def standardized(picture: Picture) -> Picture:
    """Each band with mean 0 and spread 1, so that a scene under another sun is the same scene."""
    flat = picture.reshape(-1, picture.shape[-1])
    return (picture - flat.mean(0)) / np.maximum(flat.std(0), 1e-9)


def nothing(before: Picture, after: Picture) -> Bool[np.ndarray, "h w"]:
    """No change anywhere."""
    return np.zeros(before.shape[:2], bool)


def change_vectors(before: Picture, after: Picture) -> Bool[np.ndarray, "h w"]:
    """Length of the difference of all bands above Otsu's threshold (change vector analysis, Malila 1980)."""
    return above_otsu(np.linalg.norm(standardized(after) - standardized(before), axis=-1))


def altered(before: Picture, after: Picture) -> Bool[np.ndarray, "h w"]:
    """Sum of squared MAD variates above Otsu's threshold, by iteratively reweighted MAD (Nielsen 2007)."""
    left, right = (standardized(each).reshape(-1, each.shape[-1]) for each in (before, after))
    weight, before_this = np.ones(len(left)), np.zeros(left.shape[1])
    for _ in range(ROUNDS):
        correlation, distance = mad(left, right, weight)
        weight = np.maximum(chi2.sf(distance, left.shape[1]), 1e-12)
        if np.abs(correlation - before_this).max() < 1e-3:
            break
        before_this = correlation
    return above_otsu(np.sqrt(distance).reshape(before.shape[:2]))


def mad(
    left: Float[np.ndarray, "n c"], right: Float[np.ndarray, "n c"], weight: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " c"], Float[np.ndarray, " n"]]:
    """Canonical correlations of two sets of bands, and each pixel's squared difference of the canonical variates over its variance."""
    share = weight / weight.sum()
    left, right = (each - share @ each for each in (left, right))
    roots = [inverse_root((each * share[:, None]).T @ each) for each in (left, right)]
    u, correlation, v = np.linalg.svd(roots[0] @ ((left * share[:, None]).T @ right) @ roots[1])
    difference = left @ (roots[0] @ u) - right @ (roots[1] @ v.T)
    variance = np.maximum(2 * (1 - np.clip(correlation, 0, 1)), 1e-9)
    return correlation, (np.square(difference) / variance).sum(-1)


def inverse_root(covariance: Float[np.ndarray, "c c"]) -> Float[np.ndarray, "c c"]:
    """The symmetric matrix whose square is the inverse."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors / np.sqrt(np.maximum(values, 1e-9))) @ vectors.T


def clustered(before: Picture, after: Picture) -> Bool[np.ndarray, "h w"]:
    """Two clusters of the principal components of the neighbourhoods of the difference (Celik 2009); the brighter one changed."""
    size = np.linalg.norm(standardized(after) - standardized(before), axis=-1)
    padded = np.pad(size, (BLOCK // 2, BLOCK - 1 - BLOCK // 2), mode="reflect")
    blocks = sliding_window_view(padded, (BLOCK, BLOCK)).reshape(-1, BLOCK * BLOCK)
    features = PCA(COMPONENTS).fit(blocks[:: max(1, len(blocks) // 20_000)]).transform(blocks)
    group = KMeans(2, n_init=1, random_state=0).fit_predict(features).reshape(size.shape)
    return group == int(size[group == 1].mean() > size[group == 0].mean())


def above_otsu(size: Float[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Pixels above the threshold with the largest variance between both sides (Otsu 1979)."""
    counts, edges = np.histogram(size, 256)
    share, centres = np.cumsum(counts) / counts.sum(), (edges[1:] + edges[:-1]) / 2
    mass = np.cumsum(counts * centres) / counts.sum()
    between = (mass[-1] * share - mass) ** 2 / np.maximum(share * (1 - share), 1e-12)
    return size > edges[1:][int(between.argmax())]


METHODS: dict[str, Method] = {
    "no change": nothing,
    "change vectors, Otsu": change_vectors,
    "IR-MAD, Otsu": altered,
    "PCA and k-means": clustered,
}


def answer(record: Record, method: Method) -> Answer:
    """What a method says of a record."""
    truth = change_mask(record)
    assert truth is not None, record.id
    found = method(*pair(record))
    return Answer(question="", text="", mask=Mask(class_index=np.where(found, 0, -1), legend=truth.legend[:1]))


def rows(dataset: str, split: str, records: Sequence[Record], protocol: str) -> Iterator[dict[str, Any]]:
    """The scores of all methods on the records of a split."""
    bench = Bench(dataset=dataset, split=split, protocol=protocol, task="change", records=records, command=COMMAND)
    for name, method in METHODS.items():
        for row in bench.rows(name, [[answer(record, method) for record in records]]):
            if math.isfinite(row["value"]):  # who calls nothing changed has no precision
                bounds = {end: row[end] if math.isfinite(row[end]) else None for end in ("low", "high")}
                yield row | bounds


def main(data: Path | None = None, out: Path | None = OUT) -> None:
    """Appends the rows of the baselines.

    Args:
        data: data folder; default RSFM_DATA, else ../shared/data.
        out: JSON lines; None = print alone.
    """
    made: list[dict[str, Any]] = []
    for dataset, split in SPLITS:
        whole = DATASETS[dataset](data or data_root(), split)
        pieces = Pieces(whole, WINDOW)
        for records, protocol in ((whole, "whole"), (pieces, f"windows-{WINDOW}")):
            for row in rows(dataset, split, [records[i] for i in range(len(records))], protocol):
                made.append(row)
                print(f"{dataset} {split} {protocol} {row['model']}: {row['metric']} {row['value']:.3f}", flush=True)
    if out is not None:
        append_rows(out, made)


if __name__ == "__main__":
    tyro.cli(main)
