"""Which way of reading dates names a crop best from 23 NDVI steps, in fields of a new region, and with dates missing?

Command:  python -m experiments.time.crops                                 (all: about 20 minutes of one core; `eval` extra)
          python -m experiments.time.crops --models ltae --protocols region    (one minute)
          python -m experiments.time.crops --validate --models ltae --protocols random-seed0     (settings were chosen so)
Data:     cawa, the eight commonest crops and the rest. "region": trained on three regions, tested on Khorezm; "random-seed0":
          60 % of all fields against 20 %. Models of rsfm are trained with date dropout; the rest sees interpolated steps.
Expected: L-TAE over the forest, and losing less to missing dates. Validation, random, seed 0, balanced accuracy with all, 70 %
          and 40 % of the dates: L-TAE .732 .681 .560, forest .653 .557 .402.
Result:   L-TAE, five seeds: region .607 .568 .443 (macro F1 .456 .443 .368), random .734 .702 .570 (.684 .656 .531).
          random, forest .639 .559 .404 (.688 .605 .385), kNN under time warping .598 .531 .375 (.637 .567 .360).
          region, forest .394 .423 .374 (F1 .308 .283 .239), kNN under time warping .543 .522 .444 (.374 .336 .261).
          region, state space, one seed: .595 .572 .380 (.442 .416 .347): no better, so L-TAE is the one to use.
          In balanced accuracy L-TAE beats the forest everywhere; in F1 on random fields with all dates they are level. In
          the new region its drop is larger than the forest's
          in points, as the forest has little to lose there. Of wheat, orchard and fallow Khorezm has 8, 1 and 26 fields:
          the balanced accuracy hangs on them. Rows that are not in results/time_crops.jsonl have not been run.

A linear head stands in for language: the same tokenizer, temporal encoder and encoder as in configs/time_crops.py, at a
tenth of the cost, so that encoders and seeds can be compared on a CPU.

b batch · n fields · t steps · m classes
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from experiments.time.fields import BASELINE_MODELS, MISSING, NAMES, Fields, hide, read
from experiments.time.fitting import Batch, fit
from rsfm.data.root import data_root
from rsfm.metrics import bootstrap_interval, confusion_matrix, mean_class_accuracy
from rsfm.models.series import SeriesClassifier, SeriesConfig
from rsfm.models.temporal import TEMPORAL_ENCODERS, TemporalConfig
from rsfm.results import BASELINES, append_rows
from rsfm.types import BAND_CODES, Observation

OUT = Path(__file__).parents[1] / "results" / "time_crops.jsonl"
# protocol -> (training split, validation split, test split)
PROTOCOLS = {"region": ("train", "val", "test"), "random-seed0": ("random_train", "random_val", "random_test")}
SEEDS = (0, 1, 2, 3, 4)
CENTER, SCALE = 0.3, 0.3  # of NDVI, as rsfm.data.normalize has them


# --- rsfm -----------------------------------------------------------------------------------------------------------


def observation(ndvi: Float[Array, "b t"], valid: Bool[Array, "b t"], days: Float[Array, "b t"]) -> Observation:
    """Series as the normalized observation of a pixel."""
    b = len(ndvi)
    code = jnp.full((b, 1), BAND_CODES["ndvi"])
    return Observation(
        values=((ndvi - CENTER) / SCALE * valid)[..., None, None, None],
        valid=valid[..., None, None],
        band_valid=jnp.ones((b, 1), bool),
        wavelength_um=jnp.zeros((b, 1)),
        bandwidth_um=jnp.zeros((b, 1)),
        band_code=code,
        time_days=days,
        gsd_m=jnp.full((b,), 250.0),
    )


def config(kind: str) -> SeriesConfig:
    """The same model with one way or another of reading dates."""
    temporal = TemporalConfig(kind=kind, heads=8 if kind == "ltae" else 4, states=32)
    return SeriesConfig(width=48, hidden=64, depth=1, temporal=temporal, classes=len(NAMES), dropout=0.2)


def arrays(fields: Fields) -> Batch:
    """On the device: values, which of them are known, dates, labels."""
    known = np.isfinite(fields.ndvi)
    return {
        "ndvi": jnp.asarray(np.where(known, fields.ndvi, 0.0), jnp.float32),
        "valid": jnp.asarray(known),
        "days": jnp.asarray(fields.days, jnp.float32),
        "label": jnp.asarray(fields.label),
    }


def varied(batch: Batch, key: Array) -> Observation:
    """Date dropout of 0 to 80 %, the season shifted by up to 12 days, the year by some, the level of NDVI a little."""
    drop, rate, shift, year, gain, noise = jax.random.split(key, 6)
    b, t = batch["ndvi"].shape
    keep = jax.random.uniform(drop, (b, t)) >= jnp.maximum(jax.random.uniform(rate, (b, 1), minval=-0.3, maxval=0.8), 0)
    valid = batch["valid"] & keep
    valid = jnp.where(valid.any(1, keepdims=True), valid, batch["valid"])
    days = batch["days"] + jax.random.uniform(shift, (b, 1), minval=-12, maxval=12)
    days = days + jnp.round(365.2425 * jax.random.randint(year, (b, 1), -4, 5))
    ndvi = batch["ndvi"] * jax.random.uniform(gain, (b, 1), minval=0.9, maxval=1.1)
    return observation(ndvi + 0.02 * jax.random.normal(noise, (b, t)), valid, days)


def loss(model: SeriesClassifier, batch: Batch, key: Array) -> Float[Array, ""]:
    """Cross entropy, each class weighed by the root of its rarity, labels smoothed."""
    change, drop = jax.random.split(key)
    logits = model(varied(batch, change), drop)
    each = optax.softmax_cross_entropy(logits, 0.95 * jax.nn.one_hot(batch["label"], len(NAMES)) + 0.05 / len(NAMES))
    return (each * batch["weight"]).sum() / batch["weight"].sum()


def train(kind: str, fields: Fields, seed: int, steps: int) -> Callable[[Fields], Int[np.ndarray, " n"]]:
    """A fitted model as a function from fields to classes."""
    count = np.bincount(fields.label, minlength=len(NAMES))
    weight = (len(fields.label) / np.maximum(count, 1)) ** POWER
    data = arrays(fields) | {"weight": jnp.asarray(weight[fields.label], jnp.float32)}
    model = fit(SeriesClassifier(config(kind), rngs=nnx.Rngs(seed)), data, loss, steps=steps, seed=seed)
    return lambda asked: np.concatenate([_classes(model, part)[:size] for part, size in batches(arrays(asked))])


def batches(data: Batch, rows: int = 1024) -> Iterator[tuple[Batch, int]]:
    """Batches of one shape, the last filled up with zeros, and how many of their rows count."""
    for start in range(0, len(data["label"]), rows):
        size = min(rows, len(data["label"]) - start)
        part = jax.tree.map(lambda x: x[start : start + size], data)  # noqa: B023
        yield jax.tree.map(lambda x: jnp.pad(x, ((0, rows - size), *[(0, 0)] * (x.ndim - 1))), part), size  # noqa: B023


@nnx.jit
def _classes(model: SeriesClassifier, batch: Batch) -> Int[Array, " b"]:
    return model(observation(batch["ndvi"], batch["valid"], batch["days"])).argmax(-1)


# --- scores ---------------------------------------------------------------------------------------------------------


def balanced_accuracy(truth: Int[np.ndarray, " n"], found: Int[np.ndarray, " n"]) -> float:
    """Mean recall of the classes that occur."""
    return mean_class_accuracy(confusion_matrix(truth, found, len(NAMES)))


def f1(truth: Int[np.ndarray, " n"], found: Int[np.ndarray, " n"]) -> float:
    """Mean F1 of the classes that occur in truth."""
    counts = confusion_matrix(truth, found, len(NAMES))
    seen = counts.sum(1) > 0
    return float(np.mean((2 * np.diag(counts) / np.maximum(counts.sum(0) + counts.sum(1), 1))[seen]))


METRICS = {"balanced_accuracy": balanced_accuracy, "macro_f1": f1}


def rows(model: str, named: dict[str, Any], test: Fields, runs: Mapping[float, list[np.ndarray]]) -> Iterator[dict]:
    """A row a score: mean over the runs with the interval of redrawing fields; and what missing dates cost."""
    seeds = len(runs[0.0])
    for name, metric in METRICS.items():
        for share, found in runs.items():

            def score(table: np.ndarray, at: int = 1, metric: Callable = metric) -> float:
                labels = table.astype(np.int64)
                return float(np.mean([metric(labels[:, 0], labels[:, at + k]) for k in range(seeds)]))

            def drop(table: np.ndarray, score: Callable = score) -> float:
                return score(table, 1) - score(table, 1 + seeds)

            scores: list[tuple[str, np.ndarray, Callable]] = [(name, np.stack([test.label, *found], 1), score)]
            if share:
                scores.append((f"{name}_drop", np.stack([test.label, *runs[0.0], *found], 1), drop))
            protocol = named["protocol"] + (f"-missing{round(100 * share)}" if share else "")
            for metric_name, table, measure in scores:
                value = measure(table)
                low, high = bootstrap_interval(table.astype(np.float64), measure, resamples=200)
                row = {"metric": metric_name, "value": value, "low": min(low, value), "high": max(high, value)}
                yield named | {"protocol": protocol, "model": model, "n": len(table), "seeds": list(range(seeds))} | row


POWER = 0.5  # of a class's rarity, its weight in the loss
STEPS = 600


def main(
    models: tuple[str, ...] = (*BASELINE_MODELS, *TEMPORAL_ENCODERS),
    protocols: tuple[str, ...] = tuple(PROTOCOLS),
    seeds: tuple[int, ...] = SEEDS,
    steps: int = STEPS,
    data: Path | None = None,
    out: Path | None = OUT,
    validate: bool = False,
) -> None:
    """Fits the models and appends their scores.

    Args:
        models: baselines and keys of TEMPORAL_ENCODERS.
        protocols: keys of PROTOCOLS.
        seeds: of the fits; with fewer, of the first so many.
        steps: of a fit.
        data: data folder; default RSFM_DATA, else ../shared/data.
        out: JSON lines.
        validate: score the validation fields, print, and write nothing.
    """
    root = data or data_root()
    for protocol in protocols:
        splits = PROTOCOLS[protocol]
        learned, asked = read(root, splits[0]), read(root, splits[1 if validate else 2])
        for model in models:
            make, most = BASELINE_MODELS.get(model, (None, len(seeds)))
            runs: dict[float, list[np.ndarray]] = {share: [] for share in MISSING}
            for seed in seeds[:most]:
                classes = make(learned, seed) if make else train(model, learned, seed, steps)
                for share in MISSING:
                    runs[share].append(classes(hide(asked, share, seed)))
            named = {"config": BASELINES if make else "time_crops", "command": "python -m experiments.time.crops"}
            named |= {"dataset": "cawa", "split": splits[1 if validate else 2], "protocol": protocol}
            made = list(rows(model, named, asked, runs))
            for row in made:
                interval = f"[{row['low']:.3f}, {row['high']:.3f}]"
                print(f"{row['protocol']} {model}: {row['metric']} {row['value']:.3f} {interval}", flush=True)
            if out is not None and not validate:
                append_rows(out, made)


if __name__ == "__main__":
    tyro.cli(main)
