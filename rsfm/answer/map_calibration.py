"""Intervals of a map of numbers that hold 90 % of the labelled pixels of data that was not trained on.   n labelled pixels"""

import copy
import dataclasses
from collections.abc import Iterable

import numpy as np

from rsfm.answer.footprint import RecordFootprint
from rsfm.answer.maps import map_rows
from rsfm.errors import UserError
from rsfm.heads.value import value_quantiles
from rsfm.metrics.calibration import stretch
from rsfm.models.foundation import FoundationModel
from rsfm.processor import Processor
from rsfm.processor.plan import quantity_plan
from rsfm.types import Record


def calibrated(model: FoundationModel, processor: Processor, records: Iterable[Record]) -> Processor:
    """The processor whose quantities stretch the intervals of their maps by split conformal calibration (rsfm.metrics.calibration).

    Pixels of one picture are not independent, so the promise is as good as the pictures are many.

    Args:
        model: after training.
        processor: of the same checkpoint.
        records: not trained on; those with a `value_map` count.

    Raises:
        UserError: no record has a map of numbers, or the labelled pixels are too few for the promise.
    """
    found: dict[str, list[np.ndarray]] = {}
    for record in records:
        if record.value_map is None:
            continue
        plan = quantity_plan(processor.config, record.value_map.name)
        quantity = plan.quantity
        assert quantity is not None
        for rows in map_rows(model, processor, RecordFootprint(record), plan):
            truth = record.value_map.values[rows.first : rows.first + len(rows.class_index)]
            known = np.isfinite(truth) & rows.valid
            levels = value_quantiles(quantity.map_edges, rows.probability[1:])[known]
            found.setdefault(quantity.name, []).append(np.column_stack([truth[known], levels[:, 1:]]))
    if not found:
        raise UserError("Nothing to calibrate with: no record holds a map of numbers. Choose another split.")
    factors = {}
    for name, parts in found.items():
        target, low, middle, high = np.concatenate(parts).astype(np.float64).T
        factors[name] = stretch(target, middle, low, high)
    quantities = tuple(
        dataclasses.replace(quantity, stretch=factors[quantity.name]) if quantity.name in factors else quantity
        for quantity in processor.config.quantities
    )
    made = copy.copy(processor)
    made.config = dataclasses.replace(processor.config, quantities=quantities)
    return made
