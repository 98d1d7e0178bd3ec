"""Does a token of the task tell a model which of several answers to one question is wanted?

Source:    GeoChat, Kuckreja et al. 2024, arXiv:2311.15826.
Mechanism: each question begins with a task token, [identify], [caption] or [refer]; boxes are oriented and stand in the text on a grid
           of 100 with their angle.
Differs:   318 thousand instructions, LLaVA-1.5 there; here AID's scenes and captions and the oriented boxes of one DOTA picture, a
           model from nothing. The questions are worded alike on purpose: only the token tells them apart.
WITHOUT:   the same questions without their tokens.
Command:   rsfm train systems/geochat --out runs/geochat
           rsfm train systems/geochat:WITHOUT --out runs/geochat_without
Minutes:   5 each
Expected:  scenes named where [identify] stands, above statistics + kNN (.33); without tokens the model often gives a caption.
Reached:   not run yet
Published: AID 72.03 (zero-shot), RSVQA-LR 90.70; other data.
"""

import dataclasses
from typing import Any

import numpy as np

from rsfm.boxes import encode
from rsfm.tasks import TASKS, facts
from rsfm.tasks.captioning import Captioning
from rsfm.tasks.dialogue import Dialogue
from rsfm.tasks.grounding import Grounding
from rsfm.tasks.scene import Scene
from rsfm.training.experiment import ExperimentConfig, find_config, load_module
from rsfm.types import Record

SMALL = load_module(find_config("small"))
SCORE = {"dataset": "aid_rsicd", "split": "val", "task": "identify", "metric": "accuracy"}
SCORE_WITHOUT = {**SCORE, "task": "identify_untold"}
QUESTION = "What is in the image?"


class Identify(Scene):
    """The scene, asked as everything is asked, behind a token."""

    def __init__(self, token: str, name: str) -> None:
        self.token, self.name = token, name

    def question(self, record: Record) -> str:
        return self.token + QUESTION

    def dialogue(self, record: Record, rng: np.random.Generator) -> Dialogue | None:
        known = super().dialogue(record, rng)
        return None if known is None else Dialogue(turns=((self.question(record), known.turns[0][1]),))


class Caption(Captioning):
    """A caption, asked in the same way."""

    def __init__(self, token: str, name: str) -> None:
        self.token, self.name = token, name

    def dialogue(self, record: Record, rng: np.random.Generator) -> Dialogue | None:
        known = super().dialogue(record, rng)
        return None if known is None else Dialogue(turns=((self.token + QUESTION, known.turns[0][1]),))


class Refer(Grounding):
    """The oriented boxes of a class, asked in the same way."""

    def __init__(self, token: str, name: str) -> None:
        super().__init__()
        self.token, self.name = token, name

    def dialogue(self, record: Record, rng: np.random.Generator) -> Dialogue | None:
        boxes, size = facts.located(record, rng), facts.picture_size(record)
        if boxes is None or size is None:
            return None
        return Dialogue(turns=((self.token + QUESTION, encode(boxes, "grid100_angle", size=size)),))


def told(suffix: str, tokens: tuple[str, str, str]) -> ExperimentConfig:
    """The three tasks behind these tokens."""
    made = [kind(token, name + suffix) for kind, token, name in zip(KINDS, tokens, NAMES, strict=True)]
    TASKS.update({task.name: task for task in made})
    scenes, captions, boxes = (
        dataclasses.replace(SMALL.SCENES, tasks=(task.name,), text_length=64, weight=weight, dataset=data)
        for task, weight, data in zip(made, (0.5, 0.35, 0.15), ("aid_rsicd", "aid_rsicd", "dota"), strict=True)
    )
    return dataclasses.replace(SMALL.CONFIG, name="geochat", data=(scenes, captions, boxes))


KINDS: tuple[Any, ...] = (Identify, Caption, Refer)
NAMES = ("identify", "describe", "refer")
CONFIG = told("", ("[identify] ", "[caption] ", "[refer] "))
WITHOUT = told("_untold", ("", "", ""))
