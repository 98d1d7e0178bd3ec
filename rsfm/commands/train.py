"""`rsfm train`: a run folder, and in the end a checkpoint, out of a config file."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tyro

from rsfm.commands.words import command_line
from rsfm.errors import UserError


def train(
    config: tyro.conf.Positional[str],
    *,
    out: Path,
    resume: bool = False,
    change: bool = False,
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
        change: with --resume: go on though the config is another than the run was started with.
        overrides: fields of the config by dotted name.
    """
    return train_config(config, out, resume=resume, change=change, overrides=overrides)


def train_config(
    config: str,
    out: Path,
    *,
    resume: bool,
    change: bool = False,
    overrides: tuple[str, ...],
    engine: Callable[..., Any] | None = None,
    program: str = "rsfm train",
) -> int:
    """Trains and exports; the exit code is 0 at the end, 143 or 130 where a signal stopped it and --resume goes on.

    Args:
        config, out, resume, change, overrides: as in `train`.
        engine: what runs the step, see rsfm.training.engine; jit over a mesh if not given.
        program: how it was started, for the card.
    """
    from rsfm.training import distributed, loop
    from rsfm.training.engine import JitEngine
    from rsfm.training.experiment import opener
    from rsfm.training.overrides import apply_overrides
    from rsfm.training.taught import described

    with distributed.together():
        experiment = apply_overrides(loop.load_config(config), overrides)
        check_overrides(experiment, overrides)
        trained = loop.train(experiment, out, resume=resume, change=change, engine=engine or JitEngine)
        if trained.exit_code == 0:
            sources = (*experiment.data, *(source for stage in experiment.stages for source in stage.data))
            told = described(trained.processor, sources, open_dataset=opener(experiment))
            trained = dataclasses.replace(trained, processor=told)
            command = command_line(program, train, {"config": config, "out": out, "overrides": overrides})
            last = experiment.stages[-1].train if experiment.stages else experiment.train
            export(trained, out, experiment.name, command, seed=last.seed)
    return trained.exit_code


def check_overrides(experiment: Any, overrides: tuple[str, ...]) -> None:
    """Refuses fields that nothing reads in this experiment: those that its stages, or its model, have in their place."""
    from rsfm.training.overrides import pairs

    for name, _ in pairs(overrides):
        part, _, field = name.partition(".")
        if experiment.stages and part in ("train", "data", "validation"):
            raise UserError(f"--{name}: the stages of this config have their own. Set --stages.0.{name} and so on.")
        if part == "processor" and field.partition(".")[0] in ("streams", "images"):
            raise UserError(f"--{name}: is taken from the model. Set it there, --model.{field}.")


def export(trained: Any, out: Path, name: str, command: str, *, seed: int | None = None) -> None:
    """Writes what was trained as a checkpoint folder `model` in the run folder; on several hosts the first one does."""
    import jax

    from rsfm.pretrained import save_checkpoint
    from rsfm.scoring.commits import current_commit

    model = trained.model  # on all hosts: each holds a part of it
    if jax.process_index() == 0:
        card = f"# {name}\n\nTrained by `{command}`, commit {current_commit(Path.cwd())}.\n"
        folder = save_checkpoint(out / "model", model, trained.processor, card=card, dtype="float32", seed=seed)
        print(f"checkpoint: {folder}")
