"""Where are they, how many, are there any: one reading of the scene answers all, at its own resolution, each thing once."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rsfm.answer import windows
from rsfm.answer.session import Session
from rsfm.models.foundation import FoundationModel
from rsfm.processor import HeadSlots, Processor, ProcessorConfig, Taught
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.text.tokenizer import TextTokenizer
from rsfm.types import Predictions, Record, Sample, StreamSpec

ROOT = Path(__file__).resolve().parents[2]
TEXT = TextTokenizer.load(ROOT / "tokenizers" / "text")
CLASSES = ("plane", "ship")
SHIPS = np.array([(10, 12), (30, 31), (33, 70), (64, 33), (90, 110), (75, 8)])  # rows and columns; some on seams
PLANES = np.array([(50, 50)])


class Spots(FoundationModel):
    """Finds red spots for ships and green ones for planes, by the words of the question: boxes of 6 x 4 pixels."""

    def __init__(self) -> None:
        self.gain = nnx.Param(jnp.float32(12.0))

    def __call__(self, sample: Sample) -> Predictions:
        values, valid = sample.observations["optical"].values[:, 0], sample.observations["optical"].valid[:, 0]
        ship = jnp.isin(sample.text_ids, jnp.asarray(TEXT.encode(" ships"))).sum(1) > jnp.isin(
            sample.text_ids, jnp.asarray(TEXT.encode(" planes"))
        ).sum(1)
        seen = jnp.where(ship[:, None, None], values[..., 0], values[..., 1])
        cells = jnp.where(valid, seen, -jnp.inf).reshape(len(seen), 16, 2, 16, 2).max((2, 4))
        there = valid.reshape(len(seen), 16, 2, 16, 2).any((2, 4))
        ground = jnp.where(there, cells, jnp.inf).min((1, 2), keepdims=True)
        heat = jnp.where(there, self.gain[...] * (cells - ground) - 6.0, -jnp.inf)
        y, x = jnp.meshgrid(jnp.arange(16.0), jnp.arange(16.0), indexing="ij")
        sides = jnp.broadcast_to(jnp.array([jnp.log(24.0) / 2, jnp.log(1.5) / 2, 0.0, 1.0, 0.0]), (16, 16, 5))
        numbers = jnp.concatenate([2 * x[..., None] + 1, 2 * y[..., None] + 1, sides], -1)
        slots = sample.targets["box"]["position"].shape[1]
        outputs = {
            "heat": jnp.repeat(heat[:, None], slots, 1),
            "numbers": jnp.broadcast_to(numbers, (len(seen), slots, 16, 16, 7)),
        }
        return Predictions(text_logits=jnp.zeros((*sample.text_ids.shape, 4)), outputs={"box": outputs}, aux={})


@pytest.fixture(scope="module")
def processor() -> Processor:
    streams = {"optical": StreamSpec(families=("optical",), size=32, bands=3, patch=8)}
    taught = (Taught(task="detection", subjects=CLASSES, sensor="aerial_rgb", gsd_m=(0.3, 0.3)),)
    return Processor(ProcessorConfig(streams=streams, heads={"box": HeadSlots(slots=2)}, taught=taught), TEXT)


@pytest.fixture(scope="module")
def record() -> Record:
    values = np.full((1, 100, 120, 3), 0.2, np.float32)
    for places, band in ((SHIPS, 0), (PLANES, 1)):
        values[0, places[:, 0], places[:, 1], band] = 1.0
    seen = observe(SENSORS["aerial_rgb"], values, time_days=[9000.0], gsd_m=0.3)
    return Record(id="bay", observations={"aerial_rgb": seen})


@pytest.fixture
def session(processor: Processor, record: Record) -> Session:
    return Session(Spots(), processor, record)


def centres(boxes: Any) -> set[tuple[int, int]]:
    return {(int(y) // 2, int(x) // 2) for x, y in boxes.corners.mean(1)}


def test_every_thing_is_found_once_where_it_is(session: Session) -> None:
    answer = session.ask("Where are the ships?")
    assert answer.boxes is not None and set(answer.boxes.labels) == {"ship"}
    assert len(answer.boxes.labels) == len(SHIPS) and answer.text == "There are 6 ships."
    near = np.abs(answer.boxes.corners.mean(1)[:, None, ::-1] - (SHIPS + 0.5)[None]).max(-1)
    assert (near.min(0) <= 1.5).all()


def test_count_presence_boxes_and_typed_calls_agree(session: Session) -> None:
    asked = [session.ask(q) for q in ("How many ships are there?", "Mark the ships.", "Are there any ships?")]
    typed = session.detect(("ship",))
    for answer in (*asked, typed):
        assert answer.boxes is not None and len(answer.boxes.labels) == 6
        assert answer.values[0].value == 6.0 and answer.values[0].name == "ships"
    assert asked[2].text == "Yes: 6 ships."
    assert session.ask("How many ships are there?", form="integer").text == "6"
    both = session.ask("Where are the ships and the planes?")
    assert both.text == "There are 6 ships and 1 plane." and sorted(set(both.boxes.labels)) == ["plane", "ship"]  # type: ignore[union-attr]


def test_the_scene_is_read_once_a_class(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    runs, forward = list[int](), windows.forward
    monkeypatch.setattr(windows, "forward", lambda model, batch: runs.append(1) or forward(model, batch))
    session.ask("Where are the ships?")
    first = len(runs)
    session.ask("How many ships are there?")
    assert len(runs) == first > 0
    session.ask("How many ships and planes are there?")
    assert len(runs) == 2 * first


def test_another_word_is_another_answer_and_an_unknown_one_is_declined(session: Session) -> None:
    assert session.ask("How many planes are there?").values[0].value == 1.0
    declined = session.ask("Where are the cars?")
    assert declined.declined and declined.boxes is None


def test_a_scene_of_one_window_or_less(processor: Processor, record: Record) -> None:
    seen = record.observations["aerial_rgb"]
    small = dataclasses.replace(seen, values=seen.values[:, :20, :26], valid=seen.valid[:, :20, :26])
    answer = Session(Spots(), processor, Record(id="corner", observations={"aerial_rgb": small})).ask("Mark the ships.")
    assert answer.text == "There is 1 ship."


def test_what_holds_no_data_holds_no_box(processor: Processor, record: Record) -> None:
    seen = record.observations["aerial_rgb"]
    valid = seen.valid.copy()
    valid[:, :50] = False
    half = Record(id="half", observations={"aerial_rgb": dataclasses.replace(seen, valid=valid)})
    answer = Session(Spots(), processor, half).ask("How many ships are there?")
    assert answer.values[0].value == float((SHIPS[:, 0] >= 50).sum())


def test_products(session: Session, tmp_path: Path) -> None:
    from rsfm.answer.products import write_products

    answers = [session.ask("Where are the ships?"), session.ask("How many planes are there?")]
    names = write_products(tmp_path, answers, session.footprint, about={})
    assert {"boxes.geojson", "overlay.png", "boxes_2.geojson", "overlay_2.png"} <= set(names)
    told = json.loads((tmp_path / "answer.json").read_text())["answers"][0]
    assert len(told["boxes"]) == 6 and told["values"][0]["value"] == 6.0
    assert len(json.loads((tmp_path / "boxes.geojson").read_text())["features"]) == 6
