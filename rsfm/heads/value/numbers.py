"""Numbers between the standardized outputs of the value head and physical units in an answer.   v values"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from rsfm.heads.spans import Fit, Part, Passage
from rsfm.nn.distributions import Distribution, Mixture, Normal, from_bins, from_quantiles
from rsfm.quantities import Quantity, check_unit, find, interval, units_pattern
from rsfm.quantities import text as value_text
from rsfm.types import Value


def distribution(outputs: Mapping[str, Any]) -> Distribution:
    """The distribution a value head's outputs stand for, in standard deviations of the quantity.

    A head that gives a number alone is read as a normal of scale one, which calibration then stretches to size.
    """
    outputs = {name: jnp.asarray(x) for name, x in outputs.items()}
    if "weight" in outputs:
        return Mixture(weight=outputs["weight"], center=outputs["center"], width=outputs["width"])
    if "quantiles" in outputs:
        return from_quantiles(outputs["levels"], outputs["quantiles"])
    if "probability" in outputs:
        return from_bins(outputs["edges"], outputs["probability"])
    mean = outputs["mean"]
    return Normal(center=mean, width=outputs.get("scale", jnp.ones_like(mean)))


def standardized(values: Sequence[Value], fit: Fit, slots: int) -> Float[np.ndarray, " v"]:
    """The targets of a text's <value> tokens, in standard deviations of their quantities; 0 in empty slots."""
    target = np.zeros(slots, np.float32)
    for i, value in enumerate(values):
        check_unit(fit.quantities, value.name, value.unit)
        target[i] = find(fit.quantities, f"{value.name} {fit.words}", value.unit).standardize(value.value)
    return target


def number(outputs: Mapping[str, Any], passage: Passage) -> Part:
    """One number with its 90 % interval, in the unit that the text names after it."""
    match = units_pattern(passage.quantities, "").match(passage.after)
    match = match if match and match["unit"] else None
    unit = match["unit"] if match and match["unit"] in {q.unit for q in passage.quantities} else ""
    quantity = find(passage.quantities, f"{passage.question} {passage.text}", unit)
    value = _physical(quantity, quantity.name or _subject(passage.after), outputs)
    known = bool(quantity.name and quantity.unit)  # calibrated, or at least fitted
    about, between = ("about ", interval(value)) if known else ("", "")
    behind = match[0] if match else ""
    return Part(words=f"{about}{value_text(value)}{behind}{between}", takes=len(behind), values=(value,))


def _physical(quantity: Quantity, name: str, outputs: Mapping[str, Any]) -> Value:
    if "scale" in outputs:
        return quantity.value(name, float(outputs["mean"]), float(outputs["scale"]))
    predicted = distribution(outputs)
    low, middle, high = (float(predicted.quantile(level)) for level in (0.05, 0.5, 0.95))
    return quantity.value_between(name, float(predicted.mean()), low, middle, high)


def _subject(after: str) -> str:
    """What a number counts: " ha of water." -> "water"."""
    words = re.sub(r"^(ha|%)\s*", "", after.strip(" ."))
    return re.sub(r"^of\s+", "", words) or "value"
