"""What a question asks for: names of several classes, and lists that hold classes nobody taught."""

import pytest

from rsfm.data.landcover import COVER as LAND_COVER
from rsfm.processor import Taught, View
from rsfm.processor.asked import Asked, resolve

COVER = Taught(task="segmentation", name="land cover", subjects=LAND_COVER, sensor="sentinel2_l2a")


def read(question: str) -> Asked:
    return resolve(question, (COVER,), View(sensors=(("sentinel2_l2a", 10.0),)))


@pytest.mark.parametrize(
    ("question", "subjects", "left_out"),
    [
        ("Map the rangeland.", ("grass", "shrub"), ()),
        ("How many hectares of rangeland and water are there?", ("grass", "shrub", "water"), ()),
        ("Map the land cover: water, clouds, rangeland.", ("water", "grass", "shrub"), ("clouds",)),
        ("Map the land cover: scrub, grassland", ("shrub", "grass"), ()),
    ],
)
def test_a_name_of_several_classes_is_all_of_them(question, subjects, left_out):
    """Esri's rangeland is grass or shrub; a list may hold classes that were not taught, beside others."""
    got = read(question)
    assert got.taught and (got.subjects, got.left_out) == (subjects, left_out)


@pytest.mark.parametrize("question", ["Map the clouds.", "Map the land cover: clouds, ships.", "Map the north: water."])
def test_what_is_no_class_of_a_list_is_declined(question):
    assert not read(question).taught
