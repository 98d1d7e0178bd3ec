"""One scene asked several questions: each legend is mapped once, and everything about its classes reads that map."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from rsfm.answer import dates, declined, readings
from rsfm.answer.boxes import boxed
from rsfm.answer.footprint import Footprint, as_footprint
from rsfm.answer.likelihood import log_likelihoods, probabilities
from rsfm.answer.maps import joined
from rsfm.answer.regions import of_one_legend, subjects_opened, tokens_opened, without_tokens
from rsfm.answer.windows import plan_head
from rsfm.answer.words import answer_records, whole
from rsfm.data.reading.scene import Scene
from rsfm.heads import HEADS, Canvas
from rsfm.models.foundation import FoundationModel
from rsfm.models.generate import Sampling
from rsfm.processor import Asked, Plan, Processor, View, view_of
from rsfm.processor.asked import about
from rsfm.processor.calibration import Gate, MapCalibration
from rsfm.processor.plan import assumed, ground_plan, read
from rsfm.quantities import check_question
from rsfm.tasks import TASKS
from rsfm.tasks.change import check_acquisitions
from rsfm.tasks.counting import QUESTIONS as COUNT_QUESTIONS
from rsfm.tasks.dialogue import plural
from rsfm.tasks.forecasting import check_series
from rsfm.tasks.regression import QUESTIONS as VALUE_QUESTIONS
from rsfm.text import forms
from rsfm.text.chat import IMAGE
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
        self._joined: dict[Plan, tuple[Any, Canvas]] = {}
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
        if self.plan(asked) is not None:
            readings.check_form(asked.kind, form, question)

    def answer(self, asked: Asked, question: str, *, form: str = "", max_new_tokens: int = 64) -> Answer:
        """The answer to what was asked."""
        if not asked.taught:
            return self.decline(asked, question)
        plan = self.plan(asked)
        if plan is not None:
            readings.check_form(asked.kind, form, question)
            made = self._on_ground(asked, plan, question)
        else:
            made = self._in_words(asked, question, form, max_new_tokens)
        if asked.left_out:
            line = f"{self.name} was not taught {', '.join(asked.left_out)}: no pixel is given to it"
            made = dataclasses.replace(made, notes=(*made.notes, line))
        made = self.trusted(dataclasses.replace(made, question=question))
        return readings.formed(made, asked.kind, form)

    def trusted(self, answer: Answer) -> Answer:
        """The answer on the scene's grid with the regions it names, without intervals that were not measured and numbers that
        cannot be."""
        answer = self._with_ground(answer)
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

    def plan(self, asked: Asked) -> Plan | None:
        """The turn that the scene's windows are asked; None where words answer."""
        return ground_plan(self.processor.config, asked)

    def spoken(self, asked: Asked) -> str:
        """The turn of a conversation that shows on the ground what was asked, as the decoder writes it; "" for any other answer."""
        task: Any = None if asked.entry is None else TASKS.get(asked.entry.task)
        if asked.kind in readings.READINGS or asked.entry is None or not asked.taught or self.plan(asked) is None:
            return ""
        wanted = asked.subjects or asked.entry.subjects
        answer: str = task.plan(wanted, wanted, self.processor.config.quantities).answer
        return answer

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

    def detect(self, names: Sequence[str]) -> Answer:
        """The things of some classes, each in a box of its own."""
        return self.answer(
            about("boxes", names, self.known, self.view), f"Mark the {' and the '.join(map(plural, names))}."
        )

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

    def joined(self, plan: Plan) -> tuple[Any, Canvas]:
        """What the plan's head makes of this scene, as one map a legend, and the canvas; made when it is first needed."""
        if plan not in self._joined:
            options = {"probability": self._probability, **self._options}
            self._joined[plan] = joined(self.model, self.processor, self.footprint, plan, **options)
        return self._joined[plan]

    # --- parts

    def _on_ground(self, asked: Asked, plan: Plan, question: str) -> Answer:
        """What is read from the scene's windows at its own resolution."""
        assert asked.entry is not None
        if asked.entry.task == "detection":
            return boxed(
                asked.kind, asked.subjects, lambda name: self._boxes(dataclasses.replace(asked, subjects=(name,)))
            )
        if plan.compares:
            check_acquisitions(question, self._corner)
        found, canvas = self.joined(plan)
        reading = readings.READINGS.get(asked.kind)
        if reading is not None:
            trust = self.processor.config.maps.get(asked.entry.name, MapCalibration(places=0))
            return reading(found, asked.subjects or canvas.subjects, trust)
        _, kind = plan_head(self.processor, plan)
        return kind.placed(Answer(question=question, text=""), found, canvas, asked.subjects)

    def _boxes(self, asked: Asked) -> tuple[Any, Canvas]:
        """The boxes of one class of this scene, asked for alone, so that every question about it gets the same."""
        plan = self.plan(asked)
        assert plan is not None
        return self.joined(plan)

    def _with_ground(self, answer: Answer) -> Answer:
        """The answer with what its decoder opened on the ground, read from the scene's windows."""
        said = answer.text
        answer = dataclasses.replace(answer, text=without_tokens(said))
        for token in tokens_opened(said):
            plan, subjects = self._plan_opened(answer.question, said, token)
            if plan is not None:
                found, canvas = self.joined(plan)
                answer = plan_head(self.processor, plan)[1].placed(answer, found, canvas, subjects)
        return answer

    def _plan_opened(self, question: str, said: str, token: str) -> tuple[Plan | None, tuple[str, ...]]:
        """The turn that shows what a token of an answer opened, and which of its subjects the answer names."""
        name = self.processor.config.head(token)
        if not name:
            return None, ()
        if not HEADS[self.processor.config.heads[name].kind or name].named:
            rest = tuple(other for other in tokens_opened(said) if other != token)
            return Plan(legend=(), asked=question, answer=without_tokens(said, rest)), ()
        asked = of_one_legend(subjects_opened(said, token, self.known, self.view))
        return (None, ()) if asked is None else (self.plan(asked), asked.subjects)

    def _in_words(self, asked: Asked, question: str, form: str, max_new_tokens: int) -> Answer:
        if asked.kind in ("presence", "identity"):
            return self._listed(asked, question, form, max_new_tokens)
        said = question if form or IMAGE in question else self._wording(asked, question)
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
