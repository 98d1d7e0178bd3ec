"""The border between units and arrays: questions become plans, numbers keep their units, wrong sizes are told."""

import dataclasses

import numpy as np
import pytest

from rsfm.data.training.normalize import BandStatistics, normalize
from rsfm.errors import UserError
from rsfm.models.sizes import SIZES
from rsfm.processor import Processor, ProcessorConfig
from rsfm.processor.plan import legend_plan
from rsfm.quantities import Quantity
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.tasks.dialogue import Dialogue, regions
from rsfm.tasks.segmentation import Segmentation
from rsfm.text.chat import SPOT
from rsfm.text.mentions import ImageLayout
from rsfm.text.numeric import NumericConfig
from rsfm.text.tokenizer import TextTokenizer
from rsfm.types import OTHER, Mask, Record, Value
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
        ("Segment the land cover: water and snow and ice", ("water", "snow and ice")),
        ("What scene is this?", ()),
        ("How many trees are there?", ()),
    ],
)
def test_plan(processor, question, legend):
    asked = processor.asked(question, picture())
    assert (asked.subjects or (asked.kind == "map" and asked.entry.subjects) or ()) == legend


@pytest.mark.parametrize(
    ("names", "legend"),
    [
        ("water, built area, bare ground, snow and ice.", ("water", "built area", "bare ground", "snow and ice")),
        ("water, built area, trees and crops", ("water", "built area", "trees", "crops")),
        (
            "asphalt and concrete, shared path, the number of ships",
            ("asphalt and concrete", "shared path", "number of ships"),
        ),
        ("water and snow and ice", ("water", "snow and ice")),
        ("trees, and the water", ("trees", "water")),
    ],
)
def test_names_after_a_colon_want_nothing(processor, names, legend):
    """A class may be called "built area" or "number of ships": the list names classes, whatever words are in it."""
    bare = Processor(dataclasses.replace(processor.config, legends={}), processor.text)
    asked = bare.asked(f"Map the land cover: {names}", picture())
    assert (asked.kind, asked.subjects) == ("map", legend)
    assert processor.asked("Tell me: how many hectares of water are there?", picture()).kind == "area"


@pytest.mark.parametrize("question", ["Map the land cover.", "Segment the land cover", "Draw a map of the land cover."])
def test_a_map_is_asked_for_as_in_training_whatever_the_wording(processor, question):
    """Training names the classes in the question; a checkpoint asked in words it never read maps nothing of use."""
    legend = processor.config.legends["land cover"]
    entry, mask = processor.asked(question, picture()).entry, Mask(class_index=np.zeros((2, 2), int), legend=legend)
    plan = legend_plan(processor.config, entry.subjects)
    turns = {
        Segmentation(subset=0.0, single=0.0).dialogue(picture(mask=mask), np.random.default_rng(i)).turns
        for i in range(20)
    }
    assert plan.legend == legend and (plan.asked, plan.answer) in {turn for each in turns for turn in each}


def test_an_area_is_read_from_a_map(processor):
    asked = processor.asked("How many hectares of water are there?", picture())
    assert asked.kind == "area" and asked.subjects == ("water",) and asked.entry.subjects == LEGENDS["land cover"]
    alone = processor.asked("How many hectares of rice are there?", picture())
    assert alone.kind == "area" and alone.entry.subjects == ("rice",)


def test_too_many_classes_are_refused(processor):
    with pytest.raises(UserError, match="names 17 classes; this checkpoint maps at most 16"):
        entry = processor.asked("Map the land cover: " + ", ".join(f"class {i}" for i in range(17)), picture()).entry
        legend_plan(processor.config, entry.subjects)


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


def test_every_instrument_of_a_stream_has_a_slot_of_its_own(processor):
    both, alone = picture(), picture(sensor="sentinel2_l2a")
    record = dataclasses.replace(both, observations={**both.observations, **alone.observations})
    first, second = (processor.prompt(each, "What is this?").observations["optical"] for each in (both, alone))
    found = processor.prompt(record, "What is this?").observations
    assert set(found) == {"optical", "optical/2"}
    np.testing.assert_array_equal(found["optical"].values, first.values)
    np.testing.assert_array_equal(found["optical/2"].values, second.values)


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
        spans=(
            *regions(Mask(class_index=index, legend=("water",))),
            Value(name="live fuel moisture", value=140.0, unit="%"),
        ),
    )
    record = picture(mask=Mask(class_index=np.zeros((40, 60), int), legend=("water",)))
    sample = processor.sample(record, dialogue, 64)
    value, mask = sample.targets["value"], sample.targets["mask"]
    assert value["value"][0] == pytest.approx(1.0) and (value["position"] >= 0).sum() == 1
    assert (mask["mask"][:10, :60] == 0b10).all() and (mask["mask"][10:20, :60] == 0b01).all()
    assert (mask["mask"][20:] == 0).all() and (mask["mask"][:, 60:] == 0).all()
    assert sample.text_ids[mask["position"][0]] == processor.text.special["<mask>"]


