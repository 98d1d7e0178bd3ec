"""Forecasting: a number at a date later than all that is seen, asked for by that date; answered with an interval."""

import re
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from rsfm import metrics as scores
from rsfm.errors import UserError
from rsfm.sensors.observe import days_since_2000
from rsfm.tasks.dialogue import VALUE, Dialogue, pick
from rsfm.tasks.regression import NUMBER_BETTER, NUMBER_METRICS, UNITLESS, number_row
from rsfm.types import Answer, Record, Value

QUESTIONS = (
    "What will the {name} be on {date}, {days} days after the last image?",
    "Forecast the {name} for {date}, {days} days ahead.",
    "How high will the {name} be {days} days later, on {date}?",
)
DATED = re.compile(r"(?P<name>.+) on (?P<date>\d{4}-\d{2}-\d{2})")
_DATE = re.compile(r"\b(\d{4}-\d{1,2}-\d{1,2})\b")
_LATER = re.compile(
    r"^\s*(?:what|how\s+\w+)\s+will\b|^\s*(?:forecast|predict)\b.*\b(?:ahead|next|\d{4}-)", re.IGNORECASE
)
_CHANGE = re.compile(r"\b(?:what|how much|how many|where|has|have)\b.*\bchanged?\b", re.IGNORECASE)


class Forecasting:
    """Asks for one of the `record.values` named "<quantity> on <date>" whose date is later than the observations."""

    name = "forecasting"
    metrics: Mapping[str, scores.Metric] = {
        name: NUMBER_METRICS[name] for name in ("mae", "rmse", "coverage", "answered")
    }
    higher_is_better: Mapping[str, bool] = {name: NUMBER_BETTER[name] for name in metrics}

    def dialogue(self, record: Record, rng: np.random.Generator) -> Dialogue | None:
        """As in "The NDVI will be <value>."; one of the dates ahead, where there are several."""
        ahead = values_ahead(record)
        if not ahead:
            return None
        quantity, date, days, value = pick(ahead, rng)
        unit = "" if value.unit in UNITLESS else f" {value.unit}"
        question = pick(QUESTIONS, rng).format(name=quantity, date=date, days=days)
        return Dialogue(turns=((question, f"The {quantity} will be {VALUE}{unit}."),), spans=(value,))

    def subjects(self, record: Record) -> tuple[str, ...] | None:
        """The quantities that lie ahead."""
        return tuple(dict.fromkeys(name.lower() for name, *_ in values_ahead(record))) or None

    def question(self, record: Record) -> str:
        """Asks for the nearest date ahead."""
        ahead = values_ahead(record)
        name, date, days = ahead[0][:3] if ahead else ("value", "the next date", "some")
        return QUESTIONS[0].format(name=name, date=date, days=days)

    def statistics(self, record: Record, answer: Answer) -> Float[np.ndarray, "n 4"]:
        """[prediction, target, low, high] at the nearest date ahead."""
        ahead = values_ahead(record)
        return number_row(ahead[0][3].value, answer) if ahead else np.zeros((0, 4))


def values_ahead(record: Record) -> list[tuple[str, str, int, Value]]:
    """(quantity, date, days after the last valid observation, value) of the known values ahead, nearest first."""
    last = last_day(record)
    found = []
    for value in record.values:
        match = DATED.fullmatch(value.name)
        if match and np.isfinite(value.value) and last is not None and (day := days_since_2000(match["date"])) > last:
            found.append((match["name"], match["date"], int(np.ceil(day - last)), value))
    return sorted(found, key=lambda item: item[2])


def last_day(record: Record) -> float | None:
    """The latest dated acquisition with a valid pixel, days since 2000."""
    days = [
        float(day)
        for seen in record.observations.values()
        for day, valid in zip(np.asarray(seen.time_days), np.asarray(seen.valid), strict=True)
        if np.isfinite(day) and valid.any()
    ]
    return max(days) if days else None


def check_series(question: str, record: Record) -> None:
    """Refuses a question over time where the images do not carry it.

    Raises:
        UserError: a change is asked for and there is one image; a forecast is asked for and fewer than two images have a
            known date, or the date asked for is not later than theirs.
    """
    later = _LATER.search(question) is not None
    if not later and not _CHANGE.search(question):
        return
    images = [float(day) for seen in record.observations.values() for day in np.asarray(seen.time_days)]
    days = sorted({day for day in images if np.isfinite(day)})
    if len(days if later else images) < 2:
        raise UserError(
            f"'{question}' is about time: expected images of at least two {'known ' * later}dates, found "
            f"{len(days if later else images) or 'none'}. Name more scenes, and their dates with --date."
        )
    asked = _DATE.search(question)
    if later and asked and days_since_2000(asked[1]) <= days[-1]:
        raise UserError(f"'{question}': {asked[1]} is not after the last image. Ask for a later date.")
