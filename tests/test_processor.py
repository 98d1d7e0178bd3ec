"""The border between units and arrays: questions become plans, numbers keep their units, wrong sizes are told."""

import dataclasses

import numpy as np
import pytest

from rsfm.data.normalize import BandStatistics, normalize
from rsfm.errors import UserError
from rsfm.models.sizes import SIZES
from rsfm.processor import Processor, ProcessorConfig
from rsfm.quantities import Quantity
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.tasks.dialogue import OTHER, Dialogue
from rsfm.tasks.segmentation import Segmentation
from rsfm.tokenizers.numeric import NumericConfig
from rsfm.tokenizers.text import TextTokenizer
from rsfm.types import Mask, Predictions, Record, Value
from tests.test_house import ROOT

MOISTURE = Quantity(name="live fuel moisture", unit="%", center=100.0, scale=40.0, lowest=0.0)
LEGENDS = {"land cover": ("water", "snow and ice", "crops")}


@pytest.fixture(scope="module")
def processor() -> Processor:
    streams = {name: stream.spec for name, stream in SIZES["nano"].streams.items()}
    base = ProcessorConfig(streams=streams, legends=LEGENDS)
    config = dataclasses.replace(base, quantities=(MOISTURE, *base.quantities))
    return Processor(config, TextTokenizer.load(ROOT / "tokenizers" / "text"))


def picture(height: int = 40, width: int = 60, sensor: str = "aerial_rgb", **labels) -> Record:
    bands = len(SENSORS[sensor].bands)
    values = np.random.default_rng(0).uniform(0.1, 0.6, (1, height, width, bands)).astype(np.float32)
    observation = observe(SENSORS[sensor], values, time_days=[8000.0], gsd_m=10.0)
    return Record(id="test", observations={sensor: observation}, **labels)


@pytest.mark.parametrize(
    ("question", "legend"),
    [
        ("Map the land cover: water, trees, crops.", ("water", "trees", "crops")),
        ("Map the land cover.", LEGENDS["land cover"]),
        ("Map the water.", ("water",)),
        ("map the water and the trees", ("water", "trees")),
        ("Map the snow and ice.", ("snow and ice",)),
        ("Where is the water?", ("water",)),
        ("Segment the land cover: water and snow and ice", ("water", "snow", "ice")),
        ("What scene is this?", ()),
        ("How many trees are there?", ()),
    ],
)
def test_plan(processor, question, legend):
    plan = processor.plan(question)
    assert plan.legend == legend and plan.answer == " ".join(f"{name} <mask>" for name in legend)


@pytest.mark.parametrize("question", ["Map the land cover.", "Segment the land cover", "Draw a map of the land cover."])
def test_a_map_is_asked_for_as_in_training_whatever_the_wording(processor, question):
    """Training names the classes in the question; a checkpoint asked in words it never read maps nothing of use."""
    legend = processor.config.legends["land cover"]
    plan, mask = processor.plan(question), Mask(class_index=np.zeros((2, 2), int), legend=legend)
    turns = {
        Segmentation(subset=0.0, single=0.0).dialogue(picture(mask=mask), np.random.default_rng(i)).turns
        for i in range(20)
    }
    assert plan.legend == legend and (plan.asked, plan.answer) in {turn for each in turns for turn in each}


def test_an_area_is_read_from_a_map(processor):
    plan = processor.plan("How many hectares of water are there?")
    assert plan.area == "water" and "water" in plan.legend and plan.answer.count("<mask>") == len(plan.legend)
    alone = processor.plan("How many hectares of rice are there?")
    assert alone.legend == ("rice",) and alone.asked == "Map the rice."


def test_too_many_classes_are_refused(processor):
    with pytest.raises(UserError, match="names 17 classes; this checkpoint maps at most 16"):
        processor.plan("Map the land cover: " + ", ".join(f"class {i}" for i in range(17)))


def test_small_pictures_are_padded_and_large_ones_shrunk(processor):
    small = processor.prompt(picture(40, 60), "What scene is this?").observations["optical"]
    assert small.values.shape == (1, 160, 160, 16) and small.valid.sum() == 40 * 60 and small.band_valid.sum() == 3
    large = processor.prompt(picture(320, 480), "What scene is this?").observations["optical"]
    assert float(large.gsd_m) == pytest.approx(30.0) and large.valid[0, :107].all() and not large.valid[0, 107:].any()


