"""One scene, one truth: maps, areas, shares and yes or no read one map; what was not taught is declined in one line."""

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from rsfm.answer import maps, session
from rsfm.answer.session import Session
from rsfm.data.training.pipeline import open_records
from rsfm.errors import UserError
from rsfm.models.foundation import FoundationModel
from rsfm.pretrained import Pretrained, load
from rsfm.processor import HeadSlots, Processor, ProcessorConfig, Taught
from rsfm.processor.calibration import WIDEST, MapCalibration, ShareBand, logit
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.text.tokenizer import TextTokenizer
from rsfm.types import Predictions, Record, Sample, StreamSpec

ROOT = Path(__file__).resolve().parents[2]
LEGEND = ("water", "trees", "crops", "snow and ice")
WORDINGS = (
    "Map the {}.",
    "Segment the {}",
    "Where is the {}?",
    "please map {}",
    "Show me where the {} is",
    "Map the land cover: {}.",
)


class Bands(FoundationModel):
    """Four classes by the brightness of the first band; the classes named in the question sway it, as they do nano."""

    def __init__(self) -> None:
        self.steepness = nnx.Param(jnp.float32(40.0))

    def __call__(self, sample: Sample) -> Predictions:
        values = sample.observations["optical"].values[:, 0, :, :, 0]
        asked = (sample.targets["mask"]["position"] >= 0).sum(1)[:, None, None]
        levels = jnp.linspace(-1.0, 1.0, 4)[None, :, None, None] + 0.3 * (asked - 4)[:, None]
        logits = 4 - self.steepness[...] * jnp.square(values[:, None] - levels) / 4
        return Predictions(
            text_logits=jnp.zeros((*sample.text_ids.shape, 4)), outputs={"mask": {"logits": logits}}, aux={}
        )


def taught(sensor: str = "sentinel2_l2a") -> tuple[Taught, ...]:
    return (Taught(task="segmentation", name="land cover", subjects=LEGEND, sensor=sensor, gsd_m=(10.0, 10.0)),)


@pytest.fixture(scope="module")
def processor() -> Processor:
    streams = {"optical": StreamSpec(families=("optical",), size=32, bands=12, patch=8)}
    config = ProcessorConfig(streams=streams, heads={"mask": HeadSlots(slots=4)}, taught=taught())
    return Processor(config, TextTokenizer.load(ROOT / "tokenizers" / "text"))


@pytest.fixture(scope="module")
def record() -> Record:
    ramp = np.linspace(0.02, 0.45, 50 * 40, dtype=np.float32).reshape(1, 50, 40, 1).repeat(3, -1)
    valid = np.ones((1, 50, 40), bool)
    valid[:, :7] = False
    bands = ("B02", "B03", "B04")
    seen = observe(SENSORS["sentinel2_l2a"], ramp, valid=valid, time_days=[9000.0], gsd_m=10.0, bands=bands)
    return Record(id="ramp", observations={"sentinel2_l2a": seen})


def pixels(answer, name: str) -> np.ndarray:
    assert answer.mask is not None, answer.text
    return answer.mask.class_index == answer.mask.legend.index(name)


def agree(asked: Session, legend: tuple[str, ...], subsets: list[tuple[str, ...]]) -> None:
    """Every class has the same pixels, area, share and yes or no, whatever else is named and however."""
    whole = asked.ask("Map the land cover.")
    assert whole.mask is not None and whole.mask.legend == legend
    size, ground = whole.mask.class_index.size, asked.whole_ha
    for number, subset in enumerate(subsets):
        part = asked.ask(WORDINGS[number % len(WORDINGS)].format(", ".join(subset)))
        for name in subset:
            np.testing.assert_array_equal(pixels(part, name), pixels(whole, name), err_msg=f"{name} in {subset}")
    for name in legend:
        share = pixels(whole, name).mean()
        hectares = asked.ask(f"How many hectares of {name} are there?").values[0]
        assert hectares.value == pytest.approx(
            share * ground, rel=1e-4, abs=1e-9
        )  # pixels of a tile differ a little in ground
        assert hectares.value <= ground * (1 + 1e-9)
        assert asked.ask(f"What percent of the image is {name}?").values[0].value == pytest.approx(100 * share)
        said = asked.ask(f"Is there any {name}?", form="yes/no").text
        present = asked.processor.config.maps.get("land cover", MapCalibration(places=0)).present
        assert said == ("yes" if np.count_nonzero(pixels(whole, name)) / size >= present else "no")


