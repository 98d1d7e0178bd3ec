"""Change in an answer: one map of what changed says whether, how much and where; a single picture is refused."""

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from rsfm.answer.session import Session
from rsfm.errors import UserError
from rsfm.models.foundation import FoundationModel
from rsfm.models.sizes import SIZES
from rsfm.pretrained import Pretrained
from rsfm.processor import HeadSlots, Processor, ProcessorConfig, Taught
from rsfm.sensors import SENSORS
from rsfm.sensors.observe import observe
from rsfm.tasks.wordings import CHANGED, CHANGED_AREA
from rsfm.text.tokenizer import TextTokenizer
from rsfm.types import Predictions, Record, Sample, StreamSpec

ROOT = Path(__file__).resolve().parents[2]
COVER = ("water", "trees")


class Compared(FoundationModel):
    """Change is where the first band of the last date differs from the first date's."""

    def __init__(self) -> None:
        pass

    def __call__(self, sample: Sample) -> Predictions:
        values, valid = sample.observations["optical"].values[..., 0], sample.observations["optical"].valid
        last = jnp.take_along_axis(values, (valid.shape[1] - 1 - jnp.argmax(valid[:, ::-1], axis=1))[:, None], axis=1)
        logits = jnp.where(valid.sum(1) > 1, 60 * jnp.abs(last[:, 0] - values[:, 0]) - 3, 9.0)
        slots = sample.targets["mask"]["position"].shape[1]
        return Predictions(
            text_logits=jnp.zeros((*sample.text_ids.shape, 4)),
            outputs={"mask": {"logits": jnp.repeat(logits[:, None], slots, axis=1)}},
            aux={},
        )


def processor(*entries: Taught) -> Processor:
    streams = {"optical": StreamSpec(families=("optical",), size=32, bands=12, patch=8)}
    config = ProcessorConfig(streams=streams, heads={"mask": HeadSlots(slots=4)}, taught=entries)
    return Processor(config, TextTokenizer.load(ROOT / "tokenizers" / "text"))


OF_CHANGE = Taught(
    task="change", name="building change", subjects=("building change",), sensor="aerial_rgb", gsd_m=(1.0, 1.0)
)
OF_COVER = Taught(task="segmentation", name="land cover", subjects=COVER, sensor="aerial_rgb", gsd_m=(1.0, 1.0))
PROCESSOR = processor(OF_CHANGE, OF_COVER)


def pair(changed: int, dates: int = 2, empty: int = 0) -> Record:
    """Grey ground; the lower right square of `changed` pixels is bright at the last date. `empty` rows lack that date."""
    values = np.full((dates, 40, 50, 3), 0.3, np.float32)
    values[-1, 40 - changed :, 50 - changed :] = 0.8
    valid = np.ones((dates, 40, 50), bool)
    valid[-1, :empty] = False
    days = [9000.0 + i for i in range(dates)]
    seen = observe(SENSORS["aerial_rgb"], values, valid=valid, time_days=days, gsd_m=1.0)
    return Record(id="pair", observations={"aerial_rgb": seen})


def session(record: Record) -> Session:
    return Session(Compared(), PROCESSOR, record)


@pytest.mark.parametrize(
    "question", ["Map the change.", "What changed?", "Map the building change.", *CHANGED, *CHANGED_AREA]
)
def test_every_wording_reads_the_same_map(question: str) -> None:
    asked = session(pair(20)).asked(question)
    assert asked.taught and asked.entry == OF_CHANGE, asked


def test_what_changed_is_where_how_much_and_how_many_hectares() -> None:
    answer = session(pair(20)).ask("Has anything changed between the dates?")
    assert answer.text == "Building change on 20.0 % of the picture, about 0.04 ha." and not answer.declined
    assert answer.mask is not None and answer.mask.legend == ("building change",)
    wanted = np.zeros((40, 50), bool)
    wanted[20:, 30:] = True
    np.testing.assert_array_equal(answer.mask.class_index == 0, wanted)
    (value,) = answer.values
    assert (value.name, value.unit) == ("building change", "ha") and value.value == pytest.approx(0.04)
    area = session(pair(20)).ask("How large is the change, in hectares?")
    assert area.values[0].value == pytest.approx(0.04)


def test_nothing_changed() -> None:
    answer = session(pair(0)).ask("Map the change.")
    assert answer.text == "No building change." and answer.values == ()
    assert answer.mask is not None and (answer.mask.class_index == -1).all()


def test_the_land_cover_is_still_the_land_cover() -> None:
    asked = session(pair(20)).asked("Map the land cover.")
    assert asked.entry == OF_COVER
    assert session(pair(20)).asked("Has the forest changed?").entry != OF_COVER


def test_a_pixel_seen_once_is_not_called_changed() -> None:
    answer = session(pair(20, empty=10)).ask("Map the change.")
    assert answer.mask is not None and (answer.mask.class_index[:10] == -1).all()
    assert (answer.mask.class_index[20:, 30:] == 0).all()


def test_one_picture_has_no_change() -> None:
    with pytest.raises(
        UserError, match="compares pictures of one place: expected at least two, found 1.*other date's file"
    ):
        session(pair(20, dates=1)).ask("Map the change.")


def test_a_long_series_is_compared_from_its_first_date_to_its_last() -> None:
    """Of more dates than go together some are left out, and never the ends."""
    series = pair(20, dates=200)
    answer = session(series).ask("Map the change.")
    assert answer.mask is not None and (answer.mask.class_index[20:, 30:] == 0).all()
    assert (answer.mask.class_index == 0).mean() == pytest.approx(0.2)


def test_two_pictures_in_memory_are_compared() -> None:
    loaded = Pretrained(name="tiny", model=Compared(), processor=PROCESSOR, config=SIZES["nano"])
    before, after = (pair(20).observations["aerial_rgb"].values[i] for i in (0, 1))
    picture = lambda x: (255 * x).round().astype(np.uint8)  # noqa: E731
    answer = loaded.compare(picture(before), picture(after), sensor="aerial_rgb", gsd_m=1.0)
    assert answer.text.startswith("Building change on 20.0 % of the picture")
    same = loaded.compare(picture(before), picture(before), sensor="aerial_rgb", gsd_m=1.0)
    assert same.text == "No building change."


def test_a_checkpoint_without_change_declines_in_one_line() -> None:
    answer = Session(Compared(), processor(OF_COVER), pair(20)).ask("Map the change.")
    assert answer.declined and "was not taught to tell changes" in answer.text
    cover = dataclasses.replace(OF_COVER, sensor="sentinel2_l2a")
    assert Session(Compared(), processor(cover), pair(20)).ask("What changed?").declined
