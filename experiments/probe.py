"""What does a frozen encoder know? Logistic regression on its features with 1, 5 and 10 % of the labels.

Command:  python -m experiments.probe --checkpoints nano nano:random runs/pretrain_masked
          python -m experiments.probe --checkpoints nano --datasets hls_worldcover306
Expected: a pretrained encoder above the same network with random weights on every line, or pretraining was for nothing.
Result:   experiments/results/probe.jsonl; `rsfm results` prints it. LOG.md says what was run.

"NAME:random" is the network of a checkpoint with weights from seed 0. Scenes (aid_rsicd): the mean of a picture's tokens. Maps
(hls_worldcover306 by place, indian_pines disjoint): of each pixel its own bands and the token it lies in; "bands" has the bands
alone. "efficientnet": the mean of its last level, ImageNet, frozen (scenes only). Train and val are read, never test. The labels of
a seed are drawn evenly over classes among the training pictures, or among PIXELS pixels of every training patch; fewer are a part of
more. Standardized features, default strength, nothing tuned; means over 3 seeds, intervals over pictures of val.
n pictures or pixels · h w pixels · k features
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from flax import nnx
from jaxtyping import Float, Int
from sklearn.linear_model import LogisticRegression

from experiments.baselines import Bench, Row, standardized
from experiments.baselines_places import mapped
from experiments.captions import eye
from rsfm.data.root import data_root
from rsfm.data.training.opening import open_records
from rsfm.data.training.transforms import crop_window, reference_size
from rsfm.models.foundation import FoundationModel
from rsfm.pretrained import load_foundation
from rsfm.scoring.results import append_rows
from rsfm.types import Answer, Record, Tokens

OUT = Path(__file__).parent / "results" / "probe.jsonl"
SHARES, SEEDS, PIXELS = (0.01, 0.05, 0.1), (0, 1, 2), 400
SCENES = {"aid_rsicd": ("train", "val")}
COVERS = {"hls_worldcover306": ("worldcover_train", "worldcover_val"), "indian_pines": ("train", "val")}


class Eye(Protocol):
    """Frozen features: of a picture as a whole, and of each of its pixels."""

    def picture(self, record: Record) -> Float[np.ndarray, " k"]: ...

    def pixels(self, record: Record) -> Float[np.ndarray, "h w k"]: ...


class EncoderEye:
    """The encoder of a checkpoint, "NAME" or "NAME:random"."""

    def __init__(self, name: str) -> None:
        checkpoint, _, random = name.partition(":")
        loaded = load_foundation(checkpoint)
        model = FoundationModel(loaded.config, rngs=nnx.Rngs(0)) if random else loaded.model
        self.processor, (graphdef, self.state) = loaded.processor, nnx.split(model)
        self._run = jax.jit(lambda state, seen, place: nnx.merge(graphdef, state).encode(seen, place)[0])

    def tokens(self, record: Record) -> dict[str, Tokens]:
        """Of each stream; the location is not told, or places would be learned by heart."""
        seen = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], self.processor.observations(record))
        found = self._run(self.state, seen, jnp.full((1, 2), jnp.nan))
        return {name: jax.tree.map(lambda leaf: np.asarray(leaf)[0], found[name]) for name in seen}

    def picture(self, record: Record) -> Float[np.ndarray, " k"]:
        """The mean of all tokens."""
        parts = self.tokens(record).values()
        total = sum((part.embeddings * part.mask[:, None]).sum(0) for part in parts)
        return np.asarray(total / max(1, sum(int(part.mask.sum()) for part in parts)), np.float32)

    def pixels(self, record: Record) -> Float[np.ndarray, "h w k"]:
        """Bands and token of each pixel, window by window."""
        edge, (height, width) = self.processor.stream_size(record), reference_size(record)
        rows = []
        for top in range(0, height, edge):
            row = []
            for left in range(0, width, edge):
                size = (min(edge, height - top), min(edge, width - left))
                row.append(self._window(crop_window(record, (top, left, *size)), edge))
            rows.append(np.concatenate(row, axis=1))
        return np.concatenate([bands(record), np.concatenate(rows, axis=0)], axis=-1)

    def _window(self, record: Record, edge: int) -> Float[np.ndarray, "h w k"]:
        (tokens,), (height, width) = self.tokens(record).values(), reference_size(record)
        assert tokens.grid is not None and tokens.grid[0] == 1
        grid = tokens.embeddings.reshape(*tokens.grid[1:], -1)
        rows, columns = (np.arange(n) * cells // edge for n, cells in zip((height, width), grid.shape[:2], strict=True))
        return np.asarray(grid[rows][:, columns], np.float32)


class BandsEye:
    """No network: what stands in the pixel itself."""

    def picture(self, record: Record) -> Float[np.ndarray, " k"]:
        """Mean and deviation of each band."""
        values = bands(record).reshape(-1, bands(record).shape[-1])
        return np.concatenate([values.mean(0), values.std(0)])

    def pixels(self, record: Record) -> Float[np.ndarray, "h w k"]:
        """See `bands`."""
        return bands(record)


class EfficientNetEye(BandsEye):
    """The frozen network that nano sees with, without nano."""

    def __init__(self) -> None:
        graphdef, self.state = nnx.split(eye())
        self._run = jax.jit(lambda state, x: nnx.merge(graphdef, state).levels(2 * x - 1)[1].mean((0, 1, 2)))

    def picture(self, record: Record) -> Float[np.ndarray, " k"]:
        """The mean of the last level."""
        return np.asarray(self._run(self.state, bands(record)[None]))


EYES: dict[str, Callable[[], Eye]] = {"bands": BandsEye, "efficientnet": EfficientNetEye}


def bands(record: Record) -> Float[np.ndarray, "h w k"]:
    """The values of the first date of a record's one stream, 0 where there are none."""
    (seen,) = record.observations.values()
    return np.where(np.asarray(seen.cells)[0], seen.values[0], 0).astype(np.float32)


