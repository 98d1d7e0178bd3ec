"""Images named in a question: where "<image>" stands, the model is told which image is meant, in words."""

import numpy as np

from rsfm.errors import UserError, lookup
from rsfm.sensors import SENSORS
from rsfm.tokenizers.chat import IMAGE
from rsfm.types import Record


def images(record: Record) -> tuple[str, ...]:
    """Each picture of a record in words, sensor by sensor and date by date: "Sentinel-2 ..., 10 m, 2017-06-13"."""
    out = []
    for name, observation in record.observations.items():
        title, gsd = lookup(SENSORS, "sensor", name).title, float(np.asarray(observation.gsd_m))
        for day in np.asarray(observation.time_days, float):
            known = np.isfinite(day)
            date = str(np.datetime64("2000-01-01") + np.timedelta64(int(day), "D")) if known else "no date"
            out.append(f"{title}, {gsd:.3g} m, {date}")
    return tuple(out)


def place_images(question: str, record: Record) -> str:
    """The question with "<image>" replaced, in order, by the number, sensor, GSD and date of the record's images.

    The pixels themselves come before the text, with their dates and places; the words tell which of them is meant where.

    Raises:
        UserError: more placeholders than images.
    """
    if IMAGE not in question:
        return question
    told, parts = images(record), question.split(IMAGE)
    if len(parts) - 1 > len(told):
        raise UserError(
            f"{record.id}: the question names {len(parts) - 1} {IMAGE}, the record holds {len(told)} ({'; '.join(told)}). "
            "Give a scene or a date for each, or take the placeholder out."
        )
    named = [f"[image {i + 1}: {words}]" for i, words in enumerate(told)]
    return parts[0] + "".join(name + part for name, part in zip(named, parts[1:], strict=False))
