"""Images named in a question: where "<image>" stands, the model is told which image is meant, in words and by its tokens.

t acquisitions
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from rsfm.errors import UserError
from rsfm.sensors.named import sensor_of
from rsfm.text.chat import IMAGE
from rsfm.types import Record


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageLayout:
    """What images take in the text, where the model's connector is interleaved; saved with the processor.

    A sample's image tokens are counted stream by stream in alphabetical order, padded dates included, and date by date.

    Attributes:
        tokens: of one image, by stream.
        merged: streams whose dates are one image, as a temporal encoder leaves them.
        context: tokens that a text may have, its images' among them: what the decoder was trained on; 0 = unknown.
    """

    tokens: dict[str, int]
    merged: tuple[str, ...] = ()
    context: int = 0


def images(record: Record) -> tuple[str, ...]:
    """Each picture of a record in words, sensor by sensor and date by date: "Sentinel-2 ..., 10 m, 2017-06-13"."""
    seen = record.observations.items()
    return tuple(words for name, each in seen for words in image_words(name, float(each.gsd_m), each.time_days))


def image_words(
    sensor: str, gsd_m: float, time_days: Float[np.ndarray, " t"], *, merged: bool = False
) -> tuple[str, ...]:
    """Each date of a sensor in words, or where they are merged to one image all in one."""
    title, days = sensor_of(sensor).title, [_date(float(day)) for day in np.asarray(time_days)]
    if merged and len(days) > 1:
        days = [f"{len(days)} dates from {days[0]} to {days[-1]}"]
    return tuple(f"{title}, {gsd_m:.3g} m, {day}" for day in days)


def place_images(question: str, record: Record) -> str:
    """The question with "<image>" replaced, in order, by the number, sensor, GSD and date of the record's images.

    The words tell which of them is meant where. The pixels come before the text; or behind the words, where the model's
    connector is interleaved: rsfm.processor.interleave.

    Raises:
        UserError: more placeholders than images.
    """
    if IMAGE not in question:
        return question
    parts = at_images(question, told := images(record), record.id)
    named = [named_image(i, words) for i, words in enumerate(told)]
    return parts[0] + "".join(name + part for name, part in zip(named, parts[1:], strict=False))


def named_image(index: int, words: str) -> str:
    """What the model is told of an image: its number and its words."""
    return f"[image {index + 1}: {words}]"


def at_images(question: str, told: tuple[str, ...], record_id: str) -> list[str]:
    """The question cut at its placeholders; UserError where there are more of them than images."""
    parts = question.split(IMAGE)
    if len(parts) - 1 > len(told):
        raise UserError(
            f"{record_id}: the question names {len(parts) - 1} {IMAGE}, the record holds {len(told)} ({'; '.join(told)}). "
            "Give a scene or a date for each, or take the placeholder out."
        )
    return parts


def _date(day: float) -> str:
    known = np.isfinite(day)
    return str(np.datetime64("2000-01-01") + np.timedelta64(int(day), "D")) if known else "no date"
