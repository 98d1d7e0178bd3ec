"""Scores of boxes told in text.  n m boxes"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from rsfm.boxes import CONVENTIONS, decode
from rsfm.errors import UserError, lookup
from rsfm.metrics import Metric, horizontal_iou, matched, oriented_iou
from rsfm.metrics.grounding import THRESHOLDS
from rsfm.scoring.layouts import Prediction
from rsfm.scoring.scores import Score, score, share

GRID = (100, 100)  # of a picture whose size is not told: overlaps are shares, so only angles feel its proportions


def score_grounding(predictions: Sequence[Prediction], boxes: str, references: str = "") -> list[Score]:
    """Share of the wanted boxes that are found, and of the found ones that are wanted, each in one pair at most.

    acc@t counts pairs that overlap by t (0.25, 0.5, 0.7): with one box a question it is the usual accuracy of visual
    grounding. Upright hulls first; `oriented` takes the angles as told.

    Args:
        predictions: with boxes in answer and reference.
        boxes: key of rsfm.boxes.CONVENTIONS, of the answers.
        references: the same of the references; "" = as the answers.
    """
    references = references or boxes
    for name in (boxes, references):
        lookup(CONVENTIONS, "box convention", name)
    pairs = [_boxes(each, boxes, references) for each in predictions]
    form = CONVENTIONS[references].form
    oriented = form.endswith("a") or form in ("corners", "polygon")
    out = []
    overlaps = {"": horizontal_iou, "oriented_": oriented_iou} if oriented else {"": horizontal_iou}
    for name, overlap in overlaps.items():
        each = [overlap(wanted, found) for wanted, found in pairs]
        for threshold in THRESHOLDS:
            rows = np.array([[matched(iou, threshold), *iou.shape] for iou in each], float)
            out.append(score(f"{name}acc@{threshold:g}", rows, _ratio(1), percent=True))
            if threshold == 0.5:
                out.append(score(f"{name}precision@0.5", rows, _ratio(2), percent=True))
                out += _by_group(predictions, rows, name)
        best = np.array([[iou.max(1, initial=0.0).sum(), len(iou)] for iou in each], float)
        out.append(score(f"{name}mean_iou", best, _ratio(1), percent=True))
    return [*out, share("answered", [len(found) > 0 for _, found in pairs])]


def _boxes(
    each: Prediction, boxes: str, references: str
) -> tuple[Float[np.ndarray, "n 4 2"], Float[np.ndarray, "m 4 2"]]:
    if each.size is None and _frame(boxes) != _frame(references):
        raise UserError(
            f"{each.where}: answers in {boxes} and references in {references} meet only on a picture of known size. Add "
            '"size": [height, width] in pixels to each row.'
        )
    size = each.size or GRID
    wanted = decode(" ".join(each.references), references, size=size).corners
    if not len(wanted):
        raise UserError(
            f"{each.where}: no box of the convention '{references}' in the reference {each.references[0][:40]!r}. "
            f"Choose --reference-boxes, or --boxes for both: {', '.join(CONVENTIONS)}."
        )
    return wanted, decode(each.text, boxes, size=size).corners


def _frame(convention: str) -> tuple[str, bool]:
    """What a convention counts over: conventions of one frame need no size to be compared."""
    how = CONVENTIONS[convention]
    return how.frame, how.scale is None


def _by_group(predictions: Sequence[Prediction], rows: Float[np.ndarray, "n 3"], name: str) -> list[Score]:
    """acc@0.5 by the size of the objects and by whether one or several were asked for."""
    groups = {"single": rows[:, 1] == 1, "multiple": rows[:, 1] > 1}
    sizes = np.array([each.groups.get("size", "") for each in predictions])
    groups |= {size: sizes == size for size in dict.fromkeys(sizes.tolist()) if size}
    kept = {group: rows[chosen] for group, chosen in groups.items() if 0 < chosen.sum() < len(rows)}
    return [score(f"{name}acc@0.5_{group}", own, _ratio(1), percent=True) for group, own in kept.items()]


def _ratio(column: int) -> Metric:
    def metric(rows: np.ndarray) -> float:
        total = rows[:, column].sum()
        return float(rows[:, 0].sum() / total) if total else float("nan")

    return metric
