"""Captioning: one of the record's sentences is the target, all of them are references of the score."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from rsfm import metrics as scores
from rsfm.tasks.dialogue import Dialogue, pick
from rsfm.types import Answer, Record

QUESTIONS = (
    "Describe the image.",
    "Write a caption for this image.",
    "What can be seen here?",
    "Describe the scene in one sentence.",
)


class Captioning:
    """Asks for a sentence; scored by corpus BLEU-4 against all captions of a record."""

    name = "captioning"
    metrics: Mapping[str, scores.Metric] = {"bleu4": scores.bleu4}
    higher_is_better: Mapping[str, bool] = {"bleu4": True}

    def dialogue(self, record: Record, rng: np.random.Generator) -> Dialogue | None:
        """One of the captions."""
        if not record.captions:
            return None
        return Dialogue(turns=((pick(QUESTIONS, rng), pick(record.captions, rng).strip()),))

    def question(self, record: Record) -> str:
        """The first wording."""
        return QUESTIONS[0]

    def statistics(self, record: Record, answer: Answer) -> Float[np.ndarray, "n 10"]:
        """The n-gram counts of BLEU-4."""
        if not record.captions:
            return np.zeros((0, 10))
        return scores.bleu_statistics(answer.text, record.captions)[None]
