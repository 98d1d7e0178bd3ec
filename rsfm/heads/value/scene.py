"""The map of a number over a scene, out of the probabilities of classes between its edges.   h w pixels"""

import dataclasses
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float

from rsfm.heads.scene.blending import strips
from rsfm.heads.scene.canvas import Canvas, Window
from rsfm.heads.scene.size import check_map, check_strip
from rsfm.heads.value.band import value_band
from rsfm.quantities import Quantity, digits, unit_in_words
from rsfm.types import Answer, Value


def value_map(windows: Iterable[Window], canvas: Canvas) -> Float[np.ndarray, "h w 3"]:
    """Value and interval of each pixel of a canvas with a quantity, NaN without data."""
    assert canvas.quantity is not None
    count, quantity = 1 + len(canvas.subjects), canvas.quantity
    check_map(canvas, count - 1, numbers=True)
    check_strip(canvas.tiling, count)
    band = np.full((canvas.height, canvas.width, 3), np.nan, np.float32)
    for strip in strips(windows, canvas.tiling, count):
        here = value_band(quantity.map_edges, strip.values[1:], stretch=quantity.stretch)
        band[strip.first : strip.first + len(here)] = np.where(strip.valid[..., None], here, np.nan)
    return band


def placed_values(answer: Answer, band: Float[np.ndarray, "h w 3"], quantity: Quantity) -> Answer:
    """The answer with a map of numbers and their mean in words."""
    known = band[..., 0][np.isfinite(band[..., 0])].astype(np.float64)
    mean = float(known.mean())
    shown = [digits(float(number), quantity.unit or "1") for number in (mean, *np.quantile(known, (0.05, 0.95)))]
    unit = f" {unit_in_words(quantity.unit)}".rstrip()
    text = f"{quantity.name}: {shown[0]}{unit} on average, {shown[1]} to {shown[2]}{unit} in nine tenths of the pixels."
    value = Value(name=f"mean {quantity.name}", value=mean, unit=quantity.unit)
    return dataclasses.replace(answer, text=answer.text or text, values=(*answer.values, value), value_map=band)