def test_numbers_come_back_in_their_units(processor):
    outputs = {"value": {"mean": np.array([0.5]), "scale": np.array([0.25])}}
    answer = processor.decode("What is the live fuel moisture?", "The live fuel moisture is <value> %.", outputs)
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
    value = {"levels": levels, "quantiles": np.array([[-0.5, 0.25, 2.0]]), "mean": np.array([0.4])}
    outputs = {"value": value, "mask": {"logits": np.zeros((3, 4, 4))}}
    answer = processor.decode("What is the live fuel moisture?", "The live fuel moisture is <value> %.", outputs)
    value = answer.values[0]
    assert (value.low, value.high) == pytest.approx((80.0, 180.0), abs=0.01) and 80 < value.value < 180
    assert answer.text == f"The live fuel moisture is about {value.value:.0f} % (90 % interval 80-180 %)."


def test_numbers_of_questions_stand_apart_from_the_answers(processor):
    fourier = numeric(processor, numbers=NumericConfig(kind="fourier"))
    question, said = "It is 31.5 degC and rained 20 mm. What is the live fuel moisture?", "about <value> %"
    dialogue = Dialogue(turns=((question, said),), spans=(Value(name="live fuel moisture", value=140.0, unit="%"),))
    sample = fourier.sample(picture(), dialogue, 64)
    slots = np.flatnonzero(sample.text_ids == fourier.text.special["<value>"])
    assert len(slots) == 3 and sample.targets["value"]["position"].tolist() == [slots[2], -1, -1, -1]
    assert np.flatnonzero(~np.isnan(sample.text_numbers)).tolist() == slots[:2].tolist()
    prompt = fourier.prompt(picture(), question, said)
    assert prompt.targets["value"]["position"][0] == slots[2]
    assert processor.prompt(picture(), question, said).text_numbers is None


def test_numbers_written_out_are_read_back(processor):
    written = numeric(processor, numbers_written=True)
    moisture = Value(name="live fuel moisture", value=141.7, unit="%")
    dialogue = Dialogue(turns=(("What is the live fuel moisture?", "It is <value> %."),), spans=(moisture,))
    sample = written.sample(picture(), dialogue, 64)
    assert "It is 142 %." in written.text.decode(sample.text_ids.tolist())
    assert (sample.targets["value"]["position"] == -1).all()
    answer = written.decode(dialogue.turns[0][0], "It is 142 %.", {})
    assert answer.values == (Value(name="live fuel moisture", value=142.0, unit="%"),)
    failed = written.decode(dialogue.turns[0][0], "It is high.", {})
    assert not failed.values and "Expected a number in %, found 'It is high.'" in failed.notes[0]


def test_a_value_of_another_unit_is_refused(processor):
    moisture = Value(name="live fuel moisture", value=14.0, unit="t/ha")
    dialogue = Dialogue(turns=(("What is the live fuel moisture?", "It is <value> t/ha."),), spans=(moisture,))
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


# --- images that stand in the text


TOKENS = {"context": 1, "hsi": 5, "optical": 3, "sar": 2, "series": 1}


def interleaved(processor, **changes) -> Processor:
    layout = ImageLayout(**{"tokens": TOKENS, **changes})
    return Processor(dataclasses.replace(processor.config, images=layout), processor.text)


def two_sensors(dates: int = 2) -> Record:
    """Backscatter, told first, of one date; a picture of several."""
    several = np.random.default_rng(1).uniform(0.1, 0.6, (dates, 32, 32, 3)).astype(np.float32)
    days = [8000.0 + 400 * i for i in range(dates)]
    optical = observe(SENSORS["aerial_rgb"], several, time_days=days, gsd_m=10.0)
    radar = picture(32, 32, "sentinel1_grd").observations["sentinel1_grd"]
    return Record(id="pair", observations={"sentinel1_grd": radar, "aerial_rgb": optical})


def shown(processor, sample) -> list[tuple[str, list[int]]]:
    """What is told before each image, and which image tokens stand there."""
    image, out, at = processor.text.special["<image>"], [], 0
    ids = sample.text_ids[sample.text_valid].tolist()
    for i, index in enumerate(ids):
        if index == image and ids[i - 1] != image:
            run = next(j for j in range(i, len(ids) + 1) if j == len(ids) or ids[j] != image)
            out.append((processor.text.decode(ids[at:i]), sample.text_images[i:run].tolist()))
            at = run
    assert (sample.text_images >= 0).sum() == sum(len(run) for _, run in out)
    return out


