"""The images of a record in the words of a conversation: what is told of each, where its tokens stand, what room they take.

k image tokens in the text · s text length
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from rsfm.errors import UserError
from rsfm.processor.config import ProcessorConfig
from rsfm.processor.fitting import padded_times
from rsfm.text.chat import IMAGE, SPOT
from rsfm.text.mentions import at_images, image_words, images, named_image, place_images
from rsfm.types import Observation, Record, base_name

Turns = Sequence[tuple[str, str | None]]
StreamOf = Callable[[str, Observation], str]  # which stream reads a sensor's observation


@dataclasses.dataclass(frozen=True, kw_only=True)
class Interleaved:
    """A conversation with its images.

    Attributes:
        turns: questions tell the images in words; each SPOT in them is the place of one image token.
        index: which of the sample's image tokens stands at each SPOT; None = images stand before the text.
        shown: images whose tokens stand in the text.
        room: tokens that all the images may take beside the text, the same for records of the same padded shape.
        context: tokens of text and images at most; 0 = as many as there are.
    """

    turns: tuple[tuple[str, str | None], ...]
    index: Int[np.ndarray, " k"] | None = None
    shown: int = 0
    room: int = 0
    context: int = 0

    def length(self, text_length: int) -> int:
        """Tokens of a text and its images, of which the text may have `text_length`."""
        return min(text_length + self.room, self.context) if self.context else text_length + self.room

    def check_length(self, found: int, allowed: int, record_id: str) -> None:
        """UserError for a text of more tokens than allowed, with its images' share of them."""
        if found > allowed:
            share, fewer = "", ""
            if self.index is not None and self.shown:
                share = f"; {len(self.index)} of them are those of {self.shown} images"
                fewer = ", or show fewer images"
            over = f"the text has {found} tokens, {found - allowed} over the {allowed} allowed"
            raise UserError(f"{record_id}: {over}{share}. Shorten it{fewer}.")

    def places(self, ids: Sequence[int], learn: Sequence[bool], image_id: int) -> Int[np.ndarray, " s"] | None:
        """`text_images` of the ids; None where images stand before the text."""
        if self.index is None:
            return None
        at = np.asarray(ids) == image_id
        if at.sum() != len(self.index) or np.any(at & np.asarray(learn, bool)):
            raise UserError(
                f"The tokenizer's chat template left {int(at.sum())} of {len(self.index)} image tokens where users speak. "
                "Set chat_template to false: our own layout keeps every turn."
            )
        out = np.full(len(ids), -1, np.int32)
        out[at] = self.index
        return out


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Image:
    words: str
    first: int  # of its tokens
    tokens: int


def stream_slots(record: Record, stream_of: StreamOf) -> dict[str, tuple[str, Observation]]:
    """Which observation of a record stands in which slot: the first of a stream in "optical", the next in "optical/2"."""
    slots: dict[str, tuple[str, Observation]] = {}
    for name, each in record.observations.items():
        stream = stream_of(name, each)
        number = 1 + sum(base_name(slot) == stream for slot in slots)
        slots[stream if number == 1 else f"{stream}/{number}"] = (name, each)
    return slots


def told_images(config: ProcessorConfig, record: Record, stream_of: StreamOf) -> tuple[str, ...]:
    """What "<image>" stands for, in order: the pictures of a record in words."""
    if config.images is None:
        return images(record)
    return tuple(image.words for image in _images(config, record, stream_of)[0])


def interleave(
    config: ProcessorConfig, record: Record, turns: Turns, stream_of: StreamOf, length_of: Callable[[str], int]
) -> Interleaved:
    """Tells each image where the user names it; where the connector is interleaved its tokens follow the words.

    An image's tokens stand in the text once, where it is named first. Where the first turn names none, all of them come
    first in it, in order: several with their words, a single one without.

    Args:
        config: of the processor.
        record: what is talked about.
        turns: (question, answer) pairs.
        stream_of: which stream reads a sensor's observation.
        length_of: tokens of a text.

    Raises:
        UserError: more placeholders in a question than images.
    """
    if config.images is None:
        return Interleaved(turns=tuple((place_images(_plain(asked), record), said) for asked, said in turns))
    known, total = _images(config, record, stream_of)
    told = tuple(image.words for image in known)
    index: list[np.ndarray] = []
    shown: set[int] = set()

    def show(number: int) -> str:
        if number in shown:
            return ""
        shown.add(number)
        image = known[number]
        index.append(np.arange(image.first, image.first + image.tokens))
        return SPOT * image.tokens

    out: list[tuple[str, str | None]] = []
    for asked, said in turns:
        parts = at_images(_plain(asked), told, record.id)
        question = parts[0]
        for number, part in enumerate(parts[1:]):
            question += named_image(number, told[number]) + show(number) + part
        if not out and len(parts) == 1:  # the first turn names none
            alone = len(known) == 1  # its words stay as they are without it, which contrastive texts need
            lines = [show(n) if alone else f"{named_image(n, words)}{show(n)}\n" for n, words in enumerate(told)]
            question = "".join([*lines, question])
        out.append((question, None if said is None else _without(said, IMAGE)))
    return Interleaved(
        turns=tuple(out),
        index=np.concatenate(index) if index else np.zeros(0, np.int64),
        shown=len(shown),
        room=total + _words_room(config, record, stream_of, length_of),
        context=config.images.context,
    )


def _images(config: ProcessorConfig, record: Record, stream_of: StreamOf) -> tuple[list[_Image], int]:
    """The images in the order they are told, and how many image tokens the sample has."""
    layout = config.images
    assert layout is not None
    slots = stream_slots(record, stream_of)
    first, start = {}, 0
    for slot in sorted(slots):
        (name, each), stream = slots[slot], base_name(slot)
        first[name] = start
        start += layout.tokens[stream] * _image_count(config, stream, each)
    found = []
    for slot, (name, each) in slots.items():
        stream = base_name(slot)
        tokens = layout.tokens[stream]
        told = image_words(name, float(each.gsd_m), each.time_days, merged=stream in layout.merged)
        for i, words in enumerate(told):
            found.append(_Image(words=words, first=first[name] + i * tokens, tokens=tokens))
    return found, start


def _image_count(config: ProcessorConfig, stream: str, observation: Observation) -> int:
    """Images of a stream, padded dates among them."""
    assert config.images is not None
    if stream in config.images.merged:
        return 1
    return padded_times(np.shape(observation.time_days)[-1], config.streams[stream])


def _words_room(config: ProcessorConfig, record: Record, stream_of: StreamOf, length_of: Callable[[str], int]) -> int:
    """Tokens for the words of several images; told by sensor alone, so that records of one shape have one length."""
    assert config.images is not None
    room = count = 0
    for name, each in record.observations.items():
        stream = stream_of(name, each)
        merged = stream in config.images.merged
        words = image_words(name, 0.123, np.full(2 if merged else 1, 8888.0), merged=merged)[0]
        images = _image_count(config, stream, each)
        room += images * (length_of(named_image(88, words) + "\n") + 2)
        count += images
    return room if count > 1 else 0


def _plain(text: str) -> str:
    """A person's text without the sign that stands for an image token."""
    return text.replace(SPOT, "")


def _without(text: str, token: Any) -> str:
    while token in text:  # again: what closes up over a removed one may be one, too
        text = text.replace(token, "")
    return text