def test_shrinking_keeps_means_and_ignores_invalid_pixels(processor):
    record = picture(320, 320)
    observation = record.observations["aerial_rgb"]
    valid = observation.valid.copy()
    valid[:, ::2] = False
    hole = np.where(valid[..., None], 0.5, np.full(3, 1e6)).astype(np.float32)
    changed = dataclasses.replace(
        record, observations={"aerial_rgb": dataclasses.replace(observation, values=hole, valid=valid)}
    )
    seen = processor.prompt(changed, "?").observations["optical"]
    expected = normalize(
        "aerial_rgb",
        observe(SENSORS["aerial_rgb"], np.full((1, 1, 1, 3), 0.5, np.float32), time_days=[0.0], gsd_m=1.0),
        {},
    )
    np.testing.assert_allclose(seen.values[0, :160, :160, :3], np.broadcast_to(expected[0], (160, 160, 3)), atol=1e-4)


def test_more_dates_than_the_stream_has_go_to_the_next_power_of_two(processor):
    values = np.full((5, 8, 8, 3), 0.3, np.float32)
    record = Record(
        id="dates",
        observations={
            "aerial_rgb": observe(SENSORS["aerial_rgb"], values, time_days=[0.0, 1.0, 2.0, 3.0, 4.0], gsd_m=1.0)
        },
    )
    observation = processor.prompt(record, "?").observations["optical"]
    assert observation.values.shape[0] == 8 and observation.valid.any(axis=(1, 2)).tolist() == [True] * 5 + [False] * 3


def test_a_map_is_made_of_its_streams_and_words_of_all(processor):
    config = dataclasses.replace(processor.config, map_streams=("optical", "sar"))
    chosen = Processor(config, processor.text)
    mask = Mask(class_index=np.zeros((40, 60), int), legend=LEGENDS["land cover"])
    record = picture(mask=mask)
    ground = observe(
        SENSORS["elevation"],
        np.full((1, 40, 60, 1), 9.0, np.float32),
        time_days=[0.0],
        gsd_m=10.0,
        bands=("elevation",),
    )
    record = dataclasses.replace(record, observations={**record.observations, "elevation": ground})
    dialogue = Segmentation().dialogue(record, np.random.default_rng(0))
    assert set(chosen.sample(record, dialogue, 96).observations) == {"optical"}
    assert set(chosen.for_map(record).observations) == {"aerial_rgb"}
    assert set(chosen.prompt(record, "What scene is this?").observations) == {"optical", "context"}
    assert set(processor.sample(record, dialogue, 96).observations) == {"optical", "context"}  # of all, where not said
    alone = dataclasses.replace(record, observations={"elevation": ground})
    assert set(chosen.for_map(alone).observations) == {"elevation"}  # rather than of nothing


def test_a_pixel_series_goes_to_its_own_stream(processor):
    values = np.full((3, 1, 1, 18), 0.2, np.float32)
    record = Record(
        id="series",
        observations={
            "fuel_moisture_table": observe(
                SENSORS["fuel_moisture_table"], values, time_days=[1.0, 31.0, 61.0], gsd_m=100.0
            )
        },
    )
    assert set(processor.prompt(record, "What is the live fuel moisture?").observations) == {"series"}


def test_statistics_are_used_where_given():
    sensor = SENSORS["aerial_rgb"]
    observation = observe(sensor, np.full((1, 2, 2, 3), 0.5, np.float32), time_days=[0.0], gsd_m=1.0)
    table = {"aerial_rgb": BandStatistics(source="test", mean=(0.5, 0.4, 0.3), std=(0.1, 0.1, 0.1))}
    np.testing.assert_allclose(normalize("aerial_rgb", observation, table)[0, 0, 0], [0, 1, 2], atol=1e-5)


def test_targets_of_values_and_masks(processor):
    index = np.full((40, 60), -1)
    index[:10], index[10:20] = 0, OTHER
    dialogue = Dialogue(
        turns=(
            ("Map the water.", "water <mask>"),
            ("What is the live fuel moisture?", "The live fuel moisture is <value> %."),
        ),
        values=(Value(name="live fuel moisture", value=140.0, unit="%"),),
        mask=Mask(class_index=index, legend=("water",)),
    )
    record = picture(mask=Mask(class_index=np.zeros((40, 60), int), legend=("water",)))
    sample = processor.sample(record, dialogue, 64)
    target = sample.targets
    assert target["value"][0] == pytest.approx(1.0) and (target["value_position"] >= 0).sum() == 1
    assert (target["mask"][:10, :60] == 0b10).all() and (target["mask"][10:20, :60] == 0b01).all()
    assert (target["mask"][20:] == 0).all() and (target["mask"][:, 60:] == 0).all()
    assert sample.text_ids[target["mask_position"][0]] == processor.text.special["<mask>"]


def test_numbers_come_back_in_their_units(processor):
    outputs = {"value_mean": np.array([0.5]), "value_scale": np.array([0.25])}
    predictions = Predictions(text_logits=np.zeros((1, 1), np.float32), outputs=outputs, aux={})
    answer = processor.decode("What is the live fuel moisture?", "The live fuel moisture is <value> %.", predictions)
    assert answer.text == "The live fuel moisture is about 120 % (90 % interval 104-136 %)."
    value = answer.values[0]
    assert (value.unit, value.value) == ("%", pytest.approx(120.0)) and value.low == pytest.approx(
        120 - 16.449, abs=0.01
    )


