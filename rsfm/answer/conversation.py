"""Several questions about one scene, each read together with what was said before; answers come as they are written."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from rsfm.answer.batches import forward, stack
from rsfm.answer.footprint import Footprint
from rsfm.answer.session import Session
from rsfm.answer.words import written
from rsfm.models.decoding import for_writing
from rsfm.models.foundation import FoundationModel
from rsfm.models.generate import random_key, stream
from rsfm.processor import Asked, Processor
from rsfm.tasks.dialogue import special_tokens, split_special
from rsfm.text import forms
from rsfm.text.constraint import Constraint, constrain
from rsfm.text.questions import plain
from rsfm.text.tokenizer import TextStream
from rsfm.types import Answer, Record


class Conversation:
    """A dialogue about a footprint.

    Attributes:
        history: the turns so far: questions as asked, answers as the model gave them, with `<value>` and `<mask>` tokens.
        answer: the last one, whole.
        forgotten: turns left out of the last prompt because the model's context is full.

    >>> talk = Conversation(loaded.model, loaded.processor, footprint)
    >>> print(*talk.ask("What is this?"), sep="")
    """

    def __init__(
        self,
        model: FoundationModel,
        processor: Processor,
        footprint: Footprint,
        *,
        system: str = "",
        name: str = "this checkpoint",
        seed: int | None = None,
        **options: Any,
    ):
        """Reads nothing yet.

        Args:
            model: weights.
            processor: of the same checkpoint.
            footprint: scenes on one grid, or a record.
            system: what the model is told before the first question.
            name: of the checkpoint, for people.
            seed: of the draws where the temperature is above 0; None = others every time.
            options: of rsfm.models.generate.stream: temperature, top_k, top_p, max_new_tokens, ...
        """
        self.session = Session(model, processor, footprint, name=name)
        self.model, self.processor, self.footprint = model, self.session.compact, self.session.footprint
        self._writer, self._key = for_writing(model), random_key(seed)
        self.system, self.options = plain(system), {"max_new_tokens": 96, **options}
        self.history: list[tuple[str, str]] = []
        self.answer: Answer | None = None
        self.forgotten = 0
        self._constraint: Constraint | None = None
        self._form = ""
        self._said = ""

    @property
    def record(self) -> Record:
        """The footprint as the model sees it whole."""
        return self.session.record

    def images(self) -> tuple[str, ...]:
        """Sensor, GSD and date of each image of the scene; "<image>" in a question stands for the next of them."""
        return self.processor.images(self.record)

    def constrain(self, form: str) -> None:
        """From now on answers in words look like this, see rsfm.text.forms.form; "" = free."""
        self._constraint = constrain(forms.form(form), self.processor.text) if form else None
        self._form = form

    def forget(self) -> None:
        """Starts anew."""
        self.history, self.answer, self.forgotten = [], None, 0

    def ask(self, question: str) -> Iterator[str]:
        """Yields the answer piece by piece; afterwards it is in `answer`, and the turn in `history`.

        Raises:
            UserError: a question longer than the context, even alone; a placeholder without image.
        """
        question = plain(question)
        self._over([], question)
        asked = self.session.asked(question)
        if self._at_once(asked):
            answer = self.session.ask(question, form=self._form if asked.kind in ("presence", "identity") else "")
            said = self.session.spoken(asked) or answer.text
            yield answer.text
        else:
            told = ""
            for piece in self._write(question):
                told += piece
                yield piece
            said = self._said
            answer = self.session.trusted(self._read(question, said))
            yield _rest(answer.text, told)
        self.answer = answer
        self.history = [*self._fitting(question), (question, said)]

    def _at_once(self, asked: Asked) -> bool:
        """Whether the answer is not written word by word: read from a map or a list, declined, or asked as in training."""
        if not asked.taught or self.session.plan(asked) is not None or asked.kind in ("presence", "identity"):
            return True
        return bool(self.processor.config.taught) and not self._form and asked.kind in ("scene", "count", "value")

    def _fitting(self, question: str) -> list[tuple[str, str]]:
        """The turns that fit before a question, with some room for the answer; the earliest go first."""
        turns, room = list(self.history), min(32, self.options["max_new_tokens"])
        while turns and self._over(turns, question) > -room:
            turns.pop(0)
        return turns

    def _over(self, turns: list[tuple[str, str]], question: str) -> int:
        """Tokens beyond the context; UserError where the question names more images than there are."""
        return self.processor.tokens_over(self.record, turns, question, system=self.system)

    def _write(self, question: str) -> Iterator[str]:
        """The text as it comes, up to its first number, which waits for the heads; all of it is left in `_said`."""
        turns = self._fitting(question)
        self.forgotten = len(self.history) - len(turns)
        prompt = stack([self.processor.prompt(self.record, question, history=turns, system=self.system)])
        decode, ids, told, held = TextStream(self.processor.text), [], "", False
        ends = (*self.processor.text.end_ids, *self.options.get("stop", ()))
        how: dict[str, Any] = {**self.options, "stop": ends, "constraint": self._constraint, "key": self._next_key()}
        for new in stream(self._writer, prompt, **how):
            row = new[0].tolist()
            ids += row
            piece = decode.push(row)
            before = split_special(piece if told else piece.lstrip())
            if not held and before[0]:
                told += before[0]
                yield before[0]
            held = held or len(before) > 1
        every = np.asarray(ids, np.int32)
        self._said = written(self.processor, self.record, question, every, history=turns, system=self.system)

    def _next_key(self) -> Array:
        """A random key for each answer."""
        self._key, key = jax.random.split(self._key)
        return key

    def _read(self, question: str, said: str) -> Answer:
        outputs: dict[str, Any] = {}
        if special_tokens(said):
            turns = self._fitting(question)
            sample = self.processor.prompt(self.record, question, said, history=turns, system=self.system)
            found = jax.device_get(forward(self.model, stack([sample])).outputs)
            outputs = jax.tree.map(lambda leaf: leaf[0], found)
        answer = self.processor.decode(question, said, outputs)
        return dataclasses.replace(answer, grid=self.footprint.grid)


def _rest(text: str, told: str) -> str:
    """What is still to be shown of an answer."""
    if text.startswith(told):
        return text[len(told) :]
    return "" if text == told.strip() else "\n" + text
