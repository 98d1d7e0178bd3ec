"""Multi-label classification in words: all classes of the picture, sorted and parted by semicolons."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from rsfm import metrics as scores
from rsfm.tasks.dialogue import Dialogue, pick, plain
from rsfm.types import Answer, Record

QUESTIONS = ("Which classes are in the image?", "List the land cover classes.", "Name all classes that are present.")


class Multilabel:
    """Asks for `record.tags`. Semicolons part the names, as some published ones hold commas."""

    name = "multilabel"
    metrics: Mapping[str, scores.Metric] = {
        "micro_f1": lambda rows: scores.f1(*rows.sum(0)),
        "sample_f1": lambda rows: float(np.mean([scores.f1(*row) for row in rows])) if len(rows) else float("nan"),
        "exact": lambda rows: scores.accuracy(rows[:, 1:].sum(1) == 0),
    }
    higher_is_better: Mapping[str, bool] = {"micro_f1": True, "sample_f1": True, "exact": True}

    def dialogue(self, record: Record, rng: np.random.Generator) -> Dialogue | None:
        """As in "coniferous forest; pastures; water bodies"."""
        if not record.tags:
            return None
        return Dialogue(turns=((pick(QUESTIONS, rng), "; ".join(sorted(map(plain, record.tags)))),))

    def subjects(self, record: Record) -> tuple[str, ...] | None:
        """The classes of the picture."""
        return tuple(map(plain, record.tags)) or None

    def question(self, record: Record) -> str:
        """The first wording."""
        return QUESTIONS[0]

    def statistics(self, record: Record, answer: Answer) -> Float[np.ndarray, "n 3"]:
        """[right, wrong, missed] class names."""
        if not record.tags:
            return np.zeros((0, 3))
        truth = {plain(tag) for tag in record.tags}
        found = {plain(part.strip(" .")) for part in answer.text.split(";")} - {""}
        return np.array([[len(truth & found), len(found - truth), len(truth - found)]], dtype=np.float64)
