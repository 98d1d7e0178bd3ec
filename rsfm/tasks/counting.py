"""Counting: how many objects of a class there are, as a number with an interval."""

from collections import Counter

import numpy as np
from jaxtyping import Float

from rsfm.tasks.dialogue import VALUE, Dialogue, pick, plain, plural
from rsfm.tasks.regression import NUMBER_BETTER, NUMBER_METRICS, number_row
from rsfm.types import Answer, Record, Value

QUESTIONS = ("How many {names} are there?", "Count the {names}.", "What is the number of {names}?")


class Counting:
    """Counts boxes by label, or asks for a value of unit ""."""

    name = "counting"
    metrics = NUMBER_METRICS
    higher_is_better = NUMBER_BETTER

    def dialogue(self, record: Record, rng: np.random.Generator) -> Dialogue | None:
        """As in "There are <value> trees."; one of the classes, where there are several."""
        known = counts(record)
        if not known:
            return None
        value = pick(known, rng)
        question = pick(QUESTIONS, rng).format(names=value.name)
        return Dialogue(turns=((question, f"There are {VALUE} {value.name}."),), spans=(value,))

    def subjects(self, record: Record) -> tuple[str, ...] | None:
        """What is counted, in the plural."""
        return tuple(value.name for value in counts(record)) or None

    def question(self, record: Record) -> str:
        """Asks for the most frequent class."""
        known = counts(record)
        return QUESTIONS[0].format(names=known[0].name if known else "objects")

    def statistics(self, record: Record, answer: Answer) -> Float[np.ndarray, "n 4"]:
        """[prediction, target, low, high] of the most frequent class."""
        known = counts(record)
        return number_row(known[0].value, answer) if known else np.zeros((0, 4))


def counts(record: Record) -> list[Value]:
    """The counts a record knows, named in the plural, the largest first (then by name)."""
    known = {value.name: value.value for value in record.values if value.unit == "" and np.isfinite(value.value)}
    if record.boxes is not None:
        known |= {name: float(n) for name, n in Counter(plural(plain(label)) for label in record.boxes.labels).items()}
    ordered = sorted(known.items(), key=lambda item: (-item[1], item[0]))
    return [Value(name=name, value=value, unit="") for name, value in ordered]
