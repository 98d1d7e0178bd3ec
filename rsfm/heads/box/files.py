"""The boxes of an answer as files, pictures and rows.   n boxes · h w pixels"""

import html
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from rsfm.data.writing.outlines import write_outlines
from rsfm.data.writing.palette import class_colours
from rsfm.data.writing.vectors import Feature, box_features, write_geojson
from rsfm.types import Answer, Boxes


def box_json(boxes: Boxes) -> list[dict[str, Any]]:
    """Label, score and corners in pixels of each box, the surest first."""
    scores = boxes.scores or (None,) * len(boxes.labels)
    rows = zip(boxes.labels, scores, np.round(boxes.corners, 2).tolist(), strict=True)
    told = [{"label": label, "score": score, "corners": corners} for label, score, corners in rows]
    return [{**row, "score": round(score, 4)} if (score := row["score"]) is not None else row for row in told]


def box_files(folder: Path, answer: Answer, suffix: str) -> list[str]:
    """Writes boxes.geojson."""
    features, name = features_of(answer), f"boxes{suffix}.geojson"
    if features is None:
        return []
    write_geojson(folder / name, features, answer.grid)
    return [name]


def features_of(answer: Answer) -> list[Feature] | None:
    """The boxes as polygons; None where the answer has none of the kind, [] where nothing was found."""
    return None if answer.boxes is None else box_features(answer.boxes)


def draw_boxes(ax: Any, boxes: Boxes) -> None:
    """Draws the outlines in the colours of their classes, and a legend beside them."""
    names = tuple(dict.fromkeys(boxes.labels))
    colours = dict(zip(names, class_colours(names), strict=True))
    first = dict.fromkeys(names, True)
    for corners, label in zip(boxes.corners, boxes.labels, strict=True):
        ring = np.concatenate([corners, corners[:1]])
        ax.plot(*ring.T, color=np.array(colours[label]) / 255, linewidth=1.5, label=label if first[label] else None)
        first[label] = False
    if names:
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def box_rows(boxes: Boxes) -> list[tuple[str, str]]:
    """How many of each class."""
    return [("boxes", html.escape(f"{count} {label}")) for label, count in Counter(boxes.labels).most_common()]


def overlay(path: Path, answer: Answer, picture: Shaped[np.ndarray, "h w 3"]) -> bool:
    """Writes the outlines over a picture of the scene as PNG; False where the answer has no boxes."""
    if answer.boxes is None:
        return False
    height, width = picture.shape[:2] if answer.grid is None else (answer.grid.height, answer.grid.width)
    write_outlines(path, picture, answer.boxes, (height, width), title=answer.question)
    return True
