"""What is a caption worth that nobody wrote for the picture? The bars beside nano and captions_smollm2.

Command:  python -m experiments.captions                (about three minutes on two cores; `eval` extra)
Expected: the most frequent caption far below all; nearest neighbours by ImageNet features above those by statistics.
Result:   val, BLEU-4 / METEOR / ROUGE-L / CIDEr-D: most frequent caption .156 .404 .408 .50; nearest by statistics .172 .377 .389 .79;
          nearest by EfficientNet .255 .485 .471 1.32; **consensus of its ten nearest .405 .680 .647 2.33**, above nano (.396 .629
          .617 2.14): RSICD says much the same of pictures of a class, and the consensus picks what most say.

Train to val, as the models: the most frequent caption of train; the first caption of the nearest training picture, by
colour and texture statistics and by the frozen EfficientNet-lite0 that nano sees with; and among the captions of the ten
nearest by those features the one most like the others (Devlin et al. 2015, arXiv:1505.04467; here by tf-idf of words).

Beside them, of RSICD's test list of 1,093 pictures, which this copy of the data has not: EarthDial's published predictions
BLEU-4 .352, CIDEr-D .994, RSGPT's paper CIDEr 1.03. Those see whole pictures of RSICD, here AID's at 150 px.
n pictures · t training pictures · k features · h w pixels
"""

import collections
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
import tyro
from flax import nnx
from jaxtyping import Float, Int
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler, normalize

from experiments.baselines import Bench, picture_statistics
from rsfm.data.root import REPOSITORY
from rsfm.data.training.opening import open_records
from rsfm.data.training.pipeline import Records
from rsfm.nn.weights import load_weights
from rsfm.scoring.evaluation import PROTOCOLS
from rsfm.scoring.results import append_rows
from rsfm.tokenizers.pyramid import Pyramid
from rsfm.types import Answer, Record

OUT = Path(__file__).parent / "results" / "captions.jsonl"
WEIGHTS = REPOSITORY / "tokenizers" / "efficientnet_lite0" / "model.safetensors"
NEIGHBOURS, BATCH = 10, 32
KINDS = {"statistics": False, "EfficientNet": True}  # what is seen of a picture -> is it compared by angle


def eye() -> Pyramid:
    """The frozen EfficientNet-lite0."""
    pyramid = nnx.eval_shape(lambda: Pyramid(rngs=nnx.Rngs(0)))
    load_weights(WEIGHTS, pyramid)
    return pyramid


def features(records: Records, pyramid: Pyramid) -> tuple[list[Record], dict[str, Float[np.ndarray, "n _"]]]:
    """The records without their pictures, and what is seen of each picture."""
    told: list[Record] = []
    pictures: list[np.ndarray] = []
    statistics: list[np.ndarray] = []
    seen: list[np.ndarray] = []
    graphdef, state = nnx.split(pyramid)
    run = jax.jit(lambda state, x: nnx.merge(graphdef, state).levels(2 * x - 1)[1].mean((1, 2)))
    for i in range(len(records)):
        record = records[i]
        pictures.append(np.asarray(record.observations["aerial_rgb"].values)[0])
        told.append(dataclasses.replace(record, observations={}))
        statistics.append(picture_statistics(pictures[-1]))
        if len(pictures) == BATCH or i + 1 == len(records):
            filled = pictures + pictures[:1] * (BATCH - len(pictures))
            seen.append(np.asarray(run(state, np.stack(filled)))[: len(pictures)])
            pictures = []
    return told, {"statistics": np.stack(statistics), "EfficientNet": np.concatenate(seen)}


def nearest(
    train: Float[np.ndarray, "t k"], queries: Float[np.ndarray, "n k"], *, cosine: bool
) -> Int[np.ndarray, "n m"]:
    """The nearest training pictures, nearest first: by angle, or by distance of standardized features."""
    scaler = StandardScaler().fit(train)
    known, asked = (normalize(x) if cosine else scaler.transform(x) for x in (train, queries))
    found = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(train))).fit(known)
    return found.kneighbors(asked, return_distance=False)


def consensus(captions: Sequence[Sequence[str]], index: Int[np.ndarray, "n m"]) -> list[str]:
    """For each query, of all captions of its neighbours the one whose words are most like the others'."""
    words = TfidfVectorizer(sublinear_tf=True).fit([said for each in captions for said in each])
    chosen = []
    for row in index:
        pool = [said for i in row for said in captions[i]]
        vectors = words.transform(pool)
        chosen.append(pool[int(np.asarray((vectors @ vectors.T).sum(1)).argmax())])
    return chosen


def main(dataset: str = "aid_rsicd", split: str = "val", out: Path = OUT) -> None:
    """Appends the rows of the baselines and prints them.

    Args:
        dataset: with captions and aerial pictures; the neighbours are of its "train".
        split: scored.
        out: JSON lines.
    """
    pyramid = eye()
    known, learn = features(open_records(dataset, "train"), pyramid)
    asked, ask = features(open_records(dataset, split), pyramid)
    captions = [[said.strip() for said in record.captions] for record in known]
    common, _ = collections.Counter(said for each in captions for said in each).most_common(1)[0]
    by_statistics, by_network = (nearest(learn[kind], ask[kind], cosine=KINDS[kind]) for kind in KINDS)
    said = {
        "most frequent caption": [common] * len(asked),
        "statistics + nearest caption": [captions[row[0]][0] for row in by_statistics],
        "EfficientNet + nearest caption": [captions[row[0]][0] for row in by_network],
        f"EfficientNet + consensus of {NEIGHBOURS} nearest": consensus(captions, by_network),
    }
    bench = Bench(
        dataset=dataset,
        split=split,
        protocol=PROTOCOLS.get(dataset, split),
        task="captioning",
        records=asked,
        command="python -m experiments.captions",
    )
    for model, texts in said.items():
        for row in append_rows(out, bench.rows(model, [[Answer(question="", text=text) for text in texts]])):
            print(f"{row.model:36s} {row.metric:18s} {row.value:.4f} ({row.low:.4f} .. {row.high:.4f})", flush=True)


if __name__ == "__main__":
    tyro.cli(main)
