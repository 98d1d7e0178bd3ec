"""A published land-cover model as a checkpoint that is asked like any other: maps and areas, in its own or another legend.

m classes of the model · k asked classes and the rest · h w pixels
"""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from rsfm.answer import readings
from rsfm.answer.footprint import Footprint, open_source
from rsfm.answer.windows import canvas, read_windows
from rsfm.errors import UserError
from rsfm.heads import HEADS
from rsfm.heads.mask.scene import MapRows, collected
from rsfm.heads.scene import Canvas, Tiling, strips
from rsfm.models.published import dynamic_world
from rsfm.models.published.dynamic_world import LEGEND, PICTURES, WINDOW, DynamicWorld
from rsfm.processor import Asked, Plan, ProcessorConfig, View
from rsfm.processor.calibration import MapCalibration
from rsfm.processor.config import HeadSlots
from rsfm.processor.plan import legend_plan, read
from rsfm.types import Answer, Record

QUESTIONS = ProcessorConfig(
    streams={},
    legends={"land cover": LEGEND},
    heads={name: HeadSlots(slots=64) for name, kind in HEADS.items() if kind.named},  # names a question may hold
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LandCover:
    """Dynamic World with the questions it answers.

    >>> rsfm.load("dynamic_world").predict("S2_L1C.tif", "Map the land cover.")

    Attributes:
        name: of the checkpoint, for people.
        model: the network.
    """

    name: str
    model: DynamicWorld

    @classmethod
    def read(cls, folder: Path, config: Any) -> "LandCover":
        """From a checkpoint folder and the JSON under "model" in its config.json."""
        return cls(name=folder.name, model=dynamic_world.read_dynamic_world(folder, config))

    def plan(self, question: str) -> Plan:
        """The map a question asks for; UserError where it asks for none."""
        asked = self.asked(question)
        return legend_plan(QUESTIONS, asked.subjects or LEGEND)

    def asked(self, question: str) -> Asked:
        """What a question asks for; UserError where no map answers it."""
        asked = read(QUESTIONS, question, View(sensors=(("sentinel2_l1c", 10.0),)))
        if asked.entry is None or asked.entry.task != "segmentation":
            raise UserError(
                f"{self.name} answers by maps of land cover only, and '{question}' asks for none. "
                'Ask "Map the land cover.", "Map the water." or "How many hectares of trees are there?"'
            )
        return asked

    def session(self, source: Any, **options: Any) -> "LandCoverSession":
        """A scene that is asked several questions."""
        return LandCoverSession(self, source, options)

    def predict(
        self,
        source: Any,
        question: str,
        *,
        sensor: str | None = None,
        dates: Sequence[str] | None = None,
        overlap: float = 0.25,
        batch_size: int = PICTURES,
        max_new_tokens: int = 0,
        probability: bool = False,
        progress: bool = False,
        form: str = "",
        **how: Any,
    ) -> Answer:
        """Asks for a map, or for the area of a class in it.

        Args:
            source: as of `rsfm.pretrained.Pretrained.predict`.
            question: "Map the land cover.", with or without names of classes, or "How many hectares of water are there?"
            sensor, dates: as there.
            overlap: least share of a window's edge that neighbours have in common.
            batch_size: most windows to run at once.
            max_new_tokens: of answers in words, which there are none of.
            probability: keep the map's class probabilities.
            progress: show a bar on stderr.
            form: of answers in words; a UserError.
            how: of `rsfm.answer.footprint.open_footprint`, what the files' numbers and bands are: unit, bands, ...
        """
        if form:
            raise UserError(f"form '{form}' binds answers in words, and {self.name} answers by maps. Leave it out.")
        footprint = open_source(source, sensor=sensor, dates=dates, **how)
        made = self.plan(question)
        notes = (*dynamic_world.readable(footprint.read((0, 0, 1, 1)))[1], *self._unknown(made))
        found = self.rows(footprint, made, overlap=overlap, batch_size=batch_size, progress=progress)
        whole = collected(found, _canvas(footprint, made, overlap, probability=probability))
        answer = readings.read_map(self.asked(question).kind, whole, made.legend, MapCalibration(places=0))
        notes = (*footprint.notes, *notes)
        return dataclasses.replace(answer, question=question, grid=footprint.grid, notes=notes)

    def rows(
        self,
        footprint: Footprint,
        made: Plan,
        *,
        overlap: float = 0.25,
        batch_size: int = PICTURES,
        progress: bool = False,
    ) -> Iterator[MapRows]:
        """The map of a footprint of any size, some rows at a time; a pixel is of the class that is likeliest among all."""
        tiling = _canvas(footprint, made, overlap).tiling
        asked = dynamic_world.meanings(made.legend)[0]
        groups = [*asked.values()]
        groups += [(i,) for i in range(len(LEGEND)) if not any(i in group for group in groups)]
        belongs = np.array([[i in group for group in groups] for i in range(len(LEGEND))], np.float32)
        dates = max(len(each.time_days) for each in footprint.read((0, 0, 1, 1)).observations.values())
        at_once = min(PICTURES, tiling.batch_size(batch_size) * dates)

        def chances(windows: list[Record]) -> list[Float[np.ndarray, "k h w"]]:
            each = dynamic_world.probabilities(self.model, windows, batch_size=at_once)
            return list(np.moveaxis(each @ belongs, -1, 1))

        options: dict[str, Any] = {"batch_size": batch_size, "progress": progress}
        windows = read_windows(footprint, tiling, chances, prepare=_readable, **options)
        for strip in strips(windows, tiling, len(groups)):
            valid, index = strip.valid & (strip.values.sum(0) > 0), strip.values.argmax(0)
            index = np.where(valid & (index < len(asked)), index, -1).astype(np.int16)
            rest, named = strip.values[len(asked) :].sum(0, keepdims=True), strip.values[: len(asked)]
            yield MapRows(first=strip.first, class_index=index, probability=np.concatenate([rest, named]), valid=valid)

    def _unknown(self, made: Plan) -> list[str]:
        """A note on asked classes that the model does not know; UserError where it knows none."""
        _, unknown = dynamic_world.meanings(made.legend)
        if len(unknown) == len(made.legend):
            raise UserError(f"{self.name} has no {', '.join(unknown)}. Its classes: {', '.join(LEGEND)}.")
        return [f"{self.name} has no {', '.join(unknown)}: no pixel is given to it"] if unknown else []


@dataclasses.dataclass(frozen=True)
class LandCoverSession:
    """Questions about one scene.

    Attributes:
        checkpoint: which answers.
        source: the scene.
        options: of `LandCover.predict`.
    """

    checkpoint: LandCover
    source: Any
    options: dict[str, Any]

    def asked(self, question: str) -> Asked:
        """What a question asks for; UserError where no map answers it."""
        return self.checkpoint.asked(question)

    def ask(self, question: str, **options: Any) -> Answer:
        """The answer to one question."""
        return self.checkpoint.predict(self.source, question, **{**self.options, **options})

    def check_form(self, question: str, form: str) -> None:
        """Raises UserError: there are no answers in words."""
        raise UserError(f"--form binds answers in words, and '{question}' is answered by a map. Ask it without --form.")


def _canvas(footprint: Footprint, made: Plan, overlap: float, *, probability: bool = False) -> Canvas:
    size = max(2, min(WINDOW, max(footprint.height, footprint.width)))
    tiling = Tiling(height=footprint.height, width=footprint.width, size=size, overlap=overlap)
    return canvas(footprint, tiling, made, probability=probability)


def _readable(record: Record) -> Record:
    return dynamic_world.readable(record)[0]