def numeric(processor, **changes) -> Processor:
    """The processor with numbers read or written otherwise."""
    return Processor(dataclasses.replace(processor.config, **changes), processor.text)


def test_every_kind_of_value_head_is_told_the_same_way(processor):
    levels = np.array([[0.05, 0.5, 0.95]])
    outputs = {
        "value_levels": levels,
        "value_quantiles": np.array([[-0.5, 0.25, 2.0]]),
        "value_mean": np.array([0.4]),
        "mask_logits": np.zeros((3, 4, 4)),
    }
    predictions = Predictions(text_logits=np.zeros((1, 1), np.float32), outputs=outputs, aux={})
    answer = processor.decode("What is the live fuel moisture?", "The live fuel moisture is <value> %.", predictions)
    value = answer.values[0]
    assert (value.low, value.high) == pytest.approx((80.0, 180.0), abs=0.01) and 80 < value.value < 180
    assert answer.text == f"The live fuel moisture is about {value.value:.0f} % (90 % interval 80-180 %)."


def test_numbers_of_questions_stand_apart_from_the_answers(processor):
    fourier = numeric(processor, numbers=NumericConfig(kind="fourier"))
    question, said = "It is 31.5 degC and rained 20 mm. What is the live fuel moisture?", "about <value> %"
    dialogue = Dialogue(turns=((question, said),), values=(Value(name="live fuel moisture", value=140.0, unit="%"),))
    sample = fourier.sample(picture(), dialogue, 64)
    slots = np.flatnonzero(sample.text_ids == fourier.text.special["<value>"])
    assert len(slots) == 3 and sample.targets["value_position"].tolist() == [slots[2], -1, -1, -1]
    assert np.flatnonzero(~np.isnan(sample.text_numbers)).tolist() == slots[:2].tolist()
    prompt = fourier.prompt(picture(), question, said)
    assert prompt.targets["value_position"][0] == slots[2]
    assert processor.prompt(picture(), question, said).text_numbers is None


def test_numbers_written_out_are_read_back(processor):
    written = numeric(processor, numbers_written=True)
    moisture = Value(name="live fuel moisture", value=141.7, unit="%")
    dialogue = Dialogue(turns=(("What is the live fuel moisture?", "It is <value> %."),), values=(moisture,))
    sample = written.sample(picture(), dialogue, 64)
    assert "It is 142 %." in written.text.decode(sample.text_ids.tolist())
    assert (sample.targets["value_position"] == -1).all()
    nothing = Predictions(text_logits=np.zeros((1, 1), np.float32), outputs={}, aux={})
    answer = written.decode(dialogue.turns[0][0], "It is 142 %.", nothing)
    assert answer.values == (Value(name="live fuel moisture", value=142.0, unit="%"),)
    failed = written.decode(dialogue.turns[0][0], "It is high.", nothing)
    assert not failed.values and "Expected a number in %, found 'It is high.'" in failed.notes[0]


def test_a_value_of_another_unit_is_refused(processor):
    moisture = Value(name="live fuel moisture", value=14.0, unit="t/ha")
    dialogue = Dialogue(turns=(("What is the live fuel moisture?", "It is <value> t/ha."),), values=(moisture,))
    with pytest.raises(UserError, match="found values in 't/ha', this checkpoint measures it in '%'"):
        processor.sample(picture(), dialogue, 64)
    with pytest.raises(UserError, match="asks for live fuel moisture in 't/ha'"):
        processor.prompt(picture(), "What is the live fuel moisture in t/ha?")


def test_a_text_over_the_length_says_by_how_much(processor):
    dialogue = Dialogue(turns=(("What scene is this?", "airport . " * 40),))
    with pytest.raises(UserError, match=r"test: the text has \d+ tokens, \d+ over the 64 allowed"):
        processor.sample(picture(), dialogue, 64)


def test_a_sensor_no_stream_reads_is_told(processor):
    narrow = Processor(
        dataclasses.replace(processor.config, streams={"sar": processor.config.streams["sar"]}), processor.text
    )
    with pytest.raises(UserError, match="reads no pictures of optical sensors. Its streams: sar"):
        narrow.prompt(picture(), "?")


def test_saved_and_loaded_it_is_the_same(processor, tmp_path):
    processor.save(tmp_path)
    again = Processor.load(tmp_path)
    assert again.config == processor.config
    a, b = (each.prompt(picture(), "Map the land cover.", "water <mask>") for each in (processor, again))
    np.testing.assert_array_equal(a.text_ids, b.text_ids)
    np.testing.assert_array_equal(a.observations["optical"].values, b.observations["optical"].values)
