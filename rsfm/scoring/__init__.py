"""Scores of anybody's prediction file: short answers, captions, boxes, counts."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rsfm.boxes import CONVENTIONS
from rsfm.boxes.detection import detect, reference_convention
from rsfm.errors import UserError, lookup
from rsfm.scoring.layouts import LAYOUTS, Layout, Prediction, read_predictions
from rsfm.scoring.places import score_grounding
from rsfm.scoring.scores import Score
from rsfm.scoring.words import score_captions, score_counting, score_vqa

__all__ = ["LAYOUTS", "SCORERS", "Layout", "Prediction", "Score", "read_predictions", "score_file"]

Scorer = Callable[[Sequence[Prediction], str], list[Score]]
SCORERS: Mapping[str, Scorer] = {
    "vqa": score_vqa,
    "caption": score_captions,
    "grounding": score_grounding,
    "counting": score_counting,
}


def score_file(
    path: Path, task: str, *, boxes: str | None = None, reference_boxes: str | None = None
) -> tuple[str, list[Score]]:
    """The file's layout and its scores.

    Args:
        path: of the predictions.
        task: key of SCORERS.
        boxes: key of rsfm.boxes.CONVENTIONS, of the predictions; None = what they show, else the layout's own.
        reference_boxes: the same of the references; None = as the predictions where they can be, else the layout's own.

    Example:
        >>> layout, scores = score_file(Path("RSVQA_LR.jsonl"), "vqa")
    """
    scorer = lookup(SCORERS, "task", task)
    name, predictions = read_predictions(path)
    layout = LAYOUTS[name]
    if task not in layout.tasks:
        raise UserError(
            f"{path}: laid out as {name} ({', '.join(layout.keys)}), which holds no {task}. "
            f"Choose --task {' or '.join(layout.tasks)}."
        )
    if task == "grounding":
        scores = _grounding(path, predictions, layout, boxes, reference_boxes)
    else:
        scores = scorer(predictions, boxes or layout.boxes)
    if not scores:
        raise UserError(
            f"{path}: no reference is a number, so there is nothing to score as {task}. Choose another --task."
        )
    return name, scores


def _grounding(
    path: Path, predictions: Sequence[Prediction], layout: Layout, boxes: str | None, references: str | None
) -> list[Score]:
    """Scores of boxes, each in the convention of its side; what was assumed stands in the first score's note."""
    for name in filter(None, (boxes, references)):
        lookup(CONVENTIONS, "box convention", name)
    notes = ["", ""]
    wanted = [text for each in predictions for text in each.references]
    if boxes is None:
        boxes, notes[0] = detect([each.text for each in predictions], wanted, layout.boxes, where=str(path))
    if references is None:
        references, notes[1] = reference_convention(wanted, boxes, layout.boxes)
    first, *others = score_grounding(predictions, boxes, references)
    return [dataclasses.replace(first, note="; ".join(filter(None, notes))), *others]
