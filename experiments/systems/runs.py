"""Trains and scores systems one after the other; what has its row is not run again, what was stopped goes on."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.systems.baselines import baseline
from experiments.systems.catalogue import SYSTEMS
from experiments.systems.scores import Score, score_of, scored
from rsfm.errors import UserError
from rsfm.scoring.evaluation import PROTOCOLS
from rsfm.scoring.results import BASELINES, Result, append_rows, read_rows
from rsfm.training.experiment import (
    CONFIGS,
    find_config,
    load_config,
    load_module,
    opener,
)
from rsfm.training.loop import train
from rsfm.training.sweep import seeded
from rsfm.training.taught import described

OUT = Path(__file__).parents[1] / "results" / "systems.jsonl"
SIDES = {"CONFIG": "with", "WITHOUT": "without"}


def names() -> list[str]:
    """The systems that have a config."""
    return [name for name in SYSTEMS if (CONFIGS / "systems" / f"{name}.py").is_file()]


def known_rows(out: Path) -> list[Result]:
    """The rows measured so far."""
    return (
        [row for row in read_rows(out.parent) if row.command.startswith("python -m experiments.systems")]
        if out.is_file()
        else []
    )


def run(name: str, seed: int, *, runs: Path, out: Path) -> None:
    """Trains and scores both sides of a system from one seed, and its baseline; each has its row when it returns."""
    if name not in names():
        raise UserError(f"No config of a system '{name}'. Known: {', '.join(names())}.")
    module = load_module(find_config(f"systems/{name}"))
    done = {row.model for row in known_rows(out) if row.config == f"systems/{name}"}
    base = score_of(module, "CONFIG")
    open_dataset = opener(load_config(f"systems/{name}"))
    if not any(model.startswith(BASELINES) for model in done):
        method, found = baseline(base, open_dataset)
        _append(out, name, f"{BASELINES}: {method}", base, found, seed=0)
    for side, word in SIDES.items():
        model = f"{word}, seed {seed}"
        if model not in done:
            found = trained_score(name, side, seed, score_of(module, side), runs)
            _append(out, name, model, base, found, seed=seed)


def trained_score(name: str, side: str, seed: int, score: Score, runs: Path) -> dict[str, Any]:
    """One side of a system, trained and scored."""
    config = seeded(load_config(f"systems/{name}:{side}"), seed)
    folder, start = runs / f"{name}-{SIDES[side]}-{seed}", time.monotonic()
    trained = train(config, folder, resume=folder.exists())
    if trained.signal is not None:
        raise KeyboardInterrupt
    sources = [source for stage in config.stages or (config,) for source in stage.data if source.tasks]
    processor = described(trained.processor, sources, open_dataset=opener(config))
    print(f"{name} {SIDES[side]} seed {seed}: trained in {time.monotonic() - start:.0f} s", flush=True)
    return scored(score, trained.model, processor, opener(config))


def _append(out: Path, name: str, model: str, score: Score, found: dict[str, Any], *, seed: int) -> None:
    row = {
        "config": f"systems/{name}",
        "command": f"python -m experiments.systems run {name} --seeds {seed}",
        "dataset": score.dataset,
        "split": score.split,
        "protocol": PROTOCOLS.get(score.dataset, score.split) + (f", {score.limit} records" if score.limit else ""),
        "model": model,
        "seeds": [seed],
        **{key: found[key] for key in ("metric", "value", "low", "high", "n")},
    }
    (written,) = append_rows(out, [row])
    print(
        f"{name:12s} {model:60s} {written.metric} {written.value:.4f} [{written.low:.4f}, {written.high:.4f}]",
        flush=True,
    )


def run_all(wanted: Sequence[str], seeds: Sequence[int], *, runs: Path, out: Path) -> None:
    """Every wanted system, seed by seed: all of them have a first number before any has a second."""
    for seed in seeds:
        for name in wanted or names():
            run(name, seed, runs=runs, out=out)
