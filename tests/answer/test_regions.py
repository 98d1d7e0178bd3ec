"""Regions that the decoder opens in a sentence are those of the scene's one map, and one call writes the whole answer."""

import pytest

from rsfm.answer.regions import of_one_legend, subjects_opened, without_tokens
from rsfm.processor import Taught, View

VIEW = View(sensors=(("aerial_rgb", 1.0),))
KNOWN = (
    Taught(task="segmentation", name="land cover", subjects=("water", "trees", "snow and ice"), sensor="aerial_rgb"),
    Taught(task="segmentation", name="roofs", subjects=("roof", "ground"), sensor="aerial_rgb"),
)


@pytest.mark.parametrize(
    ("text", "plain", "classes"),
    [
        ("water <mask> trees <mask>", "water trees", ("water", "trees")),
        (
            "A lake with snow and ice <mask> beside forest <mask>.",
            "A lake with snow and ice beside forest.",
            ("snow and ice", "trees"),
        ),
        ("There are <mask>", "There are", ()),
        ("a harbour <mask> near water <mask>", "a harbour near water", ("water",)),
        ("no region", "no region", ()),
    ],
)
def test_the_words_before_a_token_name_the_class(text: str, plain: str, classes: tuple[str, ...]) -> None:
    asked = of_one_legend(subjects_opened(text, "<mask>", KNOWN, VIEW))
    assert without_tokens(text) == plain
    assert (asked.subjects if asked else ()) == classes


def test_classes_of_a_second_legend_are_left_out() -> None:
    asked = of_one_legend(subjects_opened("water <mask> roof <mask> trees <mask>", "<mask>", KNOWN, VIEW))
    assert asked is not None and asked.subjects == ("water", "trees")
