"""Drawings of the report: curves, confusion, pictures beside their labels and answers.  h w pixels · m classes"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from rsfm.answer.views import library
from rsfm.data.writing.overlay import stretch
from rsfm.data.writing.palette import class_colours
from rsfm.data.writing.quicklook import quicklook
from rsfm.types import Answer, Mask, Record

INK, WATCHED = "#2b6cb0", "#c05621"
SMOOTH = 0.05  # share of the run over which the loss is averaged for the eye
MOST_NUMBERS = 14  # classes from which on no number is written into the squares of a confusion


def figure(width: float, height: float) -> Any:
    """A figure that needs no screen."""
    made = library("matplotlib.figure").Figure(figsize=(width, height), layout="constrained")
    library("matplotlib.backends.backend_agg").FigureCanvasAgg(made)
    return made


def curves(
    metrics: Sequence[Mapping[str, Any]], evaluations: Sequence[Mapping[str, Any]], watched: str, best: int
) -> Any:
    """The training loss, and what was validated: the loss, and the score that chose the checkpoint."""
    made = figure(9.5, 3.2)
    left, right = made.subplots(1, 2)
    rows = [(row["step"], row["loss"]) for row in metrics if row.get("loss") is not None]
    if rows:
        steps, losses = np.array(rows, float).T
        left.plot(steps, losses, color=INK, alpha=0.25, lw=1)
        window = max(1, round(SMOOTH * len(losses)))
        smooth = np.convolve(np.pad(losses, (window - 1, 0), mode="edge"), np.ones(window) / window, "valid")
        left.plot(steps, smooth, color=INK, lw=1.8, label="training")
    _line(left, evaluations, "loss", "validation", WATCHED)
    left.set(xlabel="step", ylabel="loss")
    if left.lines:
        left.legend(frameon=False)
    _line(right, evaluations, watched or "loss", watched or "loss", WATCHED)
    if best:
        right.axvline(best, color="#888", lw=1, ls="--", label=f"best: step {best}")
    right.set(xlabel="step", ylabel=f"validation {watched or 'loss'}")
    if right.lines:
        right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return made


def _line(axes: Any, rows: Sequence[Mapping[str, Any]], name: str, label: str, colour: str) -> None:
    known = [(row["step"], row[name]) for row in rows if row.get(name) is not None]
    if known:
        axes.plot(*zip(*known, strict=True), color=colour, marker="o", ms=4, label=label)


def confusion(counts: Float[np.ndarray, "m m"], names: Sequence[str]) -> Any:
    """How often each class (rows) was taken for each (columns), as shares of the class."""
    side = len(names)
    made = figure(max(4.0, 1.8 + 0.62 * side), max(3.2, 1.2 + 0.52 * side))
    axes = made.subplots()
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(side), names, rotation=45, ha="right")
    axes.set_yticks(range(side), [f"{name} ({int(n):,})" for name, n in zip(names, counts.sum(1), strict=True)])
    axes.set(xlabel="answer", ylabel="label (how many)")
    for row, column in np.ndindex(side, side) if side <= MOST_NUMBERS else ():
        shade = "white" if shares[row, column] > 0.6 else "#333"
        axes.text(column, row, f"{100 * shares[row, column]:.0f}", ha="center", va="center", color=shade, fontsize=9)
    return made


def scatter(rows: Float[np.ndarray, "n 2"]) -> Any:
    """Numbers that were answered against those of the labels."""
    made = figure(4.2, 3.8)
    axes = made.subplots()
    axes.plot(rows[:, 1], rows[:, 0], "o", color=INK, alpha=0.6, ms=4)
    ends = [np.nanmin(rows), np.nanmax(rows)]
    axes.plot(ends, ends, color="#888", lw=1)
    axes.set(xlabel="label", ylabel="answer")
    return made


def samples(chosen: Sequence[tuple[str, Record, Answer]]) -> Any:
    """A column for each record: the picture, and for maps the label and the answer under it."""
    mapped = any(record.mask is not None for _, record, _ in chosen)
    made = figure(2.5 * len(chosen), 7.6 if mapped else 3.2)
    grid = made.subplots(3 if mapped else 1, len(chosen), squeeze=False)
    for column, (title, record, answer) in enumerate(chosen):
        said = "" if mapped else f"\n{record.scene or ''} → {answer.text[:60]}"
        grid[0, column].imshow(look(record))
        grid[0, column].set_title(title + said, fontsize=9, wrap=True)
        for axes, mask in zip(grid[1:, column], (record.mask, answer.mask), strict=False):
            axes.imshow(painted(mask) if mask is not None else np.full((1, 1, 3), 0.93), interpolation="nearest")
    for axes in grid.ravel():
        axes.set_xticks([]), axes.set_yticks([])
    for axes, name in zip(grid[:, 0], ("picture", "label", "answer"), strict=False):
        axes.set_ylabel(name)
    masks = [record.mask for _, record, _ in chosen if record.mask is not None]
    if masks:
        legend(made, masks[0].legend)
    return made


def look(record: Record) -> np.ndarray:
    """A picture of a record for the eye; of a single pixel its numbers over the dates as grey."""
    return stretch(quicklook(record))


def painted(mask: Mask) -> Float[np.ndarray, "h w 3"]:
    """The classes in their colours, light grey where there is none."""
    table = np.array([*class_colours(mask.legend), (237, 237, 237)]) / 255
    index: Int[np.ndarray, "h w"] = np.where(mask.class_index < 0, len(mask.legend), mask.class_index)
    return table[np.minimum(index, len(mask.legend))]


def legend(made: Any, names: Sequence[str]) -> None:
    """The colours of the classes below a figure."""
    patch = library("matplotlib.patches").Patch
    colours = np.array(class_colours(names)) / 255
    handles = [patch(color=colour, label=name) for colour, name in zip(colours, names, strict=True)]
    made.legend(handles=handles, loc="outside lower center", ncols=min(6, len(names)), frameon=False)


def overview(record: Record, answer: Answer) -> Any:
    """A scene beside the map of it."""
    made = figure(9.5, 5.0)
    left, right = made.subplots(1, 2)
    left.imshow(look(record))
    if answer.mask is not None:
        right.imshow(painted(answer.mask), interpolation="nearest")
        legend(made, answer.mask.legend)
    for axes in (left, right):
        axes.set_xticks([]), axes.set_yticks([])
    return made
