"""Answers in words, and the numbers in them, from the whole scene shrunk to what the model reads at once."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Int

from rsfm.answer.batches import forward, stack
from rsfm.answer.footprint import Footprint
from rsfm.errors import UserError
from rsfm.models.foundation import FoundationModel
from rsfm.models.generate import generate
from rsfm.processor import Processor
from rsfm.tasks.dialogue import MASK, VALUE, special_tokens
from rsfm.text import forms
from rsfm.text.constraint import constrain
from rsfm.types import Answer, Record


def whole(processor: Processor, footprint: Footprint) -> Record:
    """The footprint shrunk to one window of the model; UserError where it holds no data."""
    single = footprint.height == footprint.width == 1  # a pixel series
    probe = footprint.read((0, 0, 1, 1))
    record = footprint.overview(1 if single else processor.stream_size(probe))
    if not any(observation.valid.any() for observation in record.observations.values()):
        raise UserError(f"{record.id}: every pixel is nodata. Check the file's nodata value and its masks.")
    return record


def answer_records(
    model: FoundationModel,
    processor: Processor,
    records: Sequence[Record],
    questions: Sequence[str],
    *,
    batch_size: int = 1,
    max_new_tokens: int = 64,
    form: str = "",
) -> list[Answer]:
    """Text answers to one question a record, `batch_size` at a time; fewer records are padded to a full batch.

    The records hold the same sensors, so that they make one batch; each is read whole. `form`: see `predict`.
    """
    answers: list[Answer] = []
    constraint = constrain(forms.form(form), processor.text) if form else None
    for start in range(0, len(records), batch_size):
        part = list(zip(records[start : start + batch_size], questions[start : start + batch_size], strict=True))
        full = part + [part[0]] * (batch_size - len(part))
        prompts = stack([processor.prompt(record, question) for record, question in full])
        # What `written` would cut off must not be written under a form: it is whole only at its end.
        limit = min([max_new_tokens, *(room(processor, *each) for each in full)]) if form else max_new_tokens
        ids = np.asarray(generate(model, prompts, max_new_tokens=limit, constraint=constraint))
        said = [written(processor, *each, row) for each, row in zip(full, ids, strict=True)]
        outputs: dict[str, Any] = {}
        if any(special_tokens(text) for text in said):  # heads are read from the whole turn
            again = [
                processor.prompt(record, question, text) for (record, question), text in zip(full, said, strict=True)
            ]
            outputs = jax.device_get(forward(model, stack(again)).outputs)
        for i, (_, question) in enumerate(part):
            one = jax.tree.map(lambda leaf, i=i: leaf[i], outputs)
            answers.append(processor.decode(question, said[i], one))
    return answers


def room(
    processor: Processor, record: Record, question: str, *, history: Sequence[tuple[str, str]] = (), system: str = ""
) -> int:
    """How many tokens of an answer the processor can read back, its end token not among them."""
    return -processor.tokens_over(record, history, question, system=system) - 1


def written(
    processor: Processor,
    record: Record,
    question: str,
    ids: Int[np.ndarray, " k"],
    *,
    history: Sequence[tuple[str, str]] = (),
    system: str = "",
) -> str:
    """The text of generated ids, cut to what the processor can read back: its length, its numbers, no stray mask."""
    limit = room(processor, record, question, history=history, system=system)
    text = processor.text.decode(ids[:limit].tolist())
    while MASK in text:  # again: what closes up over a removed one may be one, too
        text = text.replace(MASK, "")
    pieces = text.split(VALUE)
    return VALUE.join(pieces[: processor.config.slots(VALUE) + 1]) or " "