def test_images_stand_where_they_are_named(processor):
    placed = interleaved(processor)
    radar, first, second = placed.images(two_sensors())
    sample = placed.prompt(two_sensors(), "Is <image> of the day of <image>?", history=[("<image>?", "Radar. <image>")])
    # Streams are counted in alphabetical order: optical 2 x 3 tokens, then sar.
    (said, run), (then, other) = shown(placed, sample)
    assert said.endswith(f"[image 1: {radar}]") and run == [6, 7]
    assert then.endswith(f"Is [image 1: {radar}] of the day of [image 2: {first}]") and other == [0, 1, 2]
    assert "Radar. " in then and not sample.loss_mask[sample.text_images >= 0].any()
    named = placed.prompt(two_sensors(), "<image> or <image> or <image>?")
    assert [run for _, run in shown(placed, named)] == [[6, 7], [0, 1, 2], [3, 4, 5]]
    assert shown(placed, named)[2][0].endswith(f"[image 3: {second}]")


def test_images_that_no_one_names_come_first(processor):
    placed = interleaved(processor)
    dialogue = Dialogue(turns=(("What is it?", "A farm."), ("And <image>?", "Radar.")))
    sample = placed.sample(two_sensors(), dialogue, 64)
    told = placed.images(two_sensors())
    runs = shown(placed, sample)
    assert [run for _, run in runs] == [[6, 7], [0, 1, 2], [3, 4, 5]]
    assert all(said.endswith(f"[image {i + 1}: {told[i]}]") for i, (said, _) in enumerate(runs))
    again = Dialogue(turns=(("Where?", "Here."),))
    assert placed.sample(two_sensors(), again, 64).text_ids.shape == sample.text_ids.shape, "one shape a record's shape"
    alone = placed.sample(picture(), again, 32)
    assert shown(placed, alone) == [("", [0, 1, 2])] and len(alone.text_ids) == 32 + 3, "one image needs no words"
    words = alone.text_ids[alone.text_images < 0]
    assert words.tolist() == processor.sample(picture(), again, 32).text_ids.tolist()
    assert processor.sample(picture(), again, 32).text_images is None
    longer = placed.sample(two_sensors(3), again, 64)  # three dates are padded to four
    assert shown(placed, longer)[0][1] == [12, 13]


def test_merged_dates_are_one_image(processor):
    placed = interleaved(processor, merged=("optical",))
    told = placed.images(two_sensors(3))
    assert len(told) == 2 and told[1].endswith("10 m, 3 dates from 2021-11-26 to 2024-02-04")
    assert [run for _, run in shown(placed, placed.prompt(two_sensors(3), "What is it?"))] == [[3, 4], [0, 1, 2]]
    with pytest.raises(UserError, match=r"pair: the question names 3 <image>, the record holds 2 \(Sentinel-1"):
        placed.prompt(two_sensors(3), "<image><image><image>")


def test_image_tokens_count_and_a_typed_sign_is_none(processor):
    placed = interleaved(processor, context=150)
    question = "airport " * 5
    free = processor.tokens_over(picture(), [], question)
    assert interleaved(processor).tokens_over(picture(), [], question) == free
    assert placed.tokens_over(picture(), [], question) == free + 3 + 320 - 150
    with pytest.raises(
        UserError,
        match=r"pair: the text has \d+ tokens, \d+ over the 150 allowed; 8 of them are those of 3 images. Shorten",
    ):
        placed.prompt(two_sensors(), "What is it?")
    for each in (processor, placed):
        sample, plain = each.prompt(picture(), f"{SPOT}Where?{SPOT}"), each.prompt(picture(), "Where?")
        assert sample.text_ids.tolist() == plain.text_ids.tolist()
    assert (
        processor.text.messages([{"role": "system", "content": SPOT}, {"role": "user", "content": "?"}])[0].count(8)
        == 0
    )


def test_a_chat_template_holds_the_images_in_the_message(processor):
    template = (
        "{% for m in messages %}{{ '<user>' + m.role + ': ' + m.content | trim + '<eos>' }}{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    text = TextTokenizer.load(ROOT / "tokenizers" / "text")
    text.template = template
    placed = Processor(interleaved(processor).config, text)
    radar, first, _ = placed.images(two_sensors())
    for history in ([], [("<mask> and <image>?", "No.")]):
        runs = shown(placed, placed.prompt(two_sensors(), "Is <image> before <image>?", history=history, system="Say."))
        assert [run for _, run in runs] == [[6, 7], [0, 1, 2]]
        assert runs[0][0].endswith(f"[image 1: {radar}]") and runs[1][0].endswith(f"before [image 2: {first}]")
        assert runs[0][0].count("<mask>") == len(history), "typed, not meant"
    text.template = "{{ messages[-1].content }}" * 2
    with pytest.raises(
        UserError, match="chat template left 10 of 5 image tokens where users speak. Set chat_template to"
    ):
        placed.prompt(two_sensors(), "Is <image> before <image>?")
