"""The one border between physical units and normalized arrays: Record -> Sample, predictions -> Answer.

t acquisitions · h w pixels · c bands · s text length · v values · m masks
"""

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rsfm.config import from_json, to_json
from rsfm.data.training.normalize import normalize
from rsfm.errors import UserError, lookup
from rsfm.heads.value import distribution
from rsfm.processor.asked import Asked
from rsfm.processor.config import FORMAT, ProcessorConfig
from rsfm.processor.fitting import fit, fit_mask, possible_slots
from rsfm.processor.interleave import Interleaved, Turns, interleave, told_images
from rsfm.processor.plan import read
from rsfm.processor.taught import view_of
from rsfm.quantities import Quantity, check_question, check_unit, digits, find, interval, read_number
from rsfm.quantities import text as value_text
from rsfm.sensors import SENSORS
from rsfm.tasks.dialogue import MASK, VALUE, Dialogue
from rsfm.text.chat import IMAGE
from rsfm.text.numeric import NumericText
from rsfm.text.tokenizer import TextTokenizer
from rsfm.types import Answer, Observation, Predictions, Record, Sample, Value

_UNIT = re.compile(re.escape(VALUE) + r"\s*(?P<unit>%|ha\b|[A-Za-z]+(?:/[A-Za-z]+)*)?")


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
        """A training sample: the whole conversation, with the targets of its `<value>` and `<mask>` tokens."""
        turns = self._written(dialogue) if self.config.numbers_written else dialogue.turns
        read = record if dialogue.mask is None else self.for_map(record)
        told = self._interleave(read, turns)
        ids, learn = self.text.chat(told.turns)
        targets = self._value_targets(ids, learn, dialogue.values, " ".join(f"{q} {a}" for q, a in dialogue.turns))
        if record.mask is not None or record.value_map is not None:
            targets |= self._mask_targets(ids, record, dialogue)
        return self._assemble(read, ids, learn, targets, told.length(text_length), told)

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
        masks = self._positions(ids, MASK, self.config.max_masks, last)
        targets = {"value_position": self._positions(ids, VALUE, self.config.max_values, last)} if answer else {}
        targets |= {"mask_position": masks} if (masks >= 0).any() else {}
        lengths = [told.length(n) for n in sorted(self.config.text_lengths)]
        length = next((n for n in lengths if n >= len(ids)), lengths[-1])
        return self._assemble(record, ids, learn, targets, length, told, system)

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
        for sensor, observation in record.observations.items():
            stream = self.stream(sensor, observation)
            if stream in out:
                raise UserError(
                    f"{record.id}: two sensors feed the stream '{stream}'; the second is {sensor}. Ask of one at a time."
                )
            values = normalize(sensor, observation, self.config.statistics)
            out[stream] = fit(dataclasses.replace(observation, values=values), self.config.streams[stream], sensor)
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
        family = lookup(SENSORS, "sensor", sensor).family
        pixel = np.shape(observation.values)[-3:-1] == (1, 1)
        for name, spec in self.config.streams.items():
            if family in spec.families and (spec.size == 1) == pixel:
                return name
        kind = "pixel series" if pixel else "pictures"
        raise UserError(f"{sensor}: this checkpoint reads no {kind} of {family} sensors. Its streams: {self._reads()}.")

    def stream_size(self, record: Record) -> int:
        """Window edge in pixels for a record's sensors: that of its spatial streams."""
        families = {lookup(SENSORS, "sensor", name).family for name in record.observations}
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

    def decode(self, question: str, said: str, predictions: Predictions) -> Answer:
        """Puts the value head's numbers, in their units and with 90 % intervals, where the text says `<value>`.

        Where numbers are written out they are read from the text instead, and have no interval; a text without a number
        in the unit of the quantity asked for is told of in the notes.

        Args:
            question: as asked.
            said: the answer's text with its special tokens.
            predictions: of the sample `prompt(record, question, said)`, without batch axis.
        """
        outputs = predictions.outputs
        values: list[Value] = []
        if self.config.numbers_written:
            return self._read(question, said)

        def number(match: re.Match) -> str:
            index = len(values)
            if "value_mean" not in outputs or index >= len(outputs["value_mean"]):
                return match[0]
            unit = match["unit"] if match["unit"] in {q.unit for q in self.config.quantities} else ""
            quantity = find(self.config.quantities, f"{question} {said}", unit or "")
            name = quantity.name or _subject(said)
            one = {key: x[index] for key, x in outputs.items() if key.startswith("value_")}
            values.append(_physical(quantity, name, one))
            about, between = ("about ", interval(values[-1])) if quantity.trusted else ("", "")
            return about + match[0].replace(VALUE, value_text(values[-1])) + between

        return Answer(question=question, text=_UNIT.sub(number, said).strip(), values=tuple(values))

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
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(
                f"{path}: expected the processor's JSON, found: {error}. Copy the checkpoint folder again."
            ) from error
        config = from_json(ProcessorConfig, data, where=str(path))
        if config.format > FORMAT:
            raise UserError(f"{path}: format {config.format}, this version of rsfm reads up to {FORMAT}. Update rsfm.")
        return cls(config, TextTokenizer.load(Path(folder) / "tokenizer"))

    # --- parts

    def _written(self, dialogue: Dialogue) -> tuple[tuple[str, str], ...]:
        """The turns with numbers in place of their <value> tokens."""
        numbers = iter([digits(value.value, value.unit) for value in dialogue.values])
        return tuple(
            (question, re.sub(re.escape(VALUE), lambda _: next(numbers), answer)) for question, answer in dialogue.turns
        )

    def _read(self, question: str, said: str) -> Answer:
        """An answer whose numbers are written out."""
        asked = [q for q in self.config.quantities if q.name and q.name in f"{question} {said}".lower()]
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

    def _positions(self, ids: list[int], token: str, slots: int, learn: list[bool] | None = None) -> np.ndarray:
        """Where the token stands; with `learn` only in answers, as <value> stands for a number in questions, too."""
        at = [i for i, index in enumerate(ids) if index == self.text.special[token] and (learn is None or learn[i])]
        if len(at) > slots:
            raise UserError(f"The text holds {len(at)} {token} tokens; this checkpoint reads at most {slots}.")
        return np.asarray(at + [-1] * (slots - len(at)), np.int32)

    def _value_targets(
        self, ids: list[int], learn: list[bool], values: tuple[Value, ...], words: str
    ) -> dict[str, np.ndarray]:
        position = self._positions(ids, VALUE, self.config.max_values, learn)
        target = np.zeros(self.config.max_values, np.float32)
        for i, value in enumerate(values[: int((position >= 0).sum())]):
            check_unit(self.config.quantities, value.name, value.unit)
            target[i] = find(self.config.quantities, f"{value.name} {words}", value.unit).standardize(value.value)
        return {"value_position": position, "value": target}

    def _mask_targets(self, ids: list[int], record: Record, dialogue: Dialogue) -> dict[str, np.ndarray]:
        size = self.stream_size(record)
        mask = dialogue.mask
        if mask is None:
            target = np.zeros((size, size), np.int32)
        else:
            target = fit_mask(possible_slots(mask), size)
        return {"mask_position": self._positions(ids, MASK, self.config.max_masks), "mask": target}

    def _reads(self) -> str:
        return "; ".join(
            f"{name} ({', '.join(spec.families)}, {spec.size} px)" for name, spec in self.config.streams.items()
        )


def _physical(quantity: Quantity, name: str, outputs: dict[str, Any]) -> Value:
    """One number of the value head with its interval, in the quantity's unit."""
    if "value_scale" in outputs:
        return quantity.value(name, float(outputs["value_mean"]), float(outputs["value_scale"]))
    predicted = distribution(outputs)
    low, middle, high = (float(predicted.quantile(level)) for level in (0.05, 0.5, 0.95))
    return quantity.value_between(name, float(predicted.mean()), low, middle, high)


def _subject(said: str) -> str:
    """What a number counts: "There are <value> ha of water." -> "water"."""
    after = said.split(VALUE, 1)[-1].strip(" .")
    words = re.sub(r"^(ha|%)\s*", "", after)
    return re.sub(r"^of\s+", "", words) or "value"