def drawn(classes: Int[np.ndarray, " n"], share: float, seed: int) -> Int[np.ndarray, " m"]:
    """Places of a share of the labels, of each class its own and at least one; fewer are a part of more."""
    rng, chosen = np.random.default_rng(seed), []
    for each in np.unique(classes):
        places = rng.permutation(np.flatnonzero(classes == each))
        chosen.append(places[: max(1, round(share * len(places)))])
    return np.sort(np.concatenate(chosen))


def fitted(features: Float[np.ndarray, "n k"], classes: np.ndarray) -> Any:
    """Logistic regression on standardized features."""
    return standardized(LogisticRegression(max_iter=500)).fit(features, classes)


def scenes(name: str, splits: tuple[str, str], see: Eye, limit: int, root: Path) -> dict[float, list[list[Answer]]]:
    """Answers by share, of each seed, to the pictures of val."""
    train, val = (open_records(name, split, data=root) for split in splits)
    classes = np.array([train[i].scene for i in range(len(train))])
    chosen = {(share, seed): drawn(classes, share, seed) for share in SHARES for seed in SEEDS}
    needed = sorted({int(i) for places in chosen.values() for i in places})
    seen = dict(zip(needed, (see.picture(train[i]) for i in needed), strict=True))
    asked = np.stack([see.picture(val[i]) for i in range(min(limit, len(val)))])
    out: dict[float, list[list[Answer]]] = {share: [] for share in SHARES}
    for (share, _), places in chosen.items():
        names = fitted(np.stack([seen[int(i)] for i in places]), classes[places]).predict(asked)
        out[share].append([Answer(question="", text=str(each)) for each in names])
    return out


def cover(name: str, splits: tuple[str, str], see: Eye, limit: int, root: Path) -> dict[float, list[list[Answer]]]:
    """Answers by share, of each seed: maps of the pictures of val."""
    train, val = (open_records(name, split, data=root) for split in splits)
    features, classes = (np.concatenate(part) for part in zip(*(labelled(r, see) for r in firsts(train)), strict=True))
    probes = {share: [_probe(features, classes, share, seed) for seed in SEEDS] for share in SHARES}
    out: dict[float, list[list[Answer]]] = {share: [[] for _ in SEEDS] for share in SHARES}
    for record in firsts(val, limit):
        pixels = see.pixels(record)
        flat = pixels.reshape(-1, pixels.shape[-1])
        for share, of_seeds in probes.items():
            for answers, probe in zip(out[share], of_seeds, strict=True):
                answers.append(mapped(record, probe.predict(flat).reshape(pixels.shape[:2])))
    return out


def _probe(features: Float[np.ndarray, "n k"], classes: np.ndarray, share: float, seed: int) -> Any:
    places = drawn(classes, share, seed)
    return fitted(features[places], classes[places])


def labelled(record: Record, see: Eye) -> tuple[Float[np.ndarray, "n k"], Int[np.ndarray, " n"]]:
    """Features and classes of some labelled pixels."""
    assert record.mask is not None
    (seen,) = record.observations.values()
    known = np.argwhere(np.asarray(seen.valid)[0] & (record.mask.class_index >= 0))
    rows, columns = known[np.random.default_rng(len(known)).permutation(len(known))[:PIXELS]].T
    return see.pixels(record)[rows, columns], record.mask.class_index[rows, columns]


def firsts(records: Any, limit: int | None = None) -> Iterator[Record]:
    """The records with their first stream alone."""
    for i in range(len(records) if limit is None else min(limit, len(records))):
        record = records[i]
        sensor = next(iter(record.observations))
        yield dataclasses.replace(record, observations={sensor: record.observations[sensor]})


def rows(name: str, model: str, see: Eye, limit: int, root: Path) -> list[Row]:
    """A row for each share of the labels and metric."""
    task, splits, answer = ("scene", SCENES[name], scenes) if name in SCENES else ("segmentation", COVERS[name], cover)
    answers = answer(name, splits, see, limit, root)
    val = open_records(name, splits[1], data=root)
    told = [dataclasses.replace(val[i], observations={}) for i in range(min(limit, len(val)))]
    made: list[Row] = []
    for share in SHARES:
        command = f"python -m experiments.probe --checkpoints {model} --datasets {name}"
        command += f" --limit {limit}" * (limit < len(val))
        protocol = f"frozen, logistic regression, {share:.0%} of the labels"
        bench = Bench(dataset=name, split=splits[1], protocol=protocol, task=task, records=told, command=command)
        made += bench.rows(model, answers[share])
    return made


def main(
    checkpoints: Sequence[str] = ("bands", "efficientnet", "nano:random", "nano"),
    datasets: Sequence[str] = (*SCENES, *COVERS),
    limit: int = 100_000,
    out: Path = OUT,
    data: Path | None = None,
) -> None:
    """Measures every checkpoint on every data set and appends the rows.

    Args:
        checkpoints: names or folders, ":random" after one for its network with random weights; "bands", "efficientnet".
        datasets: keys of SCENES and COVERS.
        limit: pictures of val at most, from the first.
        out: file of the rows.
        data: data folder; default RSFM_DATA, else shared/data beside the repository.
    """
    for model in checkpoints:
        see = EYES[model]() if model in EYES else EncoderEye(model)
        for name in datasets:
            if name in COVERS and model == "efficientnet":
                continue
            made = rows(name, model, see, limit, data or data_root())
            append_rows(out, made)
            for row in made:
                print(name, model, row["protocol"], row["metric"], f"{row['value']:.3f}", flush=True)


if __name__ == "__main__":
    tyro.cli(main)
