"""The one border between physical units and normalized arrays: Record -> Sample, predictions -> Answer.

t acquisitions · h w pixels · c bands · s text length · v values · m masks
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rsfm.config import from_json, read_json, to_json
from rsfm.data.training.normalize import normalize
from rsfm.errors import UserError
from rsfm.heads import HEADS, Fit, Part, Passage
from rsfm.processor.asked import Asked
from rsfm.processor.config import FORMAT, ProcessorConfig, check_bounds, upgraded
from rsfm.processor.fitting import fit
from rsfm.processor.interleave import Interleaved, Turns, interleave, stream_slots, told_images
from rsfm.processor.plan import read
from rsfm.processor.taught import view_of
from rsfm.quantities import check_question, named_in, read_number
from rsfm.sensors.named import sensor_of
from rsfm.tasks.dialogue import Dialogue, special_tokens, split_special
from rsfm.text.chat import IMAGE
from rsfm.text.numeric import NumericText
from rsfm.text.tokenizer import TextTokenizer
from rsfm.types import Answer, Observation, Record, Sample, Value, base_name


class Processor:
    """Used alike in training and in prediction, and saved with the weights.

    >>> processor = rsfm.load("nano").processor
    >>> sample = processor.prompt(record, "What scene is this?")
    """

    def __init__(self, config: ProcessorConfig, text: TextTokenizer):
        self.config = config
        self.text = text if config.numbers.kind == "text" else NumericText(text, config.numbers)

    # --- in

    def sample(self, record: Record, dialogue: Dialogue, text_length: int) -> Sample:
        """A training sample: the whole conversation, which may have no turns, with the targets of its special tokens.

        Args:
            record: what is talked about.
            dialogue: the conversation.
            text_length: tokens it is padded to; 0 = the shortest of the config's text_lengths that holds it.
        """
        turns = dialogue.spelled() if self.config.numbers_written else dialogue.turns
        read = self.for_map(record) if dialogue.mapped else record
        told = self._interleave(read, turns)
        ids, learn = self.text.chat(told.turns) if told.turns else ([self.text.special["<bos>"]], [False])
        targets = self._targets(ids, learn, record, dialogue)
        length = told.length(text_length) if text_length else self._length(told, ids)
        return self._assemble(read, ids, learn, targets, length, told)

    def prompt(
        self,
        record: Record,
        question: str,
        answer: str = "",
        *,
        history: Sequence[tuple[str, str]] = (),
        system: str = "",
    ) -> Sample:
        """A question to be answered, or with `answer` the whole turn, to read the heads at its special tokens.

        Args:
            record: what is asked about.
            question: "<image>" in it stands for the record's images, in order: their sensor, GSD and date are told there,
                and their tokens stand there where the model's connector is interleaved.
            answer: the turn's answer, or "".
            history: earlier (question, answer) turns about the record.
            system: what the model is told beforehand.
        """
        check_question(self.config.quantities, question)
        told = self._interleave(record, (*history, (question, answer or None)))
        ids, learn = self.text.chat(told.turns, system=system)
        start = len(self.text.chat([*told.turns[:-1], (told.turns[-1][0], None)], system=system)[0])
        last = [False] * start + learn[start:]  # the heads are read in the last turn only
        places = {name: self._positions(ids, name, last) for name in self.config.heads}
        targets = {name: {"position": place} for name, place in places.items() if answer and (place >= 0).any()}
        return self._assemble(record, ids, learn, targets, self._length(told, ids), told, system)

    def _length(self, told: Interleaved, ids: Sequence[int]) -> int:
        """The shortest of the config's lengths that holds a text, the longest where none does."""
        lengths = [told.length(n) for n in sorted(self.config.text_lengths)]
        return next((n for n in lengths if n >= len(ids)), lengths[-1])

    def tokens_over(
        self, record: Record, history: Sequence[tuple[str, str]], question: str, *, system: str = ""
    ) -> int:
        """How many tokens a conversation has beyond what the model reads, its images' counted; 0 or less where it fits."""
        told = self._interleave(record, (*history, (question, None)))
        ids, _ = self.text.chat(told.turns, system=system)
        return len(ids) - told.length(max(self.config.text_lengths))

    def images(self, record: Record) -> tuple[str, ...]:
        """Sensor, GSD and date of each image; "<image>" in a question stands for the next of them."""
        return told_images(self.config, record, self.stream)

    def observations(self, record: Record) -> dict[str, Observation]:
        """Normalized observations of fixed shape, by stream."""
        out: dict[str, Observation] = {}
        for slot, (sensor, observation) in stream_slots(record, self.stream).items():
            values = normalize(sensor, observation, self.config.statistics)
            spec = self.config.streams[base_name(slot)]
            out[slot] = fit(dataclasses.replace(observation, values=values), spec, sensor)
        return out

    def for_map(self, record: Record) -> Record:
        """The record as a map is made of it: without the streams that `map_streams` leaves out."""
        kept = {
            name: each
            for name, each in record.observations.items()
            if self.stream(name, each) in self.config.map_streams
        }
        return dataclasses.replace(record, observations=kept) if kept else record

    def stream(self, sensor: str, observation: Observation) -> str:
        """The stream that reads a sensor's observation: a pixel series goes where single pixels are read."""
        family = sensor_of(sensor).family
        pixel = np.shape(observation.values)[-3:-1] == (1, 1)
        for name, spec in self.config.streams.items():
            if family in spec.families and (spec.size == 1) == pixel:
                return name
        kind = "pixel series" if pixel else "pictures"
        raise UserError(f"{sensor}: this checkpoint reads no {kind} of {family} sensors. Its streams: {self._reads()}.")

    def stream_size(self, record: Record) -> int:
        """Window edge in pixels for a record's sensors: that of its spatial streams."""
        families = {sensor_of(name).family for name in record.observations}
        sizes = [spec.size for spec in self.config.streams.values() if spec.size > 1 and families & set(spec.families)]
        if not sizes:
            raise UserError(
                f"{', '.join(record.observations)}: this checkpoint maps no such sensor. Its streams: {self._reads()}."
            )
        return max(sizes)

    # --- out

    def asked(self, question: str, record: Record) -> Asked:
        """What a question asks of this checkpoint, about such a record."""
        return read(self.config, question, view_of(record))

    def decode(self, question: str, said: str, outputs: Mapping[str, Any]) -> Answer:
        """The answer that a text with special tokens and the outputs of their heads make, in physical units.

        Where numbers are written out they are read from the text instead, and have no interval; a text without a number
        in the unit of the quantity asked for is told of in the notes.

        Args:
            question: as asked.
            said: the answer's text with its special tokens.
            outputs: of the heads by name, of the sample `prompt(record, question, said)`, without batch axis.
        """
        if self.config.numbers_written:
            return self._read(question, said)
        names = {HEADS[slots.kind or name].token: name for name, slots in self.config.heads.items()}
        pieces, tokens = split_special(said), special_tokens(said)
        text, values, seen = pieces[0], list[Value](), dict.fromkeys(names.values(), 0)
        for i, token in enumerate(tokens):
            name, after, part = names.get(token, ""), pieces[i + 1], Part()
            if name in outputs:
                passage = Passage(
                    question=question, before=pieces[i], after=after, text=said, quantities=self.config.quantities
                )
                at = seen[name]
                one = jax.tree.map(lambda leaf, at=at: leaf[at], outputs[name])
                part = HEADS[self.config.heads[name].kind or name].answer(one, passage)
                seen[name] += 1
            text += (token if part.words is None else part.words) + after[part.takes :]
            values += part.values
        return Answer(question=question, text=text.strip(), values=tuple(values))

    # --- saving

    def save(self, folder: str | Path) -> None:
        """Writes processor.json and tokenizer/."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "processor.json").write_text(json.dumps(to_json(self.config), indent=1) + "\n", encoding="utf-8")
        self.text.save(folder / "tokenizer")

    @classmethod
    def load(cls, folder: str | Path) -> "Processor":
        """Reads what `save` wrote."""
        path = Path(folder) / "processor.json"
        data = read_json(path, "Copy the checkpoint folder again.")
        format = data.get("format", 1) if isinstance(data, dict) else 1
        if not isinstance(format, int) or format > FORMAT:
            raise UserError(f"{path}: format {str(format)[:60]}, expected up to {FORMAT}. Update rsfm.")
        config = from_json(ProcessorConfig, upgraded(data, format), where=str(path))
        check_bounds(config, str(path))
        return cls(config, TextTokenizer.load(Path(folder) / "tokenizer"))

    # --- parts

    def _read(self, question: str, said: str) -> Answer:
        """An answer whose numbers are written out."""
        asked = named_in(self.config.quantities, f"{question} {said}")
        if not asked:
            return Answer(question=question, text=said.strip())
        try:
            number = read_number(said, asked[0].unit)
        except UserError as error:
            return Answer(question=question, text=said.strip(), notes=(str(error),))
        value = Value(name=asked[0].name, value=number, unit=asked[0].unit)
        return Answer(question=question, text=said.strip(), values=(value,))

    def _interleave(self, record: Record, turns: Turns) -> Interleaved:
        """The turns with the record's images told, and placed where they stand in the text."""
        return interleave(self.config, record, turns, self.stream, lambda text: len(self.text.encode_literal(text)))

    def _assemble(
        self,
        record: Record,
        ids: list[int],
        learn: list[bool],
        targets: dict[str, Any],
        length: int,
        told: Interleaved,
        system: str = "",
    ) -> Sample:
        told.check_length(len(ids), length, record.id)
        fill = length - len(ids)
        asked = [system, *(question for question, _ in told.turns)]
        numbers = self.text.numbers(ids, learn, asked) if isinstance(self.text, NumericText) else None
        places = told.places(ids, learn, self.text.special[IMAGE])
        where = record.location_deg or (np.nan, np.nan)
        return Sample(
            observations=self.observations(record),
            location_deg=np.asarray(where, np.float32),
            text_ids=np.asarray(ids + [self.text.special["<pad>"]] * fill, np.int32),
            text_valid=np.arange(length) < len(ids),
            loss_mask=np.asarray(learn + [False] * fill),
            targets=targets,
            text_numbers=None if numbers is None else np.pad(numbers, (0, fill), constant_values=np.nan),
            text_images=None if places is None else np.pad(places, (0, fill), constant_values=-1),
        )

    def _positions(self, ids: list[int], name: str, learn: list[bool] | None = None) -> np.ndarray:
        """Where a head's token stands; with `learn` only in answers, as <value> stands for a number in questions, too."""
        head = self.config.heads[name]
        token = HEADS[head.kind or name].token
        at = [i for i, index in enumerate(ids) if index == self.text.special[token] and (learn is None or learn[i])]
        if len(at) > head.slots:
            raise UserError(f"The text holds {len(at)} {token} tokens; this checkpoint reads at most {head.slots}.")
        return np.asarray(at + [-1] * (head.slots - len(at)), np.int32)

    def _targets(
        self, ids: list[int], learn: list[bool], record: Record, dialogue: Dialogue
    ) -> dict[str, dict[str, np.ndarray]]:
        """What the dialogue teaches each head; one without turns teaches none."""
        if not dialogue.turns:
            return {}
        words = " ".join(f"{q} {a}" for q, a in dialogue.turns)
        targets: dict[str, dict[str, np.ndarray]] = {}
        for name, slots in self.config.heads.items():
            kind = HEADS[slots.kind or name]
            position = self._positions(ids, name, learn)
            fit = Fit(
                quantities=self.config.quantities,
                size=self.stream_size(record) if kind.dense and self._has_pixels(record) else 0,
                words=words,
            )
            spans = dialogue.of(kind.token)[: int((position >= 0).sum())]  # what is written out has no token
            own = kind.targets(spans, record, fit, slots.slots)
            if own:
                targets[name] = {"position": position, **own}
        return targets

    def _has_pixels(self, record: Record) -> bool:
        return any(np.shape(each.values)[-2] > 1 for each in record.observations.values())

    def _reads(self) -> str:
        return "; ".join(
            f"{name} ({', '.join(spec.families)}, {spec.size} px)" for name, spec in self.config.streams.items()
        )
