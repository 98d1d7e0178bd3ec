"""The boxes of a scene out of those of its windows: each thing once, whole where any window shows it whole.

n boxes · k peaks of a window · v spans
"""

from collections.abc import Iterable, Mapping, Sequence

import jax
import numpy as np
from jaxtyping import Bool, Float

from rsfm.boxes.suppression import suppressed
from rsfm.heads.box.coding import box_corners
from rsfm.heads.box.peaks import peaks
from rsfm.heads.scene import Canvas, Window
from rsfm.types import Boxes

PEAKS = 256  # boxes of a class that a window gives at most, the surest ones
FAINT = 0.02  # a box of which the head is less sure is none
GIVEN = 0.5  # score from which a box is given in an answer
RIM = 1.5  # pixels from a window's edge within which a box counts as cut by it


def window_boxes(outputs: Mapping[str, jax.Array], spans: int) -> list[Float[np.ndarray, "v k 8"]]:
    """Score and numbers of the best boxes of each window and span, made on the device."""
    best = jax.device_get(_peaks(outputs["heat"][:, :spans], outputs["numbers"][:, :spans]))
    return list(np.concatenate([best.score[..., None], best.numbers], -1))


_peaks = jax.jit(lambda heat, numbers: peaks(heat, numbers, PEAKS))


def scene_boxes(windows: Iterable[Window], canvas: Canvas) -> Boxes:
    """The boxes of all spans in pixels of the scene, the surest first; their labels are the canvas's subjects.

    A box may reach over the scene's edge; one whose centre is outside is none.
    """
    spans = range(len(canvas.subjects))
    rows: list[list[np.ndarray]] = [[np.zeros((0, 8))] for _ in spans]
    corners: list[list[np.ndarray]] = [[np.zeros((0, 4, 2))] for _ in spans]
    cut: list[list[np.ndarray]] = [[np.zeros(0, bool)] for _ in spans]
    for window in windows:
        if window.value is None:
            continue
        place = np.array([canvas.tiling.columns[window.column], canvas.tiling.rows[window.row]], float)
        for i in spans:
            own = window.value[i][window.value[i][:, 0] >= FAINT]
            shape = box_corners(own[:, 1:])
            rows[i].append(own)
            corners[i].append(shape + place)
            cut[i].append(at_edge(shape, place, canvas))
    return joined_boxes(
        [
            _whole(name, np.concatenate(corners[i]), np.concatenate(rows[i])[:, 0], np.concatenate(cut[i]), canvas)
            for i, name in enumerate(canvas.subjects)
        ]
    )


def at_edge(
    corners: Float[np.ndarray, "n 4 2"], place: Float[np.ndarray, "2"], canvas: Canvas
) -> Bool[np.ndarray, " n"]:
    """Which boxes of a window reach one of its edges behind which the scene goes on.

    Args:
        corners: in pixels of the window.
        place: x and y of the window's first pixel in the scene.
        canvas: the scene.
    """
    size, scene = canvas.tiling.size, np.array([canvas.width, canvas.height])
    low, high = corners.min(1), corners.max(1)
    before, after = place > 0, place + size < scene
    return (((low < RIM) & before) | ((high > size - RIM) & after)).any(-1)


def joined_boxes(parts: Sequence[Boxes]) -> Boxes:
    """Several lists of boxes in one, the surest first."""
    corners = np.concatenate([np.zeros((0, 4, 2)), *(part.corners for part in parts)])
    labels = [label for part in parts for label in part.labels]
    scores = [score for part in parts for score in part.scores or (1.0,) * len(part.labels)]
    order = np.argsort(-np.array(scores), kind="stable")
    return Boxes(
        corners=corners[order], labels=tuple(labels[i] for i in order), scores=tuple(float(scores[i]) for i in order)
    )


def of_classes(boxes: Boxes, names: Sequence[str]) -> Boxes:
    """The boxes of some classes."""
    return chosen(boxes, np.array([label in names for label in boxes.labels], bool))


def surest(boxes: Boxes, least: float) -> Boxes:
    """The boxes with a score of `least` or more."""
    return chosen(boxes, np.asarray(boxes.scores or (), float) >= least)


def chosen(boxes: Boxes, stays: Bool[np.ndarray, " n"]) -> Boxes:
    """Some of the boxes, in their order."""
    places = np.flatnonzero(stays)
    scores = None if boxes.scores is None else tuple(boxes.scores[i] for i in places)
    return Boxes(corners=boxes.corners[places], labels=tuple(boxes.labels[i] for i in places), scores=scores)


def _whole(
    name: str,
    corners: Float[np.ndarray, "n 4 2"],
    scores: Float[np.ndarray, " n"],
    cut: Bool[np.ndarray, " n"],
    canvas: Canvas,
) -> Boxes:
    """The boxes of a class whose centre is in the scene, one a thing."""
    centre = corners.mean(1)
    inside = ((centre >= 0) & (centre < [canvas.width, canvas.height])).all(-1)
    corners, scores, cut = corners[inside], scores[inside], cut[inside]
    stay = suppressed(corners, scores, cut=cut)
    return Boxes(corners=corners[stay], labels=(name,) * len(stay), scores=tuple(map(float, scores[stay])))
