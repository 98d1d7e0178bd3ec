"""Scene classification in words: the class of the whole picture is the answer's text."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from rsfm import metrics as scores
from rsfm.tasks.dialogue import Dialogue, pick, plain, same_words
from rsfm.types import Answer, Record

QUESTIONS = (
    "What scene is this?",
    "Which kind of scene does the image show?",
    "Name the scene.",
    "Classify the scene.",
    "What does this image show, in one class?",
)


class Scene:
    """Asks for `record.scene`; right when the same words come back."""

    name = "scene"
    metrics: Mapping[str, scores.Metric] = {"accuracy": lambda rows: scores.accuracy(rows[:, 0])}
    higher_is_better: Mapping[str, bool] = {"accuracy": True}

    def dialogue(self, record: Record, rng: np.random.Generator) -> Dialogue | None:
        """The class, lower case."""
        if record.scene is None:
            return None
        return Dialogue(turns=((pick(QUESTIONS, rng), f"{plain(record.scene)} ."),))

    def subjects(self, record: Record) -> tuple[str, ...] | None:
        """The scene."""
        return None if record.scene is None else (plain(record.scene),)

    def question(self, record: Record) -> str:
        """The first wording."""
        return QUESTIONS[0]

    def statistics(self, record: Record, answer: Answer) -> Float[np.ndarray, "n 1"]:
        """[correct]."""
        if record.scene is None:
            return np.zeros((0, 1))
        return np.array([[float(same_words(answer.text, plain(record.scene)))]])
