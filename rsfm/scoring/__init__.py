"""Scores of anybody's prediction file: short answers, captions, boxes, counts."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

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


def score_file(path: Path, task: str, *, boxes: str | None = None) -> tuple[str, list[Score]]:
    """The file's layout and its scores.

    Args:
        path: of the predictions.
        task: key of SCORERS.
        boxes: key of rsfm.boxes.CONVENTIONS; None = the layout's own.

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
    scores = scorer(predictions, boxes or layout.boxes)
    if not scores:
        raise UserError(
            f"{path}: no reference is a number, so there is nothing to score as {task}. Choose another --task."
        )
    return name, scores
