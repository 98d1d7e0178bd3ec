"""Regions that the decoder opens in a sentence are those of the scene's one map, and one call writes the whole answer."""

import pytest

from rsfm.answer.regions import classes_opened, of_one_legend, without_tokens
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
    said, opened = classes_opened(text, KNOWN, VIEW)
    asked = of_one_legend(opened)
    assert said == plain == without_tokens(text)
    assert (asked.subjects if asked else ()) == classes


def test_classes_of_a_second_legend_are_left_out() -> None:
    _, opened = classes_opened("water <mask> roof <mask> trees <mask>", KNOWN, VIEW)
    asked = of_one_legend(opened)
    assert asked is not None and asked.subjects == ("water", "trees")
