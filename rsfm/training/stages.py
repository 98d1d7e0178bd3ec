"""Training in stages: each a run of its own in a folder of its own, which starts from the averaged weights of the one before."""

import dataclasses
from pathlib import Path

from rsfm.training.experiment import ExperimentConfig


def stage_configs(config: ExperimentConfig, out: Path) -> list[tuple[ExperimentConfig, Path]]:
    """The experiment of every stage with its run folder, in order; an experiment without stages is its own only stage."""
    if not config.stages:
        return [(config, out)]
    made: list[tuple[ExperimentConfig, Path]] = []
    for number, stage in enumerate(config.stages, start=1):
        folder = out / f"{number}-{stage.name}"
        own = dataclasses.replace(
            config,
            name=f"{config.name}-{stage.name}",
            data=stage.data,
            validation=stage.validation,
            train=stage.train,
            stages=(),
        )
        if made:  # its parts come from the weights of the stage before
            own = dataclasses.replace(own, init_from=str(made[-1][1]), init_parts={}, init_decoder=None, init_towers={})
        made.append((own, folder))
    return made
