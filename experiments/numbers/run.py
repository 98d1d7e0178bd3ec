"""Trains every variant of a numbers experiment from several seeds and keeps what each predicts.

    python -m experiments.numbers.run numbers_out [--seeds 5] [--only mixer bins] [--out runs/numbers]

A run that has its file in --out is not run again. All seeds of a variant share one compilation; the data set is small enough
to lie in memory whole. n records · k draws
"""

import argparse
import dataclasses
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from experiments.numbers.table import QUESTION, in_words
from rsfm.data.training.collate import collate
from rsfm.data.training.opening import open_records
from rsfm.errors import UserError, lookup
from rsfm.heads import distribution
from rsfm.models.foundation import FoundationModel
from rsfm.models.generate import generate
from rsfm.nn.distributions import Distribution, Draws
from rsfm.processor import Processor
from rsfm.quantities import Quantity, read_number
from rsfm.tasks.dialogue import VALUE, Dialogue
from rsfm.text.tokenizer import SPECIAL_TOKENS, TextTokenizer
from rsfm.training.experiment import ExperimentConfig, find_config, load_module
from rsfm.training.optimizer import make_optimizer, make_schedule
from rsfm.training.state import TrainState, create_state, merge
from rsfm.training.step import make_train_step
from rsfm.types import Record, Sample

