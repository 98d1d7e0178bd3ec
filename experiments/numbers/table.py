"""The fuel moisture table in words: its numbers as a person would type them into a question, units and all.   t months"""

import numpy as np

from rsfm.sensors import SENSORS
from rsfm.types import Record

SENSOR = "fuel_moisture_table"
QUESTION = "What is the live fuel moisture?"
# name in words, column, factor and offset to the unit, unit, decimals, whether it changes by month
COLUMNS = (
    ("VV", "VV", 1.0, 0.0, "dB", 1, True),
    ("VH", "VH", 1.0, 0.0, "dB", 1, True),
    ("red", "B4", 100.0, 0.0, "%", 1, True),
    ("near infrared", "B8", 100.0, 0.0, "%", 1, True),
    ("short wave", "B11", 100.0, 0.0, "%", 1, True),
    ("NDVI", "ndvi", 100.0, 0.0, "%", 0, True),
    ("temperature", "temperature_2m", 1.0, -273.15, "degC", 1, True),
    ("rain", "total_precipitation", 1000.0, 0.0, "mm", 0, True),
    ("elevation", "elevation", 1.0, 0.0, "m", 0, False),
    ("slope", "slope", 1.0, 0.0, "degrees", 0, False),
)
PLACES = {band.name: i for i, band in enumerate(SENSORS[SENSOR].bands)}


def places() -> list[int]:
    """The columns that are told in words."""
    return [PLACES[column] for _, column, *_ in COLUMNS]


def in_words(record: Record) -> str:
    """All numbers, oldest month first, and the question: "VV -12.1 -11.8 -12.0 dB, ... What is the live fuel moisture?"."""
    values = np.asarray(record.observations[SENSOR].values)[:, 0, 0]
    parts = []
    for name, column, factor, offset, unit, decimals, monthly in COLUMNS:
        shown = values[:, PLACES[column]] * factor + offset
        numbers = " ".join(f"{x:.{decimals}f}" for x in (shown if monthly else shown[-1:]))
        parts.append(f"{name} {numbers} {unit}")
    return ", ".join(parts) + ". " + QUESTION
