"""Pixel-wise regression: a map of a number, made of the classes between its edges, each a `<mask>` of the answer.

n labelled blocks · h w pixels
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from rsfm import metrics as scores
from rsfm.errors import UserError
from rsfm.quantities import Quantity, classes_between
from rsfm.tasks.dialogue import MASK, Dialogue, regions
from rsfm.tasks.plan import Plan
from rsfm.tasks.segmentation import blocks
from rsfm.types import Answer, Mask, Record

SUMS = ("count", "value", "value_squared", "error", "absolute_error", "squared_error", "inside", "width")


class ValueMapping:
    """Asks for the map of `record.value_map`; scored over all labelled pixels, in its unit.

    Bins and not one number a pixel: of the ways out of experiments/configs/numbers_out.py they have the best CRPS, and an
    interval comes with them (Bellemare et al. 2017, arXiv:1707.06887; for maps of height Bhat et al. 2021, arXiv:2011.14141).
    """

    name = "value_map"
    opens = MASK
    higher_is_better: Mapping[str, bool] = {
        "rmse": False,
        "mae": False,
        "r2": True,
        "bias": False,
        "coverage": True,
        "width": False,
    }

    def __init__(self) -> None:
        self.metrics: Mapping[str, scores.Metric] = {
            "rmse": lambda rows: _mean(rows, "squared_error") ** 0.5,
            "mae": lambda rows: _mean(rows, "absolute_error"),
            "r2": _r2,
            "bias": lambda rows: _mean(rows, "error"),
            "coverage": lambda rows: _mean(rows, "inside"),
            "width": lambda rows: _mean(rows, "width"),
        }

    def dialogue(self, record: Record, rng: np.random.Generator) -> Dialogue | None:
        """As in "canopy height: 0 to 5 m <mask> 5 to 10 m <mask>"; None without a labelled pixel (a crop may lose them)."""
        numbers = record.value_map
        if numbers is None or not np.isfinite(numbers.values).any():
            return None
        legend = classes_between(numbers.edges, numbers.unit)
        asked = Mask(class_index=numbers.class_index, legend=legend)
        return Dialogue(turns=(value_map_turn(numbers.name, legend),), spans=regions(asked))

    def subjects(self, record: Record) -> tuple[str, ...] | None:
        """The quantity that is mapped."""
        return None if record.value_map is None else (record.value_map.name.lower(),)

    def question(self, record: Record) -> str:
        """The one way to ask."""
        return value_map_turn(record.value_map.name if record.value_map else "value", ())[0]

    def plan(self, known: Sequence[str], wanted: Sequence[str], quantities: Sequence[Quantity]) -> Plan:
        """The classes between the edges of the quantity that is wanted.

        Raises:
            UserError: the quantity is one number a scene.
        """
        name = wanted[0].lower()
        quantity = next((each for each in quantities if each.name and each.name.lower() == name), None)
        if quantity is None or not quantity.map_legend:
            raise UserError(
                f'This checkpoint has one {name} for a scene and no map of it. Ask "What is the {name}?", '
                "or fine-tune on maps of it (the task value_map)."
            )
        question, answer = value_map_turn(quantity.name, quantity.map_legend)
        return Plan(legend=quantity.map_legend, asked=question, answer=answer, quantity=quantity)

    def statistics(self, record: Record, answer: Answer) -> Float[np.ndarray, "n 8"]:
        """The sums of SUMS of each block; a labelled pixel that the answer leaves out is taken at the map's mean.

        Raises:
            UserError: the answer holds no map of numbers.
        """
        numbers = record.value_map
        if numbers is None:
            return np.zeros((0, len(SUMS)))
        if answer.value_map is None:
            raise UserError(
                f"{record.id}: no map of numbers came back for '{self.question(record)}'. Fine-tune the checkpoint on the "
                "task value_map first."
            )
        found = answer.value_map.astype(np.float64)
        fill = np.nanmean(found.reshape(-1, 3), axis=0) if np.isfinite(found).any() else np.full(3, np.nan)
        found = np.where(np.isfinite(found), found, fill)
        rows = []
        for block in blocks(*numbers.values.shape):
            known = np.isfinite(numbers.values[block])
            if known.any():
                truth, (best, low, high) = numbers.values[block][known].astype(np.float64), found[block][known].T
                wrong = best - truth
                inside = (low <= truth) & (truth <= high)
                each = (np.ones_like(truth), truth, truth**2, wrong, abs(wrong), wrong**2, inside, high - low)
                rows.append([float(part.sum()) for part in each])
        return np.array(rows).reshape(-1, len(SUMS))


QUESTION = "Map the {name}."


def value_map_turn(name: str, legend: Sequence[str]) -> tuple[str, str]:
    """Question and answer of a map of numbers, in training and in prediction."""
    name = name.lower()
    return QUESTION.format(name=name), f"{name}: " + " ".join(f"{each} {MASK}" for each in legend)


def _mean(rows: Float[np.ndarray, "n 8"], name: str) -> float:
    return float(rows[:, SUMS.index(name)].sum() / rows[:, 0].sum())


def _r2(rows: Float[np.ndarray, "n 8"]) -> float:
    spread = _mean(rows, "value_squared") - _mean(rows, "value") ** 2
    return 1 - _mean(rows, "squared_error") / spread if spread > 0 else float("nan")
