"""What is read from the boxes of a scene: where things are, how many, whether there are any."""

import dataclasses
from collections.abc import Callable, Sequence

from rsfm.heads import BoxHead, Canvas
from rsfm.heads.box import joined_boxes
from rsfm.tasks.dialogue import plural
from rsfm.types import Answer, Boxes, Value

Reading = Callable[[str], tuple[Boxes, Canvas]]  # of a class: every box of the scene, and the canvas it lies on


def boxed(kind: str, subjects: Sequence[str], read: Reading) -> Answer:
    """The boxes of the subjects with their numbers, worded for the kind of question.

    Args:
        kind: "boxes", "count" or "presence".
        subjects: classes by their plain names.
        read: reads the scene for one class alone, so that what else is asked about it changes nothing.
    """
    readings = [read(name) for name in subjects]
    every = joined_boxes([boxes for boxes, _ in readings])
    answer = BoxHead.placed(Answer(question="", text=""), every, readings[0][1], subjects)
    assert answer.boxes is not None
    counts = {name: answer.boxes.labels.count(name) for name in subjects}
    values = tuple(Value(name=plural(name), value=float(count), unit="") for name, count in counts.items())
    return dataclasses.replace(answer, text=_words(kind, counts), values=values)


def _words(kind: str, counts: dict[str, int]) -> str:
    """The numbers in a sentence."""
    listed = " and ".join(f"{count or 'no'} {name if count == 1 else plural(name)}" for name, count in counts.items())
    if kind == "presence":
        return f"{'Yes' if all(counts.values()) else 'No'}: {listed}."
    verb = "is" if next(iter(counts.values())) == 1 else "are"
    return f"There {verb} {listed}."
