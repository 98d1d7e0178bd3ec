"""Boxes as text and back, in the conventions of CONVENTIONS.  n boxes · k vertices

An upright convention holds the upright hull of an oriented box; an oriented one holds the smallest rectangle around a
shape that is none.
"""

import itertools
import math
import re

import numpy as np
from jaxtyping import Float

from rsfm.boxes.conventions import CONVENTIONS, Convention
from rsfm.boxes.geometry import center_size_angle, rectangle, smallest_rectangle
from rsfm.errors import UserError, lookup
from rsfm.types import Boxes

PATCH, LEAST_PIXELS, MOST_PIXELS = 28, 4 * 28**2, 16384 * 28**2  # of Qwen2-VL's pictures


def encode(boxes: Boxes, convention: str, *, size: tuple[int, int] | None = None, labels: bool = False) -> str:
    """Boxes as text.

    Args:
        boxes: in pixels.
        convention: key of CONVENTIONS.
        size: height and width of the picture in pixels; needed unless the convention counts in pixels.
        labels: put the tagged label in front of each run of boxes that share it.

    Example:
        >>> encode(boxes, "grid100_angle", size=(512, 512), labels=True)
        '<p>ship</p>{<10><20><30><25>|<40>}'
    """
    how = lookup(CONVENTIONS, "box convention", convention)
    scale, shift = _scale(convention, how, size), _shift(how, size)
    pieces = []
    for label, corners in itertools.groupby(zip(boxes.labels, boxes.corners, strict=True), key=lambda pair: pair[0]):
        pieces += [how.tag[0] + label + how.tag[1]] if labels else []
        pieces += [_write(how, np.asarray(each, float) + shift, scale) for _, each in corners]
    return "".join(pieces)


def decode(text: str, convention: str, *, size: tuple[int, int] | None = None) -> Boxes:
    """The boxes in a text, each labelled by the tagged phrase in front of it ("" without one); what is no box is passed over.

    Args:
        text: of a model or a data set.
        convention: key of CONVENTIONS.
        size: as in `encode`.
    """
    shapes, labels = _read(text, convention, size)
    corners = [shape if len(shape) == 4 else smallest_rectangle(shape) for shape in shapes]
    return Boxes(corners=np.array(corners, dtype=float).reshape(-1, 4, 2), labels=tuple(labels))


def precision_px(convention: str, corners: Float[np.ndarray, "4 2"], *, size: tuple[int, int] | None = None) -> float:
    """How far, in pixels, a corner of the box may come back from where it was: the rounding of the convention's numbers.

    Holds for shapes that the convention can tell: upright boxes for an upright one, rectangles for one with an angle.
    """
    how = lookup(CONVENTIONS, "box convention", convention)
    step = 10.0**-how.decimals / _scale(convention, how, size)
    if how.top is not None:
        return float(np.hypot(*step))  # the far edge is one step short
    if how.form == "xyxya":
        shift = float(step.sum()) / 2  # the centre's error is not turned, that of the sides is: at worst they add up
    else:
        shift = float(np.hypot(*step)) / 2 * (1.5 if how.form.startswith("cxcywh") else 1.0)
    if not how.form.endswith("a"):
        return shift
    reach = float(np.linalg.norm(corners - corners.mean(0), axis=1).max())
    return shift + (reach + shift) * math.radians(10.0**-how.decimals / 2)


def _scale(name: str, how: Convention, size: tuple[int, int] | None) -> Float[np.ndarray, "2"]:
    """Convention's units a pixel, for x and y."""
    if how.scale is None and how.frame == "picture":
        return np.ones(2)
    if size is None or min(size) <= 0:
        raise UserError(
            f"Box convention '{name}' counts in parts of the picture: give size=(height, width) in pixels, found {size}."
        )
    edges = np.array([size[1], size[0]], float)
    if how.frame.startswith("resized"):
        return resized(edges, up=how.frame == "resized_up") / edges
    assert how.scale is not None
    return how.scale / (np.full(2, edges.max()) if how.frame == "square" else edges)


def _shift(how: Convention, size: tuple[int, int] | None) -> Float[np.ndarray, "2"]:
    """What lies left of and above the picture in the convention's frame, in pixels."""
    if how.frame != "square" or size is None:
        return np.zeros(2)
    edges = np.array([size[1], size[0]], float)
    return (edges.max() - edges) / 2


