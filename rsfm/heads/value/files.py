"""The numbers of an answer, and the map of them, as files, pictures and layers.   h w pixels"""

import dataclasses
import html
from pathlib import Path
from typing import Any

import numpy as np

from rsfm.data.writing.rasters import write_image
from rsfm.quantities import unit_in_words
from rsfm.types import Answer, Value

LAYERS = ("value", "low", "high")  # of a map of numbers: the number and both ends of its 90 % interval


def value_files(folder: Path, answer: Answer, suffix: str) -> list[str]:
    """Writes a map of numbers as a float COG of three bands: the value and both ends of its 90 % interval."""
    if answer.value_map is None:
        return []
    name, named = f"values{suffix}.tif", value_label(answer)
    write_image(folder / name, answer.value_map, answer.grid, (named, f"{named}, 5 %", f"{named}, 95 %"))
    return [name]


def draw_values(ax: Any, answer: Answer) -> None:
    """Draws a map of numbers with a bar of its colours."""
    if answer.value_map is not None:
        drawn = ax.imshow(answer.value_map[..., 0], cmap="viridis", interpolation="nearest")
        ax.figure.colorbar(drawn, ax=ax, label=value_label(answer))


def value_layers(answer: Answer) -> dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]]:
    """`values` with the layers value, low and high."""
    if answer.value_map is None:
        return {}
    return {"values": (("layer", "y", "x"), np.moveaxis(answer.value_map, -1, 0), {"long_name": value_label(answer)})}


def value_label(answer: Answer) -> str:
    """Name and unit of the quantity whose map an answer holds."""
    if not answer.values:
        return "value"
    value = answer.values[0]
    return f"{value.name.removeprefix('mean ')} {unit_in_words(value.unit)}".rstrip()


def value_rows(answer: Answer) -> list[tuple[str, str]]:
    """Each number with its interval, for HTML."""
    return [(html.escape(value.name), html.escape(_in_words(value))) for value in answer.values]


def value_json(answer: Answer) -> dict[str, Any]:
    """Each number with its interval and unit."""
    return {"values": [dataclasses.asdict(value) for value in answer.values]} if answer.values else {}


def _in_words(value: Value) -> str:
    interval = "" if value.low is None or value.high is None else f" [{value.low:.4g}, {value.high:.4g}]"
    return f"{value.value:.4g}{interval} {unit_in_words(value.unit)}"
