"""Training an experiment: train(config, folder) puts model, data and first weights together and runs them."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from rsfm.config import to_json
from rsfm.training.config import TrainConfig
from rsfm.training.engine import Engine, JitEngine
from rsfm.training.experiment import (
    ExperimentConfig,
    check_initial,
    load_config,
    make_build,
    make_processor,
    open_batches,
    with_initial_weights,
)
from rsfm.training.run import Trained, check_folder, run
from rsfm.training.stages import stage_configs
from rsfm.training.state import Build

__all__ = ["ExperimentConfig", "Trained", "load_config", "train"]


def train(
    config: ExperimentConfig,
    out: Path | str,
    *,
    resume: bool = False,
    engine: Callable[[TrainConfig, Build], Engine] = JitEngine,
) -> Trained:
    """Trains an experiment into a run folder: config.json, metrics.jsonl, trainable.json, checkpoints/, tensorboard/.

    Args:
        config: what to train on what; see rsfm.training.experiment.load_config.
        out: the run folder, new unless `resume`.
        resume: go on from the newest checkpoint in `out`; a folder without one starts from the beginning.
        engine: what runs the step.

    Raises:
        UserError: `out` holds a run and `resume` is not set, or cannot be written, or is a run of another model.

    Example:
        >>> train(load_config("debug"), "runs/debug").last["loss"]
    """
    trained: Trained | None = None
    for own, folder in stage_configs(config, Path(out)):
        trained = _train_stage(own, folder, resume=resume and folder.exists(), engine=engine)
        if trained.signal is not None:
            break
    assert trained is not None
    return trained


def _train_stage(
    config: ExperimentConfig, folder: Path, *, resume: bool, engine: Callable[[TrainConfig, Build], Engine]
) -> Trained:
    check_folder(folder, resume=resume)
    processor = make_processor(config)
    validation = open_batches(config, processor, config.validation) if config.validation else None
    check_initial(config)
    trained = run(
        config.train,
        make_build(config),
        open_batches(config, processor, config.data),
        folder,
        config_json=to_json(config),
        validation=validation,
        initial=lambda state: with_initial_weights(config, state),
        engine=engine,
    )
    return dataclasses.replace(trained, processor=processor)
