"""Scores a contrastive run on pictures and their captions, or what one gets without learning.

Command:  python -m experiments.retrieval RUN          (a run folder or a released checkpoint with a contrastive head)
          python -m experiments.retrieval --baseline   (nearest neighbours by statistics and by EfficientNet; `eval` extra)
Result:   experiments/results/retrieval.jsonl; `rsfm results` prints it.

Retrieval both ways between the split's pictures and all their sentences: R@1, R@5, R@10 and their mean mR, 95 % intervals
over pictures. The baselines take, for each picture, the captions of the ten training pictures most like it, by colour and
texture statistics or by the frozen EfficientNet-lite0, and compare words. Zero-shot: accuracy of the scene whose name, in
six wordings, lies nearest, and mean average precision (mAP) of all scenes by their shares of probability. Published
RSICD numbers (RemoteCLIP mR 35.26, GeoRSCLIP-FT 38.87) are of RSICD's test list of 1,093 pictures, not of this split, and of
towers 20 to 100 times larger.
n pictures · m sentences · t training pictures
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from jaxtyping import Float, Int
from sklearn.feature_extraction.text import TfidfVectorizer

from experiments.captions import KINDS, NEIGHBOURS, eye, features, nearest
from experiments.release import newest
from rsfm.answer.retrieval import Retriever
from rsfm.data.training.opening import open_records
from rsfm.errors import UserError
from rsfm.metrics import accuracy, bootstrap_interval, mean_average_precision
from rsfm.metrics.bootstrap import Metric
from rsfm.metrics.retrieval import RANKS, first_ranks
from rsfm.pretrained import load_foundation
from rsfm.scoring.results import BASELINES, append_rows
from rsfm.types import Record

OUT = Path(__file__).parent / "results" / "retrieval.jsonl"
NAMES = tuple(f"{way}_R@{k}" for way in ("image_to_text", "text_to_image") for k in RANKS)
Row = dict[str, Any]


def hits(similarity: Float[np.ndarray, "n m"], picture: Int[np.ndarray, " m"]) -> Float[np.ndarray, "n 6"]:
    """For each picture: is one of its sentences among the first 1, 5, 10; what share of its sentences finds it there."""
    count = len(similarity)
    relevant = picture[None] == np.arange(count)[:, None]
    found = first_ranks(similarity, relevant)[:, None] < np.array(RANKS)
    finds = first_ranks(similarity.T, relevant.T)[:, None] < np.array(RANKS)
    share = np.stack([finds[picture == i].mean(0) for i in range(count)])
    return np.concatenate([found.astype(float), share], axis=1)


def rows(base: Row, hit: Float[np.ndarray, "n 6"], zero_shot: Float[np.ndarray, "n _"] | None = None) -> list[Row]:
    """Result rows with intervals over pictures.

    Args:
        base: what all rows say.
        hit: of `hits`.
        zero_shot: of each picture which of the c scenes it is (one-hot), then the share of probability of each.
    """
    scores: dict[str, tuple[np.ndarray, Metric]] = {name: (hit[:, [i]], mean) for i, name in enumerate(NAMES)}
    scores["mR"] = (hit, mean)
    if zero_shot is not None:
        scores |= {"zero_shot_accuracy": (zero_shot, zero_shot_accuracy), "zero_shot_mAP": (zero_shot, zero_shot_map)}
    made = []
    for name, (values, metric) in scores.items():
        low, high = bootstrap_interval(values, metric)
        made.append(base | {"metric": name, "value": metric(values), "low": low, "high": high, "n": len(values)})
    return made


def mean(drawn: Float[np.ndarray, "n k"]) -> float:
    """Mean of the hits."""
    return float(drawn.mean())


def zero_shot_accuracy(drawn: Float[np.ndarray, "n _"]) -> float:
    """Share of pictures whose likeliest scene is theirs."""
    truth, share = np.split(drawn, 2, axis=1)
    return accuracy(truth.argmax(1) == share.argmax(1))


def zero_shot_map(drawn: Float[np.ndarray, "n _"]) -> float:
    """Mean average precision of the scenes."""
    truth, share = np.split(drawn, 2, axis=1)
    return mean_average_precision(truth > 0, share)


def neighbours_similarity(
    captions: Sequence[Sequence[str]], index: Int[np.ndarray, "n k"], sentences: Sequence[str]
) -> Float[np.ndarray, "n m"]:
    """Without learning: a sentence suits a picture as its words suit the captions of the nearest training pictures.

    Args:
        captions: of each training picture.
        index: the nearest training pictures of each picture.
        sentences: to be compared.
    """
    words = TfidfVectorizer(sublinear_tf=True).fit([said for each in captions for said in each])
    known = words.transform([" ".join(each) for each in captions])
    near = np.stack([np.asarray(known[row].mean(0)).ravel() for row in index])
    near /= np.maximum(np.linalg.norm(near, axis=1, keepdims=True), 1e-9)
    return np.asarray(words.transform(sentences) @ near.T).T


def main(
    run: tyro.conf.Positional[Path | None] = None,
    baseline: bool = False,
    dataset: str = "aid_rsicd",
    split: str = "val",
    out: Path = OUT,
) -> None:
    """Appends the rows and prints them.

    Args:
        run: a run folder or a released checkpoint.
        baseline: score the neighbours instead.
        dataset: with captions.
        split: scored; the baseline's neighbours are of "train".
        out: result file.
    """
    if (run is None) == (not baseline):
        raise UserError("Give a run folder, or --baseline.")
    base: Row = {"dataset": dataset, "split": split, "protocol": "all-sentences", "seeds": [0]}
    for row in append_rows(out, baselines(base) if run is None else scores(base, run)):
        low, high = 100 * (row.low or 0), 100 * (row.high or 0)
        print(f"{row.model:38s} {row.metric:20s} {100 * row.value:6.2f}  ({low:.2f} .. {high:.2f})")


def baselines(base: Row) -> list[Row]:
    """Rows of the neighbours, found by each kind of features."""
    pyramid, made = eye(), []
    known, learn = features(open_records(base["dataset"], "train"), pyramid)
    asked, ask = features(open_records(base["dataset"], base["split"]), pyramid)
    captions = [record.captions for record in known]
    sentences, picture = _sentences(asked)
    base = base | {"config": BASELINES, "command": "python -m experiments.retrieval --baseline"}
    for kind, cosine in KINDS.items():
        similarity = neighbours_similarity(captions, nearest(learn[kind], ask[kind], cosine=cosine), sentences)
        named = base | {"model": f"{kind} + {NEIGHBOURS} nearest captions"}
        made += rows(named, hits(similarity, picture))
    return made


def scores(base: Row, run: Path) -> list[Row]:
    """Rows of a model: retrieval both ways, and the scenes told by their names."""
    released = (run / "model.safetensors").is_file()
    model, processor = (lambda p: (p.model, p.processor))(load_foundation(run)) if released else newest(run)[:2]
    retriever = Retriever(model=model, processor=processor)
    data = open_records(base["dataset"], base["split"])
    records = [data[i] for i in range(len(data))]
    sentences, picture = _sentences(records)
    pictures = retriever.pictures(records)
    similarity = pictures @ retriever.texts(sentences).T
    names = sorted({record.scene for record in records if record.scene})
    truth = np.array([[name == record.scene for name in names] for record in records], float)
    zero_shot = np.concatenate([truth, retriever.classify(records, names)], axis=1)
    named = {"config": run.name, "command": f"python -m experiments.retrieval {run}", "model": run.name}
    return rows(base | named, hits(similarity, picture), zero_shot)


def _sentences(records: Sequence[Record]) -> tuple[list[str], Int[np.ndarray, " m"]]:
    """All captions, and of which record each is."""
    picture = np.repeat(np.arange(len(records)), [len(record.captions) for record in records])
    return [said for record in records for said in record.captions], picture


if __name__ == "__main__":
    tyro.cli(main)
