"""`rsfm train`: a run folder, and in the end a checkpoint, out of a config file."""

from pathlib import Path
from typing import Any

import tyro


def train(
    config: tyro.conf.Positional[str],
    *,
    out: Path,
    resume: bool = False,
    overrides: tuple[str, ...] = (),
) -> int:
    """Trains a model. SIGTERM or Ctrl-C saves the state; --resume goes on from it and lands on the same numbers.

    Any field of the config can be set by its dotted name: --train.steps 1000 --model.encoder.depth 6.
    The run folder holds metrics.jsonl (a row a step), config.json, checkpoints to resume from and, in the end, model/:
    a checkpoint for `rsfm predict --checkpoint`.

    Example:
        rsfm train debug --out runs/debug
        rsfm train experiments/configs/debug.py --out runs/debug --resume
        rsfm train debug --out runs/deep --model.encoder.depth 6

    Args:
        config: a name in experiments/configs, a Python file that defines CONFIG, or a run's config.json.
        out: run folder.
        resume: go on from the last state in the run folder.
        overrides: fields of the config by dotted name.
    """
    from rsfm.training import distributed, loop
    from rsfm.training.overrides import apply_overrides

    distributed.initialize()
    experiment = apply_overrides(loop.load_config(config), overrides)
    trained = loop.train(experiment, out, resume=resume)
    if trained.exit_code == 0:
        export(trained, out, experiment.name, f"rsfm train {config} --out {out} {' '.join(overrides)}".strip())
    return trained.exit_code


def export(trained: Any, out: Path, name: str, command: str) -> None:
    """Writes what was trained as a checkpoint folder `model` in the run folder; on several hosts the first one does."""
    import jax

    from rsfm.pretrained import save_checkpoint
    from rsfm.results import current_commit

    if jax.process_index() == 0:
        card = f"# {name}\n\nTrained by `{command}`, commit {current_commit(Path.cwd())}.\n"
        folder = save_checkpoint(out / "model", trained.model, trained.processor, card=card, dtype="float32")
        print(f"checkpoint: {folder}")