ROOT = Path(__file__).resolve().parents[2]
SPLITS = ("train", "val", "test")
VOCABULARY = 400  # of the small tokenizers: the bytes, and what the questions repeat
DRAWS, NEW_TOKENS, CHUNK = 16, 7, 105
Splits = dict[str, list[Record]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bench:
    """A variant with its data, ready to run from any seed."""

    config: ExperimentConfig
    processor: Processor
    samples: dict[str, Sample]
    prompts: dict[str, Sample]
    target: dict[str, np.ndarray]


def small_tokenizer(texts: list[str], *, merge_digits: bool) -> TextTokenizer:
    """A byte-level BPE of a few tokens fitted on the training texts; ours, of 2,048, never merges digits."""
    tokenizer = Tokenizer(models.BPE())
    split: list[Any] = [] if merge_digits else [pre_tokenizers.Digits(individual_digits=True)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*split, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sorted(texts), trainer=trainer)
    return TextTokenizer(tokenizer)


def small(config: ExperimentConfig) -> ExperimentConfig:
    """The config for the small tokenizers: most of the time of so small a model would go into logits."""
    decoder = dataclasses.replace(config.model.decoder, vocabulary=VOCABULARY)
    return dataclasses.replace(config, model=dataclasses.replace(config.model, decoder=decoder))


def make_bench(config: ExperimentConfig, splits: Splits) -> Bench:
    """All samples of all splits."""
    words = not config.model.streams
    answer = f"{VALUE} %"
    ask = (lambda record: in_words(record)) if words else (lambda record: QUESTION)
    seen = (lambda record: dataclasses.replace(record, observations={})) if words else (lambda record: record)
    texts = [f"{in_words(record)} {record.values[0].value:.3g} %" for record in splits["train"]]
    tokenizer = small_tokenizer(texts, merge_digits=config.processor.numbers.kind == "text")
    streams = {name: stream.spec for name, stream in config.model.streams.items()}
    processor = Processor(dataclasses.replace(config.processor, streams=streams), tokenizer)
    length = processor.config.text_lengths[0]

    def sample(record: Record) -> Sample:
        dialogue = Dialogue(turns=((ask(record), answer),), spans=record.values)
        return processor.sample(seen(record), dialogue, length)

    samples = {name: collate([sample(record) for record in records]) for name, records in splits.items()}
    written = config.processor.numbers_written
    prompts = {
        name: collate([processor.prompt(seen(record), ask(record)) for record in splits[name]])
        for name in (SPLITS[1:] if written else ())
    }
    target = {name: np.array([record.values[0].value for record in records]) for name, records in splits.items()}
    return Bench(config=config, processor=processor, samples=samples, prompts=prompts, target=target)


def train(bench: Bench, seeds: list[int]) -> Any:
    """Yields (seed, trained model, seconds of training)."""
    config, data = bench.config, jax.tree.map(jnp.asarray, bench.samples["train"])
    make = lambda key: FoundationModel(config.model, rngs=nnx.Rngs(key))  # noqa: E731
    optimizer = make_optimizer(config.train.optimizer, lambda: make(jax.random.key(0)))
    step = make_train_step(config.train, optimizer, make_schedule(config.train.optimizer, config.train.steps))
    create = jax.jit(lambda key: create_state(lambda: make(key), optimizer))

    @jax.jit
    def advance(state: TrainState, data: Sample, rows: jax.Array) -> tuple[TrainState, jax.Array]:
        state, metrics = step(state, jax.tree.map(lambda leaf: leaf[rows], data))
        return state, metrics["loss"]

    n, batch = len(bench.target["train"]), config.data[0].batch_size
    for seed in seeds:
        rng, state, order = np.random.default_rng(seed), create(jax.random.key(seed)), np.zeros(0, np.int64)
        start = time.process_time()
        for done in range(config.train.steps):
            if done == 1:
                jax.block_until_ready(state.step)
                start = time.process_time()  # without the compilation
            if len(order) < batch:
                order = np.concatenate([order, rng.permutation(n)])
            state, loss = advance(state, data, order[:batch])
            order = order[batch:]
        print(f"  seed {seed}: loss {float(loss):.3f}, {time.process_time() - start:.0f} CPU s", flush=True)
        yield seed, merge(state), time.process_time() - start


def chunks(sample: Sample, n: int) -> Any:
    """Pieces of one size, the last one filled up with its first row."""
    for first in range(0, n, CHUNK):
        rows = np.arange(first, first + CHUNK)
        rows = np.where(rows < n, rows, first)
        yield jax.tree.map(lambda leaf, rows=rows: leaf[rows], sample)


@nnx.jit
def forward(model: FoundationModel, sample: Sample) -> dict[str, jax.Array]:
    return model(sample).outputs["value"]


def from_head(bench: Bench, model: FoundationModel, split: str) -> tuple[Distribution, dict[str, np.ndarray]]:
    """What the value head says of each record, standardized."""
    n = len(bench.target[split])
    parts = [jax.device_get(forward(model, part)) for part in chunks(bench.samples[split], n)]
    outputs = {name: np.concatenate([part[name] for part in parts])[:n, 0] for name in parts[0]}
    return distribution(outputs), {"failed": np.zeros(n)}


def from_text(
    bench: Bench, model: FoundationModel, split: str, quantity: Quantity
) -> tuple[Distribution, dict[str, np.ndarray]]:
    """What answers written several times say, standardized; and the likeliest answer, NaN where it holds no number."""
    n, text = len(bench.target[split]), bench.processor.text

    def read(sample: Sample, temperature: float, key: jax.Array) -> list[float]:
        numbers = []
        for row in np.asarray(generate(model, sample, max_new_tokens=NEW_TOKENS, key=key, temperature=temperature)):
            try:
                numbers.append(read_number(text.decode(row.tolist()), quantity.unit))
            except UserError:
                numbers.append(float("nan"))
        return numbers

    greedy: list[float] = []
    drawn: list[list[float]] = []
    for i, part in enumerate(chunks(bench.prompts[split], n)):
        greedy += read(part, 0.0, jax.random.key(0))
        keys = jax.random.split(jax.random.key(i), DRAWS)
        drawn += np.array([read(part, 1.0, key) for key in keys]).T.tolist()
    draws = (np.array(drawn)[:n] - quantity.center) / quantity.scale
    failed = np.isnan(greedy[:n])
    middle = np.nanmedian(draws, axis=1, keepdims=True)
    known = np.isfinite(middle)  # a record all of whose answers fail is told the training mean
    draws = np.where(known, draws, 0.0)
    return Draws(values=jnp.asarray(draws)), {"failed": failed.astype(float), "said": np.array(greedy[:n])}


def predictions(bench: Bench, model: FoundationModel) -> dict[str, np.ndarray]:
    """Mean, quantiles, CRPS and targets of val and test, in percent; by split and name, "test/mean"."""
    quantity = next(q for q in bench.processor.config.quantities if q.name)
    out: dict[str, np.ndarray] = {}
    for split in SPLITS[1:]:
        if bench.config.processor.numbers_written:
            predicted, more = from_text(bench, model, split, quantity)
        else:
            predicted, more = from_head(bench, model, split)
        z = np.array([quantity.standardize(y) for y in bench.target[split]], np.float32)
        # Of drawn answers the median: a digit too many in one of them would own the mean.
        found = {"mean": predicted.quantile(0.5) if isinstance(predicted, Draws) else predicted.mean()}
        found |= {name: predicted.quantile(q) for name, q in (("low", 0.05), ("middle", 0.5), ("high", 0.95))}
        physical = {name: np.asarray(x) * quantity.scale + quantity.center for name, x in found.items()}
        physical["crps"] = np.asarray(predicted.crps(jnp.asarray(z))) * quantity.scale
        more.setdefault("said", physical["mean"])
        out |= {f"{split}/{name}": x for name, x in (physical | more | {"target": bench.target[split]}).items()}
    return out


def all_records(dataset: str, split: str) -> list[Record]:
    """Every record of a split, in order."""
    records = open_records(dataset, split)
    return [records[i] for i in range(len(records))]


def main() -> None:
    """Runs what has not been run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=("numbers_in", "numbers_out"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--steps", type=int, default=0, help="instead of the config's")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "numbers")
    args = parser.parse_args()
    variants: dict[str, ExperimentConfig] = load_module(find_config(args.experiment)).VARIANTS
    splits = {name: all_records("fuel_moisture", name) for name in SPLITS}
    for name in args.only or variants:
        config = small(lookup(variants, "variant", name))
        if args.steps:
            config = dataclasses.replace(config, train=dataclasses.replace(config.train, steps=args.steps))
        files = {seed: run_file(args.out, args.experiment, name, seed) for seed in range(args.seeds)}
        missing = [seed for seed, file in files.items() if not file.exists()]
        if not missing:
            continue
        print(f"{args.experiment} {name}: seeds {missing}", flush=True)
        bench = make_bench(config, splits)
        for seed, model, seconds in train(bench, missing):
            found = predictions(bench, model)
            rmse = {s: float(np.sqrt(np.mean((found[f"{s}/mean"] - found[f"{s}/target"]) ** 2))) for s in ("val",)}
            print(f"    val RMSE {rmse['val']:.2f}, CRPS {found['val/crps'].mean():.2f}", flush=True)
            files[seed].parent.mkdir(parents=True, exist_ok=True)
            np.savez(files[seed], seconds=seconds, steps=config.train.steps, **found)  # type: ignore[arg-type]


def run_file(folder: Path, experiment: str, variant: str, seed: int) -> Path:
    """Where the predictions of a run are kept."""
    return folder / experiment / f"{variant.replace(', ', '_').replace(' ', '_')}-{seed}.npz"


if __name__ == "__main__":
    main()
