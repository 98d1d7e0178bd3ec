"""Answers in words, and the numbers in them, from the whole scene shrunk to what the model reads at once."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Int

from rsfm.answer.batches import forward, stack
from rsfm.answer.footprint import Footprint
from rsfm.errors import UserError
from rsfm.heads import HEADS
from rsfm.models.foundation import FoundationModel
from rsfm.models.generate import Sampling, beam_search, generate_opened
from rsfm.processor import Processor
from rsfm.tasks.dialogue import special_tokens, split_special
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
    sampling: Sampling | None = None,
) -> list[Answer]:
    """Text answers to one question a record, `batch_size` at a time; fewer records are padded to a full batch.

    Args:
        model: weights.
        processor: of the same checkpoint.
        records: of the same sensors, so that they make one batch; each is read whole.
        questions: one a record.
        batch_size: records answered at once.
        max_new_tokens: longest answer in tokens.
        form: what an answer may look like, see `rsfm.answer.predict.predict`.
        sampling: how tokens are chosen; None = the likeliest.
    """
    sampling = sampling or Sampling()
    answers: list[Answer] = []
    constraint = constrain(forms.form(form), processor.text) if form else None
    slots = head_slots(model, processor)
    for start in range(0, len(records), batch_size):
        part = list(zip(records[start : start + batch_size], questions[start : start + batch_size], strict=True))
        full = part + [part[0]] * (batch_size - len(part))
        prompts = stack([processor.prompt(record, question) for record, question in full])
        # What `written` would cut off must not be written under a form: it is whole only at its end.
        limit = min([max_new_tokens, *(room(processor, *each) for each in full)]) if form else max_new_tokens
        options: dict[str, Any] = {"max_new_tokens": limit, "stop": processor.text.end_ids, "constraint": constraint}
        if sampling.beams > 1:
            ids = np.asarray(beam_search(model, prompts, beams=sampling.beams, **options)[0])
            texts = [written(processor, *pair, row) for pair, row in zip(full, ids, strict=True)]
            outputs = _read_again(model, processor, full, texts)
        else:
            ids, outputs = jax.device_get(generate_opened(model, prompts, slots, sampling=sampling, **options))
            texts = [written(processor, *pair, row) for pair, row in zip(full, ids, strict=True)]
        for i, (_, question) in enumerate(part):
            answers.append(processor.decode(question, texts[i], jax.tree.map(lambda leaf, i=i: leaf[i], outputs)))
    return answers


def _read_again(
    model: FoundationModel, processor: Processor, asked: Sequence[tuple[Record, str]], texts: Sequence[str]
) -> dict[str, Any]:
    """What the special tokens of finished texts open: beams move between texts, so no hidden states stay with them."""
    if not any(map(special_tokens, texts)):
        return {}
    samples = [processor.prompt(*pair, text) for pair, text in zip(asked, texts, strict=True)]
    return jax.device_get(forward(model, stack(samples)).outputs)


def head_slots(model: FoundationModel, processor: Processor) -> dict[str, tuple[int, int]]:
    """The heads that an answer in words can open: by name the id of their token, and how many of them a text may hold."""
    slots = {}
    for name, own in processor.config.heads.items():
        token = HEADS[own.kind or name].token
        if name in getattr(model, "heads", {}):
            slots[name] = (processor.text.special[token], own.slots)
    return slots


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
    """The text of generated ids, cut to what can be read back: its length, and of each special token as many as have slots."""
    limit = room(processor, record, question, history=history, system=system)
    pieces = split_special(text := processor.text.decode(ids[:limit].tolist()))
    kept, seen = pieces[0], dict[str, int]()
    for token, piece in zip(special_tokens(text), pieces[1:], strict=True):
        seen[token] = seen.get(token, 0) + 1
        kept += (token if seen[token] <= processor.config.slots(token) else "") + piece
    return kept or " "
