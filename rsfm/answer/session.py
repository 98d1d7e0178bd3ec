"""One scene asked several questions: each legend is mapped once, and everything about its classes reads that map."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rsfm.answer import dates, declined, readings
from rsfm.answer.footprint import Footprint, as_footprint
from rsfm.answer.likelihood import log_likelihoods, probabilities
from rsfm.answer.maps import SceneMap, map_rows, scene_map
from rsfm.answer.regions import classes_opened, of_one_legend
from rsfm.answer.words import answer_records, whole
from rsfm.data.reading.scene import Scene
from rsfm.models.foundation import FoundationModel
from rsfm.models.generate import Sampling
from rsfm.processor import Asked, Plan, Processor, View, view_of
from rsfm.processor.asked import LEGENDS, about
from rsfm.processor.calibration import Gate, MapCalibration
from rsfm.processor.plan import assumed, legend_plan, quantity_plan, read
from rsfm.quantities import check_question
from rsfm.tasks import TASKS
from rsfm.tasks.change import check_acquisitions
from rsfm.tasks.counting import QUESTIONS as COUNT_QUESTIONS
from rsfm.tasks.dialogue import plural
from rsfm.tasks.forecasting import check_series
from rsfm.tasks.regression import QUESTIONS as VALUE_QUESTIONS
from rsfm.text import forms
from rsfm.text.questions import plain
from rsfm.types import Answer, Record


class Session:
    """Questions about one scene.

    Attributes:
        footprint: what they are about.
        view: its sensors, pixel size and kind.
        compact: the processor, with small windows where a long series would not fit otherwise.

    >>> session = Session(loaded.model, loaded.processor, footprint)
    >>> session.ask("Map the water.").mask, session.ask("How many hectares of water are there?").values
    """

    def __init__(
        self,
        model: FoundationModel,
        processor: Processor,
        source: Footprint | Scene | Record,
        *,
        name: str = "this checkpoint",
        overlap: float = 0.25,
        batch_size: int = 16,
        probability: bool = False,
        progress: bool = False,
        sampling: Sampling | None = None,
    ):
        """Reads a corner of the scene, no more.

        Args:
            model: weights.
            processor: of the same checkpoint.
            source: scene, scenes on one grid, or record.
            name: of the checkpoint, for people.
            overlap: least share of a window's edge that neighbours have in common.
            batch_size: most windows to run at once.
            probability: keep the maps' class probabilities, 4 bytes a pixel and class.
            progress: show a bar on stderr.
            sampling: how the tokens of answers in words are chosen; None = the likeliest.
        """
        self._sampling = sampling
        self.model, self.processor, self.footprint, self.name = model, processor, as_footprint(source), name
        self._corner = self.footprint.read((0, 0, 1, 1))
        view = view_of(self._corner)
        self.view: View = dataclasses.replace(view, series=self.footprint.height == self.footprint.width == 1)
        self._options: dict[str, Any] = {"overlap": overlap, "batch_size": batch_size, "progress": progress}
        self._probability, self._thinned = probability, tuple[str, ...]()
        self._maps: dict[tuple[str, ...], SceneMap] = {}
        edge = max(self.footprint.height, self.footprint.width)
        self.compact = dates.bucketed(processor, self.footprint.read((0, 0, min(edge, 2), min(edge, 2))), edge)

    # --- asking

    def asked(self, question: str) -> Asked:
        """What a question asks for, before anything is computed."""
        return read(self.processor.config, question, self.view)

    def ask(self, question: str, *, form: str = "", max_new_tokens: int = 64) -> Answer:
        """Answers a question in words, or says in one line why not.

        Args:
            question: in any words.
            form: what an answer in words may look like, see rsfm.text.forms.form.
            max_new_tokens: longest answer in tokens.

        Raises:
            UserError: images or dates that do not carry the question; a form that does not fit it.
        """
        question = plain(question)
        if form:
            forms.form(form)
        check_series(question, self._corner)
        check_question(self.processor.config.quantities, question)
        return self.answer(self.asked(question), question, form=form, max_new_tokens=max_new_tokens)

    def check_form(self, question: str, form: str) -> None:
        """Raises UserError for a form that the answer to a question cannot have, before anything is computed."""
        asked = self.asked(question)
        if from_map(asked):
            readings.check_form(asked.kind, form, question)

    def answer(self, asked: Asked, question: str, *, form: str = "", max_new_tokens: int = 64) -> Answer:
        """The answer to what was asked."""
        if not asked.taught:
            return self.decline(asked, question)
        if from_map(asked):
            readings.check_form(asked.kind, form, question)
            made = self._from_map(asked, question)
        else:
            made = self._in_words(asked, question, form, max_new_tokens)
        made = self.trusted(dataclasses.replace(made, question=question))
        return readings.formed(made, asked.kind, form)

    def trusted(self, answer: Answer) -> Answer:
        """The answer on the scene's grid with the regions it names, without intervals that were not measured and numbers that
        cannot be."""
        answer = self._with_regions(answer)
        answer = readings.checked(answer, self.processor.config.quantities, self.whole_ha, self.name)
        notes = tuple(dict.fromkeys((*answer.notes, *self._thinned, *self.footprint.notes)))
        return dataclasses.replace(answer, grid=self.footprint.grid, notes=notes)

    def decline(self, asked: Asked, question: str) -> Answer:
        """The line that says what was not taught."""
        line = declined.reason(self.name, asked, self.known, self.view)
        return Answer(
            question=question,
            text=line,
            declined=True,
            confidence=0.0,
            grid=self.footprint.grid,
            notes=self.footprint.notes,
        )

    # --- typed calls

    def map(self, classes: Sequence[str] = ()) -> Answer:
        """The map of some classes, or of the whole legend of these sensors."""
        question = f"Map the {', '.join(classes) or 'land cover'}."
        return self.answer(about("map", classes, self.known, self.view), question)

    def change(self) -> Answer:
        """What changed between the dates of the scene: whether, how much, and where."""
        return self.answer(about("change", (), self.known, self.view), "Map the change.")

    def estimate(self, quantity: str) -> Answer:
        """One number for the scene, or the map of it where the checkpoint has one."""
        mapped = about("map", (quantity,), self.known, self.view)
        asked = mapped if mapped.kind == "value map" else about("value", (quantity,), self.known, self.view)
        return self.answer(asked, f"What is the {quantity}?")

    def describe(self) -> Answer:
        """The scene in a sentence."""
        return self.answer(about("caption", (), self.known, self.view), "Describe the image.")

    # --- what is known

    @functools.cached_property
    def known(self) -> tuple[Any, ...]:
        """What the checkpoint was taught, or is taken to know where it does not say."""
        config = self.processor.config
        return config.taught or assumed(config, self.view)

    @functools.cached_property
    def record(self) -> Record:
        """The footprint as the model sees it whole; of a long series as many dates as go together."""
        record, self._thinned = dates.thinned(self.compact, whole(self.compact, self.footprint))
        return record

    @functools.cached_property
    def whole_ha(self) -> float:
        """Ground area of the footprint in hectares; NaN where it is unknown."""
        return readings.ground_ha(self.footprint)

    def scene_map(self, legend: tuple[str, ...], of_change: bool = False) -> SceneMap:
        """The one map of this scene for a legend; made when it is first needed."""
        if legend not in self._maps:
            plan = legend_plan(self.processor.config, legend, of_change=of_change)
            self._maps[legend] = scene_map(
                self.model, self.processor, self.footprint, plan, probability=self._probability, **self._options
            )
        return self._maps[legend]

    # --- parts

    def _from_map(self, asked: Asked, question: str) -> Answer:
        assert asked.entry is not None
        if asked.kind == "value map":
            plan: Plan = quantity_plan(self.processor.config, asked.subjects[0])
            rows = map_rows(self.model, self.processor, self.footprint, plan, **self._options)
            assert plan.quantity is not None
            return readings.value_map(self.footprint, question, plan.quantity, rows)
        of_change = asked.entry.task == "change"
        if of_change:
            check_acquisitions(question, self._corner)
        found = self.scene_map(asked.entry.subjects, of_change)
        trust = self.processor.config.maps.get(asked.entry.name, MapCalibration(places=0))
        kind = "change" if of_change and asked.kind == "map" else asked.kind
        reading: Callable[..., Answer] = readings.READINGS[kind]
        return reading(found, asked.subjects or found.legend, trust)

    def _with_regions(self, answer: Answer) -> Answer:
        """The answer with the regions that its decoder opened, read from the scene's map of their legend."""
        text, opened = classes_opened(answer.text, self.known, self.view)
        asked = of_one_legend(opened)
        if asked is None or asked.entry is None:
            return dataclasses.replace(answer, text=text)
        mask, probability = self.scene_map(asked.entry.subjects, asked.entry.task == "change").of(asked.subjects)
        return dataclasses.replace(answer, text=text, mask=mask, probability=probability)

    def _in_words(self, asked: Asked, question: str, form: str, max_new_tokens: int) -> Answer:
        if asked.kind in ("presence", "identity"):
            return self._listed(asked, question, form, max_new_tokens)
        said = question if form or "<image>" in question else self._wording(asked, question)
        answer = self._write(said, form, max_new_tokens)
        gate = self.processor.config.gates.get("scene")
        return self._gated(asked, answer, gate) if asked.kind == "scene" and gate and not form else answer

    def _wording(self, asked: Asked, question: str) -> str:
        """The question as in training: an answer must not hang on its wording."""
        if asked.kind == "count" and asked.subjects:
            return COUNT_QUESTIONS[0].format(names=plural(asked.subjects[0]))
        if asked.kind == "value" and asked.subjects:
            return VALUE_QUESTIONS[0].format(name=asked.subjects[0])
        if asked.kind in ("scene", "tags") and self.processor.config.taught:
            assert asked.entry is not None
            return TASKS[asked.entry.task].question(self.record)
        return question

    def _write(self, question: str, form: str, max_new_tokens: int) -> Answer:
        options: dict[str, Any] = {"max_new_tokens": max_new_tokens, "form": form, "sampling": self._sampling}
        return answer_records(self.model, self.compact, [self.record], [question], **options)[0]

    def scene_probabilities(self, names: tuple[str, ...], gate: Gate) -> np.ndarray:
        """Probability of each name, among all of them."""
        asked = TASKS["scene"].question(self.record)
        answers = tuple(f"{name} ." for name in names)
        return probabilities(log_likelihoods(self.model, self.compact, self.record, asked, answers), gate.temperature)

    def _listed(self, asked: Asked, question: str, form: str, max_new_tokens: int) -> Answer:
        """Yes or no by the model's own scene or list of classes."""
        assert asked.entry is not None
        if asked.entry.task == "multilabel":
            listed = self._write(self._wording(dataclasses.replace(asked, kind="tags"), question), "", max_new_tokens)
            return readings.in_list(listed.text, asked.subjects)
        gate = self.processor.config.gates.get("scene", Gate())
        names = asked.entry.subjects
        chances = dict(zip(names, self.scene_probabilities(names, gate).tolist(), strict=True))
        return readings.of_scene(chances, asked.subjects, gate)

    def _gated(self, asked: Asked, answer: Answer, gate: Gate) -> Answer:
        """The scene's name where it is likelier right than wrong, else the two likeliest as a guess."""
        assert asked.entry is not None
        names = asked.entry.subjects
        chances = self.scene_probabilities(names, gate)
        said = answer.text.strip(" .").lower()
        confidence = float(chances[names.index(said)]) if said in names else 0.0
        if confidence >= gate.least:
            return dataclasses.replace(answer, confidence=confidence)
        first, second = np.argsort(-chances)[:2]
        line = f"{self.name} is not sure: {names[first]} ({100 * chances[first]:.0f} %) or {names[second]} ({100 * chances[second]:.0f} %)."
        return dataclasses.replace(answer, text=line, declined=True, confidence=confidence)


def from_map(asked: Asked) -> bool:
    """Whether a map answers: what was taught pixel by pixel is read pixel by pixel."""
    return asked.entry is not None and asked.entry.task in (*LEGENDS, "value_map")