def test_a_class_is_one_set_of_pixels_however_it_is_asked(processor: Processor, record: Record) -> None:
    """The stand-in sways with the number of classes named, so asking the model for a part would show."""
    subsets = [part for n in range(1, 4) for part in itertools.permutations(LEGEND, n)]
    agree(Session(Bands(), processor, record), LEGEND, subsets)


def test_a_listed_class_that_was_not_taught_gets_no_pixel_and_a_note(processor: Processor, record: Record) -> None:
    asked = Session(Bands(), processor, record, name="ramps")
    whole, listed = asked.ask("Map the land cover."), asked.ask("Map the land cover: water, clouds, crops.")
    assert listed.mask is not None and listed.mask.legend == ("water", "crops")
    for name in listed.mask.legend:
        np.testing.assert_array_equal(pixels(listed, name), pixels(whole, name))
    assert any("ramps was not taught clouds" in note for note in listed.notes)
    assert not any("clouds" in note for note in whole.notes)


def test_a_legend_is_mapped_once(processor: Processor, record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    original = maps.joined
    monkeypatch.setattr(session, "joined", lambda *a, **k: calls.append(1) or original(*a, **k))
    asked = Session(Bands(), processor, record)
    for question in (
        "Map the water.",
        "How many hectares of trees are there?",
        "Is there snow?",
        "Map the land cover.",
    ):
        asked.ask(question)
    asked.map(("crops",))
    assert len(calls) == 1


def test_a_free_question_and_the_typed_call_are_one(processor: Processor, record: Record) -> None:
    asked = Session(Bands(), processor, record)
    np.testing.assert_array_equal(
        asked.map(("water", "snow")).mask.class_index,
        asked.ask("Map the snow and the water").mask.class_index[:] * 0
        + np.array([1, 0, -1])[asked.ask("Map the snow and the water").mask.class_index],
    )


@pytest.mark.parametrize(
    "question",
    ["How many ships are there?", "Map the bridges.", "Map the water and the bridges.", "Remove the clouds", "Is there a ship?",
     "Where are the ships? Give their boxes.", "What is the biomass?", "Map everything except water", "How many trees are there?",
     "Is there water in the north?", "Who owns this land?", "\ud800", ""],
)  # fmt: skip
def test_what_was_not_taught_is_declined_in_one_line(processor: Processor, record: Record, question: str) -> None:
    answer = Session(Bands(), processor, record, name="nano").ask(question)
    assert answer.declined and answer.mask is None and not answer.values and answer.confidence == 0
    assert answer.text.startswith("nano was not taught ") and "\n" not in answer.text and len(answer.text) < 1500
    assert answer.to_json()["declined"] is True


@pytest.mark.parametrize("question", ["map " * 30_000, "a" * 100_000, "?!" * 50_000])
def test_a_question_longer_than_any_prompt_is_refused(processor: Processor, record: Record, question: str) -> None:
    with pytest.raises(UserError, match="characters, expected"):
        Session(Bands(), processor, record).ask(question)


def test_the_legend_is_that_of_the_sensor(processor: Processor, record: Record) -> None:
    """ "Map the crops." names a class to one sensor, and the whole legend to another."""
    pines = Taught(task="segmentation", name="crops", subjects=("corn", "wheat"), sensor="aviris_indian_pines")
    config = dataclasses.replace(processor.config, taught=(pines, *processor.config.taught))
    answer = Session(Bands(), Processor(config, processor.text), record).ask("Map the crops.")
    assert answer.mask is not None and answer.mask.legend == ("crops",)
    assert Session(Bands(), Processor(config, processor.text), record).ask("Map the corn.").declined


def test_another_pixel_size_was_not_taught(processor: Processor, record: Record) -> None:
    coarse = {n: dataclasses.replace(o, gsd_m=np.asarray(1000.0, np.float32)) for n, o in record.observations.items()}
    answer = Session(Bands(), processor, dataclasses.replace(record, observations=coarse)).ask("Map the water.")
    assert answer.declined and "it knows: nothing" in answer.text


def test_intervals_are_those_measured_or_none(processor: Processor, record: Record) -> None:
    bare = Session(Bands(), processor, record).ask("How many hectares of water are there?")
    assert bare.values[0].low is None and "interval" not in bare.text
    trust = MapCalibration(places=30, bands=(ShareBand(up_to=1.0, below=0.5, above=1.0, n=90),))
    config = dataclasses.replace(processor.config, maps={"land cover": trust})
    asked = Session(Bands(), Processor(config, processor.text), record)
    for name in LEGEND:
        value = asked.ask(f"How many hectares of {name} are there?").values[0]
        assert value.low is not None and value.high is not None and "90 % interval" in asked.ask(f"area of {name}").text
        assert 0 <= value.low <= value.value <= value.high <= asked.whole_ha


def test_a_form_binds_what_a_map_says(processor: Processor, record: Record) -> None:
    asked = Session(Bands(), processor, record)
    assert asked.ask("Is there water?", form="yes/no").text in ("yes", "no")
    assert float(asked.ask("How many hectares of water are there?", form="number").text) >= 0
    with pytest.raises(UserError, match="is answered by a map"):
        asked.ask("Map the water.", form="yes/no")


@settings(max_examples=25)
@given(mapped=st.floats(0, 1), below=st.floats(0, 5), above=st.floats(0, 5), up_to=st.floats(0.1, 1))
def test_an_interval_holds_its_share_and_stays_a_share(mapped: float, below: float, above: float, up_to: float) -> None:
    trust = MapCalibration(places=1, bands=(ShareBand(up_to=up_to, below=below, above=above, n=20),))
    ends = trust.interval(mapped)
    if ends is not None:
        assert mapped <= up_to and 0 <= ends[0] <= mapped <= ends[1] <= 1 and ends[1] - ends[0] <= WIDEST
    else:
        assert mapped > up_to or below + above > 2 * logit((1 + WIDEST) / 2) - 1e-6


# --- the shipped checkpoint on every scene of the data folder


@pytest.fixture(scope="module")
def nano() -> Pretrained:
    return load("nano")


SCENES = {
    "terramesh": ("train", "test"), "bigearthnet": ("train",), "eolearn": ("train",), "satclip_s2_global": ("val",),
    "hls_worldcover306": ("val",), "aid_rsicd": ("val",),
}  # fmt: skip


def some(dataset: str) -> Iterator[Record]:
    for split in SCENES[dataset]:
        records = open_records(dataset, split)
        yield from (records[i] for i in range(min(len(records), 3)))


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("dataset", SCENES)
def test_one_scene_one_truth_on_real_places(dataset: str, nano: Pretrained, published_data: Path) -> None:
    rng = np.random.default_rng(0)
    for record in some(dataset):
        asked = Session(nano.model, nano.processor, dataclasses.replace(record, mask=None))
        legend = asked.ask("Map the land cover.").mask.legend
        subsets = [tuple(rng.permutation(legend)[: rng.integers(1, len(legend))].tolist()) for _ in range(20)]
        agree(asked, legend, [*subsets, *((name,) for name in legend)])


@pytest.mark.data
def test_the_question_of_the_readme_maps_real_tiles(nano: Pretrained, published_data: Path) -> None:
    """Of the pixels that are water, trees or crops, more than four fifths are right on a tile of training and the one left out."""
    for split in ("train", "test"):
        records = open_records("terramesh", split)
        for record in (records[i] for i in range(len(records))):
            answer = nano.predict(record, "Map the land cover: water, trees, crops.")
            legend = ("water", "trees", "crops")
            truth = np.array([*(legend.index(n) if n in legend else -1 for n in record.mask.legend), -1])
            truth = truth[record.mask.class_index]
            right = (answer.mask.class_index == truth)[truth >= 0].mean()
            assert right > 0.8, f"{record.id}: {right:.3f}"