def resized(edges: Float[np.ndarray, "2"], *, up: bool = False) -> Float[np.ndarray, "2"]:
    """Width and height of the picture as Qwen2-VL and 2.5 see it: multiples of 28, of 4 to 16384 such squares.

    The defaults of its published image processor (arXiv:2409.12191, preprocessor_config.json).

    Args:
        edges: width and height.
        up: edges are rounded up, as llama.cpp does, not to the nearest.
    """
    out = np.maximum((np.ceil if up else np.round)(edges / PATCH), 1) * PATCH
    for bound, rounding in ((MOST_PIXELS, np.floor), (LEAST_PIXELS, np.ceil)):
        if (out.prod() > bound) if rounding is np.floor else (out.prod() < bound):
            out = np.maximum(rounding(edges * math.sqrt(bound / edges.prod()) / PATCH), 1) * PATCH
    return out


def _write(how: Convention, points: Float[np.ndarray, "k 2"], scale: Float[np.ndarray, "2"]) -> str:
    """One shape, in pixels, as its text."""
    if how.form == "polygon":
        return how.text.format(", ".join(f"({_digits(x, how)}, {_digits(y, how)})" for x, y in points * scale))
    return how.text.format(*(_digits(number, how) for number in _numbers(how, points, scale)))


def _digits(number: float, how: Convention) -> str:
    return f"{number + 0.0:.{how.decimals}f}" if round(number, how.decimals) else f"{0:.{how.decimals}f}"  # never "-0"


def _numbers(how: Convention, points: Float[np.ndarray, "4 2"], scale: Float[np.ndarray, "2"]) -> list[float]:
    if how.form == "corners":
        return [float(x) for x in (points * scale).reshape(-1)]
    if how.form.endswith("a"):  # angles are those of the picture, not of the grid: turned first, scaled then
        center, width, height, angle = center_size_angle(points, clockwise=how.clockwise)
        half = np.array([width, height]) / 2
        both = (center, 2 * half) if how.form == "cxcywha" else (center - half, center + half)
        return [*(both[0] * scale), *(both[1] * scale), angle]
    low, high = points.min(0) * scale, points.max(0) * scale
    if how.scale is not None:  # a grid ends with the picture
        low, high = (np.clip(each, 0, how.top or how.scale) for each in (low, high))
    if how.form == "xywh":  # the far corner is rounded, not the size: errors do not add up
        near = np.round(low, how.decimals)
        return [*near, *(np.round(high, how.decimals) - near)]
    if how.form == "cxcywh":
        return [*((low + high) / 2), *(high - low)]
    return [low[1], low[0], high[1], high[0]] if how.form == "yxyx" else [*low, *high]


def _read(text: str, name: str, size: tuple[int, int] | None) -> tuple[list[np.ndarray], list[str]]:
    how = lookup(CONVENTIONS, "box convention", name)
    scale, shift = _scale(name, how, size), _shift(how, size)
    phrase = re.compile(re.escape(how.tag[0]) + r"(.*?)" + re.escape(how.tag[1]), re.DOTALL)
    phrases = [(found.end(), found[1].strip()) for found in phrase.finditer(text)]
    shapes, labels = [], []
    for found in re.finditer(how.pattern, text):
        if how.form == "polygon":
            shapes.append(np.array(re.findall(r"-?\d+(?:\.\d+)?", found[1]), float).reshape(-1, 2))
        else:
            shapes.append(_corners(how, [float(number or 0) for number in found.groups()], scale) - shift)
        labels.append(next((label for end, label in reversed(phrases) if end <= found.start()), ""))
    return shapes, labels


def _corners(how: Convention, numbers: list[float], scale: Float[np.ndarray, "2"]) -> Float[np.ndarray, "4 2"]:
    """The corners, in pixels, that a convention's numbers tell."""
    if how.form == "corners":
        return np.array(numbers).reshape(4, 2) / scale
    first, second = np.array(numbers[:2]) / scale, np.array(numbers[2:4]) / scale
    angle = numbers[4] if how.form.endswith("a") else 0.0
    if how.form.startswith("cxcywh"):
        return rectangle(first, float(second[0]), float(second[1]), angle, clockwise=how.clockwise)
    if how.form == "yxyx":
        first, second = (np.array(numbers[i : i + 2])[::-1] / scale for i in (0, 2))
    if how.form == "xywh":
        second = first + second
    width, height = np.abs(second - first).tolist()
    return rectangle((first + second) / 2, width, height, angle, clockwise=how.clockwise)
