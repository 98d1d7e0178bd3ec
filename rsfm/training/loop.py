"""Training an experiment: train(config, folder) puts model, data and first weights together and runs them."""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import jax

from rsfm.config import to_json
from rsfm.data.addresses import check_local
from rsfm.data.writing.atomic import made_parents
from rsfm.data.writing.lock import only_writer
from rsfm.errors import UserError
from rsfm.tasks import TASKS
from rsfm.training.config import TrainConfig
from rsfm.training.engine import Engine, JitEngine
from rsfm.training.experiment import (
    ExperimentConfig,
    check_initial,
    check_read,
    load_config,
    make_build,
    make_processor,
    open_batches,
    with_initial_weights,
)
from rsfm.training.resume import check_folder
from rsfm.training.run import Trained, run
from rsfm.training.scores import make_scores
from rsfm.training.stages import stage_configs
from rsfm.training.state import Build
from rsfm.training.validation import higher_is_better

__all__ = ["ExperimentConfig", "Trained", "load_config", "train"]


def train(
    config: ExperimentConfig,
    out: Path | str,
    *,
    resume: bool = False,
    change: bool = False,
    engine: Callable[[TrainConfig, Build], Engine] = JitEngine,
) -> Trained:
    """Trains an experiment into a run folder: config.json, metrics.jsonl, trainable.json, checkpoints/, tensorboard/.

    Args:
        config: what to train on what; see rsfm.training.experiment.load_config.
        out: the run folder, new unless `resume`.
        resume: go on from the newest sound checkpoint in `out`; a run killed before its first starts from the beginning.
        change: go on though the config is another than that of the run in `out`.
        engine: what runs the step.

    Raises:
        UserError: `out` holds a run and `resume` is not set; or a run of another config, whose state is lost or damaged, or
            that another process trains; or cannot be written.

    Example:
        >>> train(load_config("debug"), "runs/debug").last["loss"]
    """
    check_local(out)
    check_read(config)
    if change and not resume:
        raise UserError("--change is of a run that goes on. Give --resume with it, or leave it out.")
    out = Path(os.path.realpath(out))
    trained: Trained | None = None
    with owned(out):
        for own, folder in stage_configs(config, out):
            check_folder(folder, to_json(own), resume=resume, change=change)
            trained = _train_stage(own, folder, engine)
            if trained.signal is not None:
                break
    assert trained is not None
    return trained


@contextlib.contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Holds the run folder against other runs; of several processes of one run the first does."""
    if jax.process_index() != 0:
        yield
        return
    with made_parents(folder), only_writer(folder):
        yield


def _train_stage(config: ExperimentConfig, folder: Path, engine: Callable[[TrainConfig, Build], Engine]) -> Trained:
    processor = make_processor(config)
    validation = open_batches(config, processor, config.validation) if config.validation else None
    check_initial(config)
    scored = config.validation and "/" in config.train.watch
    trained = run(
        config.train,
        make_build(config),
        open_batches(config, processor, config.data),
        folder,
        config_json=to_json(config),
        validation=validation,
        scores=make_scores(config, processor) if scored else None,
        higher=higher_is_better(config.train.watch, TASKS),
        initial=lambda state: with_initial_weights(config, state),
        engine=engine,
    )
    return dataclasses.replace(trained, processor=processor)
