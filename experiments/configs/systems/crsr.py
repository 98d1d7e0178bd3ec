"""Do words of the captions of pictures alike, given with the question, make a better caption?

Source:    CRSR, Li et al. 2024, the retrieval-based captioner of the survey (IEEE TGRS).
Mechanism: for each picture the captions of its nearest training pictures are looked up; words that several of them share are kept and
           stand beside the picture's tokens when the caption is written; queries of a Q-Former read the picture.
Differs:   CLIP finds captions there, and the words refine the queries; here colour and texture find them, and the decoder reads the
           words as text.
WITHOUT:   the same model and question without the words.
Command:   rsfm train systems/crsr --out runs/crsr
           rsfm train systems/crsr:WITHOUT --out runs/crsr_without
Minutes:   6 each
Expected:  CIDEr-D above WITHOUT; the consensus of ten neighbours by learned features has 2.33.
Reached:   not run yet
"""

import dataclasses
import functools
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from rsfm.data.datasets.aid_rsicd import AidRsicd
from rsfm.data.datasets.reading import read_picture
from rsfm.models.connector import ConnectorConfig
from rsfm.tasks import TASKS
from rsfm.tasks.captioning import QUESTIONS, Captioning
from rsfm.tasks.dialogue import Dialogue
from rsfm.training.experiment import ExperimentConfig, find_config, load_module
from rsfm.types import Record

SMALL = load_module(find_config("small"))
SCORE = {"dataset": "alike", "split": "val", "task": "captioning_with_words", "metric": "cider_d", "limit": 256}
SCORE_WITHOUT = {**SCORE, "task": "captioning"}
NEAREST, SHARED, MOST = 10, 3, 8  # captions' pictures looked up; of so many a word must be; words kept


def look(data: AidRsicd, i: int) -> np.ndarray:
    """The colours of the 64 parts of a picture."""
    picture = Image.fromarray(read_picture(data.info.name, data.folder / data.rows[i]["image"]))
    return np.asarray(picture.resize((8, 8), Image.Resampling.BOX), np.float32).ravel()


@functools.cache
def memory(root: Path) -> tuple[np.ndarray, list[Counter[str]]]:
    """The look of every training picture, and how many of its sentences say a word of more than three letters."""
    data = AidRsicd(root, "train")
    said = [[set(text.lower().replace(".", " ").split()) for text in row["captions"]] for row in data.rows]
    words = [Counter(word for words in each for word in words if len(word) > 3) for each in said]
    return np.stack([look(data, i) for i in range(len(data))]), words


class Alike(AidRsicd):
    """AID with the words of pictures alike as tags; a training picture does not find itself."""

    def __getitem__(self, i: int) -> Record:
        record, (looks, words) = super().__getitem__(i), memory(self.folder.parent)
        distance = np.abs(looks - look(self, i)).sum(1)
        near = [n for n in np.argsort(distance)[: NEAREST + 1] if not (self.split == "train" and n == i)][:NEAREST]
        shared = Counter(word for n in near for word in words[n])
        return dataclasses.replace(record, tags=tuple(w for w, count in shared.most_common(MOST) if count >= SHARED))


class CaptioningWithWords(Captioning):
    """Captioning whose question names the words found."""

    name = "captioning_with_words"

    def question(self, record: Record) -> str:
        return f"{QUESTIONS[0]} Words: {', '.join(record.tags)}."

    def dialogue(self, record: Record, rng: np.random.Generator) -> Dialogue | None:
        known = super().dialogue(record, rng)
        return None if known is None else Dialogue(turns=((self.question(record), known.turns[0][1]),))


DATASETS = {"alike": Alike}
TASKS.setdefault(CaptioningWithWords.name, CaptioningWithWords())


def captioned(task: str) -> ExperimentConfig:
    """A Q-Former over the picture, and this task."""
    model = dataclasses.replace(SMALL.CONFIG.model, connector=ConnectorConfig(kind="qformer", queries=12, heads=4))
    source = dataclasses.replace(SMALL.CAPTIONS, dataset="alike", tasks=(task,), text_length=80)
    return dataclasses.replace(SMALL.CONFIG, name="crsr", model=model, data=(source,))


CONFIG, WITHOUT = captioned(CaptioningWithWords.name), captioned("captioning")
