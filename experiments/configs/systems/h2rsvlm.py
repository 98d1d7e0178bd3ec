"""Does a model learn to say that a thing is not there, or cannot be told, without forgetting what it can answer?

Source:    H2RSVLM, Pang et al. 2024, arXiv:2403.20213 (since called VHM).
Mechanism: honesty data: questions with a false premise or that no picture answers stand among the others, with answers that say so;
           the second half of the encoder trains, the first stays (optimizer.rates on layers of the stack).
Differs:   CLIP-L, Vicuna and 1.4 million descriptions there; here nano's encoder and decoder and AID's labels by template. Scored
           are all questions, of which about half cannot be answered.
WITHOUT:   the same without the unanswerable ones.
Command:   rsfm train systems/h2rsvlm --out runs/h2rsvlm
           rsfm train systems/h2rsvlm:WITHOUT --out runs/h2rsvlm_without
Minutes:   8 each
Expected:  accuracy above WITHOUT by all of the unanswerable, and the rest not below it.
Reached:   not run yet
Published: AID 91.70, NWPU 94.54; other data.
"""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from rsfm.models.connector import ConnectorConfig
from rsfm.tasks import TASKS
from rsfm.tasks.dialogue import Dialogue
from rsfm.tasks.vqa import Vqa
from rsfm.training.experiment import ExperimentConfig, find_config, load_module
from rsfm.types import Record

SMALL = load_module(find_config("small"))
SCORE = {"dataset": "aid_rsicd", "split": "val", "task": "vqa", "metric": "accuracy", "limit": 512}


class Answerable(Vqa):
    """Vqa without the questions that cannot be answered."""

    name = "answerable"

    def make_kinds(self) -> Mapping[str, Callable[[Record, np.random.Generator], Dialogue | None]]:
        return {name: kind for name, kind in super().make_kinds().items() if name != "unanswerable"}


TASKS.setdefault(Answerable.name, Answerable())


def asked(task: str) -> ExperimentConfig:
    """Nano tuned from the second half of its encoder up, on the questions of a task."""
    train = SMALL.trained(200, 5e-4, freeze=("tokenizers.optical.pyramid",))
    layers = {"encoder.transformer.blocks[0:2]": 0.0}
    train = dataclasses.replace(train, optimizer=dataclasses.replace(train.optimizer, rates=layers))
    questions = dataclasses.replace(SMALL.SCENES, tasks=(task,), text_length=40)
    return SMALL.with_nano("h2rsvlm", ConnectorConfig(kind="mlp"), (questions,), train)


CONFIG, WITHOUT = asked("vqa"), asked(Answerable.name)
