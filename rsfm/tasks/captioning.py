"""Captioning: one of the record's sentences is the target, all of them are references of the score.  n records"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from rsfm import metrics as scores
from rsfm.metrics.captions import CIDER
from rsfm.metrics.meteor import NAME as METEOR
from rsfm.tasks.dialogue import Dialogue, pick
from rsfm.types import Answer, Record

QUESTIONS = (
    "Describe the image.",
    "Write a caption for this image.",
    "What can be seen here?",
    "Describe the scene in one sentence.",
)
HEADLINE = "bleu4"
NAMES = (HEADLINE, *(name for name in scores.CAPTION_METRICS if name != HEADLINE))


class Captioning:
    """Asks for a sentence; scored against all captions of a record as the COCO caption scores do, without their Java.

    METEOR is left out where nltk is not installed. CIDEr-D weighs words by how seldom the references of the records
    scored together say them, so its column needs all of them: see `corpus_statistics`.
    """

    name = "captioning"
    metrics: Mapping[str, scores.Metric] = {
        name: scores.CAPTION_METRICS[name] for name in NAMES if name != METEOR or scores.has_meteor()
    }
    higher_is_better: Mapping[str, bool] = dict.fromkeys(metrics, True)

    def dialogue(self, record: Record, rng: np.random.Generator) -> Dialogue | None:
        """One of the captions."""
        if not record.captions:
            return None
        return Dialogue(turns=((pick(QUESTIONS, rng), pick(record.captions, rng).strip()),))

    def subjects(self, record: Record) -> tuple[str, ...] | None:
        """None by name: a sentence may say anything."""
        return () if record.captions else None

    def question(self, record: Record) -> str:
        """The first wording."""
        return QUESTIONS[0]

    def statistics(self, record: Record, answer: Answer) -> Float[np.ndarray, "n 13"]:
        """What the caption scores need of one record taken alone, whose CIDEr-D is 0."""
        return self.corpus_statistics([record], [answer])

    def corpus_statistics(self, records: Sequence[Record], answers: Sequence[Answer]) -> Float[np.ndarray, "n 13"]:
        """A row for each record that has captions; the words' frequencies are those of all these records' references."""
        known = [(answer.text, record.captions) for record, answer in zip(records, answers, strict=True)]
        known = [(text, captions) for text, captions in known if captions]
        if not known:
            return np.zeros((0, CIDER + 1))
        return scores.caption_statistics([text for text, _ in known], [captions for _, captions in known])
