"""Are calls of a catalogue right more often where the answer is bound to the form of one?

Source:    SatGPT, github.com/lalligagger/satgpt: a language model that writes searches of a STAC catalogue.
Mechanism: the answer is JSON of a schema, and decoding is bound to it: a word that the schema does not know cannot be written.
Differs:   GPT-4 with examples in the prompt there; here a model of two layers from nothing, on searches made by template, of regions
           that are in no training search; no catalogue is asked.
WITHOUT:   the same training, answers written freely.
Command:   rsfm train systems/satgpt --out runs/satgpt
           rsfm train systems/satgpt:WITHOUT --out runs/satgpt_without
Minutes:   3 each
Expected:  most searches right word for word; with the form at least as many as without.
Reached:   not run yet
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from rsfm.data.training.pipeline import Source
from rsfm.tasks import TASKS, vqa
from rsfm.tasks.dialogue import Dialogue
from rsfm.training.experiment import find_config, load_module
from rsfm.types import Record, Turn

SMALL = load_module(find_config("small"))
COLLECTIONS = {
    "Sentinel-2": "sentinel-2-l2a",
    "Landsat 8": "landsat-c2-l2",
    "Sentinel-1": "sentinel-1-rtc",
    "NAIP": "naip",
}
MONTHS = ("January", "March", "May", "July", "September", "November")
WORDINGS = (
    "Find {name} scenes of {month} {year} over {west}, {south} with at most {cloud} % cloud.",
    "Search {name} at {west}, {south} in {month} {year}, clouds below {cloud} %.",
)
NUMBERS = ("month", "year", "west", "south", "cloud")
SCHEMA = {
    "type": "object",
    "properties": {"collection": {"enum": list(COLLECTIONS.values())}, **dict.fromkeys(NUMBERS, {"type": "integer"})},
    "required": ["collection", *NUMBERS],
    "additionalProperties": False,
}
SCORE_WITHOUT = {"dataset": "searches", "split": "test", "task": "given", "metric": "accuracy", "limit": 256}
SCORE = {**SCORE_WITHOUT, "form": "json: " + json.dumps(SCHEMA)}


class Searches:
    """SYNTHETIC: searches in words with the call they stand for; places of the test are even, those of training odd."""

    def __init__(self, root: Path, split: str) -> None:
        self.first, self.odd = (10_000, 0) if split == "test" else (0, 1)

    def __len__(self) -> int:
        return 4000

    def __getitem__(self, i: int) -> Record:
        if not 0 <= i < len(self):
            raise IndexError(i)
        rng = np.random.default_rng(self.first + i)
        name, month = str(rng.choice(list(COLLECTIONS))), int(rng.integers(len(MONTHS)))
        numbers = {"year": int(rng.integers(2016, 2026)), "west": 2 * int(rng.integers(-60, 60)) + self.odd}
        numbers |= {"south": 2 * int(rng.integers(-30, 30)) + self.odd, "cloud": 10 * int(rng.integers(1, 10))}
        question = str(rng.choice(WORDINGS)).format(name=name, month=MONTHS[month], **numbers)
        call = json.dumps({"collection": COLLECTIONS[name], "month": 2 * month + 1, **numbers})
        return Record(
            id=f"searches/{self.first + i}", observations={}, turns=(Turn(question=question, answers=(call,)),)
        )


class Given(vqa.Vqa):
    """The question and answer that a record brings."""

    name = "given"

    def make_kinds(self) -> Mapping[str, Callable[[Record, np.random.Generator], Dialogue | None]]:
        return {"given": vqa.given}


DATASETS = {"searches": Searches}
TASKS.setdefault(Given.name, Given())
ASKED = Source(dataset="searches", tasks=("given",), batch_size=32, text_length=144)
CONFIG = dataclasses.replace(
    SMALL.CONFIG,
    name="satgpt",
    model=dataclasses.replace(SMALL.CONFIG.model, streams={}),
    train=SMALL.trained(600),
    data=(ASKED,),
    init_parts={},
)
WITHOUT = CONFIG
